// An ES module whose frames are compared.
export function inModule(leaf) {
  const steps = [1, 2];

  return steps.map((step) => (step === 2 ? leaf(true) : null))[1];
}
