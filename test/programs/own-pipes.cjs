// Destinations that reach pipes which this process reads itself. Usage: node own-pipes.cjs <package> <what> [directory]
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const [, script, root, what, directory = ''] = process.argv;
const { start } = require(root);

/** Descriptors of pipes that have both ends in this process. What it inherited has one, or none that is its own. */
function pipes() {
  const links = fs.readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [{ fd: Number(name), pipe: fs.readlinkSync(`/proc/self/fd/${name}`) }];
    } catch {
      return [];
    }
  });
  const isOwn = ({ pipe }) => pipe.startsWith('pipe:') && links.filter((link) => link.pipe === pipe).length > 1;
  return links.filter((link) => link.fd > 2 && isOwn(link)).map(({ fd }) => fd);
}

const spellings = {
  number: (fd) => fd,
  devFd: (fd) => `/dev/fd/${fd}`,
  procSelf: (fd) => `/proc/self/fd/${fd}`,
  procPid: (fd) => `/proc/${process.pid}/fd/${fd}`,
  relative: (fd) => path.relative(process.cwd(), `/dev/fd/${fd}`),
  link: (fd) => {
    const link = path.join(directory, `link-${fd}`);
    fs.symlinkSync(`/dev/fd/${fd}`, link);
    return link;
  },
};

function tryAll() {
  const refused = {};
  const taken = [];
  for (const [name, spell] of Object.entries(spellings)) {
    refused[name] = 0;
    for (const fd of pipes()) {
      const destination = spell(fd);
      try {
        start({ destination, interval: '1h' }).stop();
        taken.push(`${name} ${destination}`);
      } catch (error) {
        if (error.code === 'ERR_EXTMEM_DESTINATION') refused[name]++;
      }
    }
  }
  console.log(JSON.stringify({ refused, taken }));
}

/** The path leads to libuv's pipe for signals when it is opened again; libuv takes what it reads there for pointers. */
function rotate() {
  const file = path.join(directory, 'out.ndjson');
  let signals = 0;
  process.on('SIGHUP', () => {});
  const session = start({ destination: file, interval: '1h' });
  const first = fs.openSync(file);
  const own = pipes();
  process.on('SIGUSR2', () => {
    signals++;
    if (signals < 20) return process.kill(process.pid, 'SIGUSR2');
    const text = fs.readFileSync(first, 'utf8');
    const lost = own.filter((_, seq) => !text.includes(`"seq":${seq},`)).length;
    console.log(JSON.stringify({ lost, signals }));
    process.exit();
  });
  setInterval(() => {}, 1000);
  for (const fd of own) {
    fs.unlinkSync(file);
    fs.symlinkSync(`/dev/fd/${fd}`, file);
    process.emit('SIGHUP');
    session.sample();
  }
  process.kill(process.pid, 'SIGUSR2');
}

/** What a child that was forked writes to descriptor 3 is a message to its parent. */
function fork() {
  const messages = [];
  const child = require('node:child_process').fork(script, [root, 'child']);
  child.on('message', (message) => messages.push(message));
  child.on('exit', () => console.log(JSON.stringify(messages)));
}

function child() {
  let code = 'none';
  try {
    start({ destination: process.channel.fd, interval: '1h' }).stop();
  } catch (error) {
    code = error.code;
  }
  process.send(code, () => process.disconnect());
}

({ spellings: tryAll, rotated: rotate, channel: fork, child })[what]();
