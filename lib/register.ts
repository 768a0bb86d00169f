/**
 * The preload: `node --require extmem/register app.js` or `--import`. Configured by `EXTMEM_*`. Never throws: whatever
 * is wrong becomes one warning, and the program runs as it would without us.
 */
import { enabledVariable, flag } from './enabled.js';

if (flag(process.env[enabledVariable]) !== false) {
  const { ExtmemError, start } = require('./index.js') as typeof import('./index.js');
  try {
    start(undefined, true);
  } catch (error) {
    const { messageOf } = require('./errors.js') as typeof import('./errors.js');
    const code = error instanceof ExtmemError ? error.code : 'ERR_EXTMEM_START';
    process.emitWarning(`extmem did not start as configured: ${messageOf(error)}`, { type: 'ExtmemWarning', code });
    try {
      start({ destination: 'stderr' }, true);
    } catch {
      // The first warning has said what is wrong; the program comes before us.
    }
  }
}
