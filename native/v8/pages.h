// V8's heap pages, recognised by their header. Layout facts (x86-64, no pointer compression), all pages 256 KiB
// aligned, header at the page start:
//
//   V8 10-11 (Node 18, 20)   { size, flags, heap*, area_start, area_end }     area_start within 16 KiB of the page
//   V8 12-14 (Node 22-26)    { flags, metadata* }, metadata {any, base, size} with base == page; in V8 12 the header
//                            is its own metadata: { flags, self, size, heap*, area_start };
//                            read-only pages have a metadata that begins with three zero words
//
// Sources: src/heap/memory-chunk-layout.h, basic-memory-chunk.h, memory-chunk-metadata.h of these versions, checked
// against live processes. An unknown version fails the test and falls to `v8Other`: less detail, same sum.
#ifndef EXTMEM_V8_PAGES_H_
#define EXTMEM_V8_PAGES_H_

#include "os/peek.h"

namespace extmem {

constexpr uint64_t kV8PageBytes = 256 * 1024;

// Pages of cppgc, V8's C++ heap: 128 KiB aligned, { HeapHandle*, BaseSpace*, ... }, both inside one heap object.
constexpr uint64_t kCppgcPageBytes = 128 * 1024;
bool IsCppgcPage(Peek& memory, uint64_t address);

// Size of the V8 heap page (or large page) that begins at `address`; 0 when no header is there.
// `limit` bounds what is believed: a page is never larger than the reservation it lies in.
uint64_t V8PageBytes(Peek& memory, uint64_t address, uint64_t limit);

}  // namespace extmem

#endif  // EXTMEM_V8_PAGES_H_
