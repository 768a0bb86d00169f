/**
 * The preload: `node --require extmem/register app.js` or `--import`. Configured by `EXTMEM_*`. Never throws: whatever
 * is wrong becomes one warning, and the program runs as it would without us.
 */
import { ExtmemError, messageOf } from './errors.js';
import { start } from './index.js';

function warn(error: unknown): void {
  const code = error instanceof ExtmemError ? error.code : 'ERR_EXTMEM_START';
  process.emitWarning(`extmem did not start as configured: ${messageOf(error)}`, { type: 'ExtmemWarning', code });
}

try {
  start();
} catch (error) {
  warn(error);
  try {
    start({ destination: 'stderr' });
  } catch {
    // The first warning has said what is wrong; the program comes before us.
  }
}
