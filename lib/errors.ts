/** Stable codes of the errors that extmem throws. The text may change, a code never does. */
export type ErrorCode =
  | 'ERR_EXTMEM_OPTION_UNKNOWN'
  | 'ERR_EXTMEM_OPTION_INVALID'
  | 'ERR_EXTMEM_DESTINATION'
  | 'ERR_EXTMEM_RUNNING'
  | 'ERR_EXTMEM_STOPPED'
  | 'ERR_EXTMEM_USAGE'
  | 'ERR_EXTMEM_INPUT';

/** The only error class of the package. The message is one sentence: expected, received, what to do next. */
export class ExtmemError extends Error {
  override readonly name = 'ExtmemError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Renders a received value for an error sentence: short, typed, without running any code of the value. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return `${JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value)}`;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
    return `${String(value)} (${typeof value})`;
  }
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

/** The text of anything that was thrown, hostile values included. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : describe(thrown);
}
