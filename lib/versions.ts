/** The version in package.json, which the build does not copy. */
export const version: string = (require('../package.json') as { version: string }).version;
