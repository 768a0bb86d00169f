// The whole test framework: CHECK counts and prints, Finish() prints what the runner reads.
#ifndef EXTMEM_TEST_NATIVE_CHECK_H_
#define EXTMEM_TEST_NATIVE_CHECK_H_

#include <cstdio>
#include <sstream>

namespace check {

inline int passed = 0;
inline int failed = 0;

inline void Report(bool ok, const char* file, int line, const std::string& text) {
  if (ok) {
    passed++;
    return;
  }
  failed++;
  std::printf("%s:%d: expected %s\n", file, line, text.c_str());
}

template <typename A, typename B>
void Equal(const A& actual, const B& expected, const char* file, int line, const char* text) {
  const bool ok = actual == expected;
  std::ostringstream message;
  if (!ok) message << text << ", received " << actual << " and " << expected;
  Report(ok, file, line, message.str());
}

inline int Finish() {
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace check

#define CHECK(condition) check::Report((condition), __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(actual, expected) check::Equal((actual), (expected), __FILE__, __LINE__, #actual " == " #expected)

#endif  // EXTMEM_TEST_NATIVE_CHECK_H_
