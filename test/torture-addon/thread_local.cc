// A library with more thread-local variables than the stack of the reader has bytes for itself.
thread_local char big[300 << 10];

extern "C" __attribute__((visibility("default"))) char* thread_local_touch() { return big; }
