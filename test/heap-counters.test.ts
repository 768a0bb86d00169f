/** What the addon reads of V8's heap is what Node says of it, by another way, and Node need not be asked. */
import { join } from 'node:path';
import type { HeapInfo, HeapSpaceInfo } from 'node:v8';
import t, { type Test } from 'tap';
import type { External, V8Heap } from '../lib/sample.js';
import { nodes, programs, runForJson } from './plain.js';

interface Told {
  readonly heap: HeapInfo;
  readonly spaces: readonly HeapSpaceInfo[];
  readonly node: NodeJS.MemoryUsage;
}

/** A sample between two answers of Node. */
interface Enclosed {
  readonly before: Told;
  readonly heap: V8Heap;
  readonly external: External;
  readonly after: Told;
}

interface Printed {
  readonly capability: unknown;
  readonly loaded: boolean;
  readonly main: Enclosed;
  readonly inWorker: Enclosed;
}

function check(t: Test, { before, heap, external, after }: Enclosed): void {
  const between = (value: number | null | undefined, of: (told: Told) => number | undefined, name: string) => {
    const [a, b] = [of(before) ?? Number.NaN, of(after) ?? Number.NaN];
    t.ok(
      value !== null && value !== undefined && value >= Math.min(a, b) && value <= Math.max(a, b),
      `${name}: ${a} ≤ ${value} ≤ ${b}`,
    );
  };
  between(heap.heapUsedBytes, (told) => told.heap.used_heap_size, 'used');
  between(heap.heapTotalBytes, (told) => told.heap.total_heap_size, 'total');
  between(heap.heapPhysicalBytes, (told) => told.heap.total_physical_size, 'physical');
  between(heap.heapLimitBytes, (told) => told.heap.heap_size_limit, 'limit');
  between(heap.mallocedBytes, (told) => told.heap.malloced_memory, 'malloced');
  between(heap.nativeContexts, (told) => told.heap.number_of_native_contexts, 'contexts');
  between(heap.detachedContexts, (told) => told.heap.number_of_detached_contexts, 'detached contexts');
  between(external.externalBytes, (told) => told.node.external, 'external');
  between(external.arrayBuffersBytes, (told) => told.node.arrayBuffers, 'ArrayBuffers');
  t.ok((external.arrayBuffersBytes ?? 0) >= 4e6, 'those that the program holds');
  for (const { space_name: name } of before.spaces) {
    const of = (told: Told) => told.spaces.find((space) => space.space_name === name);
    const space = heap.spaces[name] ?? { usedBytes: 0, committedBytes: 0, physicalBytes: 0 };
    between(space.usedBytes, (told) => of(told)?.space_used_size, `${name}: used`);
    between(space.committedBytes, (told) => of(told)?.space_size, `${name}: committed`);
    between(space.physicalBytes, (told) => of(told)?.physical_space_size, `${name}: physical`);
  }
}

for (const node of nodes) {
  t.test(`Node ${node.major}`, async (t) => {
    const { capability, loaded, main, inWorker } = await runForJson<Printed>(node, [
      join(programs, 'heap-counters.cjs'),
    ]);
    t.equal(capability, true);
    t.equal(loaded, false, 'node:v8 is not loaded');
    check(t, main);
    check(t, inWorker);
  });
}
