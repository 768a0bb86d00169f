// One state for both module systems: the CommonJS file is the package, this is its ESM face.

export type * from './index.js';
export { compare, doctor, ExtmemError, snapshot, start } from './index.js';
