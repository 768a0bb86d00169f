// An Express service with one route per habit. `node server.js leaks.js` serves the leaking habits, `fixed.js` their
// healthy twins: same routes, same work, same answers.
'use strict';
const path = require('node:path');
const express = require('express');

function createApp(habits) {
  const app = express();
  app.use(express.json({ limit: '64kb' }));
  for (const [name, habit] of Object.entries(habits)) {
    app.post(`/${name}`, (request, response) => {
      habit(request, response);
      response.json({ ok: true });
    });
  }
  return app;
}

const habits = require(path.resolve(__dirname, process.argv[2] ?? 'leaks.js'));
const server = createApp(habits).listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port} with ${Object.keys(habits).join(', ')}`);
});
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => process.exit(0));
}
