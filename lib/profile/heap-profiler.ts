/**
 * Whether V8's sampling heap profiler is there for us. Apart from what reads it, for the start line asks in every process,
 * and only a suspected heap is read.
 */

export const withoutSuspects = 'js-heap verdicts name no suspects';

/** `--heap-prof` starts the profiler with the isolate, and writes what it saw when the process exits. */
const isHeapProf = (argument: string) => /^--heap[-_]prof$/.test(argument);

/** Whether sites can be read, as far as that is known without trying. The row `heapSites` of the capabilities. */
export function heapSitesCapability(): true | string {
  if (process.features.inspector === false) return `this Node has no inspector: ${withoutSuspects}`;
  // Node 24 and later; the types are those of Node 20.
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  const denied =
    permission !== undefined && Number.parseInt(process.versions.node, 10) >= 24 && !permission.has('inspector');
  if (denied) return 'start node with --allow-inspector to let js-heap verdicts name suspects';
  const isTaken = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)].some(isHeapProf);
  return isTaken ? `--heap-prof has the heap profiler of V8, of which there is one: ${withoutSuspects}` : true;
}
