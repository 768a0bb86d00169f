// Headers of GCC 11 and later call this function where older ones called another; it came with GLIBCXX_3.4.29. With a
// definition of our own the addon loads wherever Node itself does (GLIBCXX_3.4.21). It is what a container calls when
// asked for more elements than the address space holds, which nothing here does; without exceptions it can only end.
#include <cstdlib>

namespace std {

// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is what the headers call.
[[noreturn]] __attribute__((visibility("hidden"))) void __throw_bad_array_new_length() { abort(); }

}  // namespace std
