/**
 * The preload: `node --require extmem/register app.js` or `--import`. Configured by `EXTMEM_*`. Never throws: whatever
 * is wrong becomes one warning, and the program runs as it would without us.
 */
import { enabledVariable, flag } from './enabled.js';

function warn(error: unknown): void {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'ERR_EXTMEM_START';
  const message = error instanceof Error ? error.message : String(error);
  process.emitWarning(`extmem did not start as configured: ${message}`, { type: 'ExtmemWarning', code });
}

if (flag(process.env[enabledVariable]) !== false) {
  const { start } = require('./index.js') as typeof import('./index.js');
  try {
    start(undefined, true);
  } catch (error) {
    warn(error);
    try {
      start({ destination: 'stderr' }, true);
    } catch {
      // The first warning has said what is wrong; the program comes before us.
    }
  }
}
