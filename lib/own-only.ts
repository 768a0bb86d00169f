/**
 * What a call by name may read, and nothing that the program gave to all objects: with an `Object.prototype.get`, which
 * is all it takes, a descriptor `{ value }` is invalid, and the program would meet an error that it has not without us.
 */
export function ownOnly<Given extends object>(given: Given): Given {
  return { __proto__: null, ...given };
}
