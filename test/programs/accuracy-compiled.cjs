'use strict';
// As a TypeScript compiler leaves it: with a reference to a source map, which is left alone.
Object.defineProperty(exports, '__esModule', { value: true });
exports.run = run;
class Compiled {
  constructor() {
    this.call = (leaf) => leaf(true);
  }
}
function run(leaf) {
  var _a;
  // biome-ignore lint/suspicious/noAssignInExpressions: as compilers write it
  return (_a = new Compiled()) === null || _a === void 0 ? void 0 : _a.call(leaf);
}
//# sourceMappingURL=accuracy-compiled.cjs.map
