// An ESM entry with a top-level await.
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

await setTimeout(50);
console.log('module', typeof Worker, import.meta.url.split('/').at(-1));
