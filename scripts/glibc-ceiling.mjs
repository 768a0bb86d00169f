// Fails when a prebuilt binary needs newer libraries than the oldest system that Node itself runs on.
// node scripts/glibc-ceiling.mjs [file.node ...]; without arguments all of prebuilds/.
//
// What official Node 20 to 26 need, by `objdump -T`: GLIBC_2.28 (RHEL 8), GLIBCXX_3.4.21, CXXABI_1.3.9.
// Building on a newer system silently binds symbols to newer versions, and the addon then fails to load elsewhere.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ceilings = { GLIBC: '2.28', GLIBCXX: '3.4.21', CXXABI: '1.3.9', GCC: '4.8.0' };

const verneed = 0x6ffffffe; // SHT_GNU_verneed

/** Version names that an ELF64 little-endian file needs of its libraries, e.g. `GLIBC_2.17`. */
export function neededVersions(file) {
  const elf = readFileSync(file);
  if (elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1) {
    throw new Error(`Expected ${file} to be a 64-bit little-endian ELF file.`);
  }
  const tableOffset = Number(elf.readBigUInt64LE(0x28));
  const entryBytes = elf.readUInt16LE(0x3a);
  const section = (index) => {
    const at = tableOffset + index * entryBytes;
    return {
      type: elf.readUInt32LE(at + 4),
      offset: Number(elf.readBigUInt64LE(at + 0x18)),
      link: elf.readUInt32LE(at + 0x28),
      info: elf.readUInt32LE(at + 0x2c),
    };
  };
  const names = new Set();
  for (let index = 0; index < elf.readUInt16LE(0x3c); index++) {
    const { type, offset, link, info } = section(index);
    if (type !== verneed) continue;
    const strings = section(link).offset;
    let library = offset;
    for (let i = 0; i < info; i++) {
      let version = library + elf.readUInt32LE(library + 8);
      for (let k = 0; k < elf.readUInt16LE(library + 2); k++) {
        const start = strings + elf.readUInt32LE(version + 8);
        names.add(elf.toString('latin1', start, elf.indexOf(0, start)));
        version += elf.readUInt32LE(version + 12);
      }
      library += elf.readUInt32LE(library + 12);
    }
  }
  return [...names].sort();
}

function isNewer(version, ceiling) {
  const a = version.split('.').map(Number);
  const b = ceiling.split('.').map(Number);
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) > (b[i] ?? 0);
  }
  return false;
}

/** The versions above the ceiling; a library that we know no ceiling of is above it. */
export function tooNew(versions) {
  return versions.filter((name) => {
    const [, library, version] = /^([A-Z]+)_([0-9.]+)$/.exec(name) ?? [];
    return library === undefined || !(library in ceilings) || isNewer(version, ceilings[library]);
  });
}

function prebuilds() {
  const folder = fileURLToPath(new URL('../prebuilds', import.meta.url));
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.node'))
    .map((name) => join(folder, name));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = process.argv.length > 2 ? process.argv.slice(2) : prebuilds();
  if (files.length === 0) throw new Error('Expected a binary in prebuilds/. Run: npm run build:prebuilds');
  for (const file of files) {
    const versions = neededVersions(file);
    const above = tooNew(versions);
    console.log(`${file}: ${above.length === 0 ? 'fits' : `too new: ${above.join(' ')}`} (${versions.join(' ')})`);
    if (above.length > 0) process.exitCode = 1;
  }
}
