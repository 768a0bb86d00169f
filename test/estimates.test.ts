/** The printed 95 % intervals hold the truth in 93 to 97 % of 500 seeded trials. The seeds are fixed: no flakes. */
import { join } from 'node:path';
import t from 'tap';
import { programs, run } from './plain.js';

t.test('seeded trials', async (t) => {
  for (const mix of ['few', 'medium', 'mixed', 'halfFreed', 'rateRaised', 'rateLowered']) {
    const ended = await run(process.execPath, [join(programs, 'estimates.cjs'), '500', mix]);
    t.equal(ended.code, 0, ended.stderr);
    const { [mix]: found } = JSON.parse(ended.stdout) as Record<string, { inside: number; bias: number }>;
    t.ok(found !== undefined && found.inside >= 0.93 && found.inside <= 0.97, `${mix}: ${found?.inside} inside`);
    t.ok(found !== undefined && Math.abs(found.bias - 1) < 0.05, `${mix}: ${found?.bias} of the truth on average`);
  }
});
