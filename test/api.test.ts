/** docs/api.md holds: its examples run as written, and every type that a caller can meet has a name to import it by. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import t, { test } from 'tap';
import ts from 'typescript';
import { nodes, root, run } from './plain.js';

t.jobs = 2;

const page = readFileSync(join(root, 'docs', 'api.md'), 'utf8');

/** A comment at the end of a line of the example is what that line prints. */
function expectedOf(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.+)$/gm)].map(([, text]) => text as string);
}

const examples = page.split(/^##+ /m).flatMap((section) => {
  const name = section.slice(0, section.indexOf('\n'));
  return [...section.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => ({ name, code: code as string }));
});

for (const node of nodes) {
  test(`Node ${node.major}: the examples run as written`, async (t) => {
    const directory = t.testdir({ 'package.json': '{}' });
    mkdirSync(join(directory, 'node_modules'));
    symlinkSync(root, join(directory, 'node_modules', 'extmem'));
    t.ok(examples.length >= 10, `${examples.length} examples`);
    for (const [i, { name, code }] of examples.entries()) {
      writeFileSync(join(directory, `${i}.mjs`), code);
      const ended = await run(node.path, [`${i}.mjs`], { cwd: directory });
      t.equal(`${ended.code} ${ended.stderr}`, '0 ', name);
      for (const line of expectedOf(code)) t.match(ended.stdout, `${line}\n`, name);
    }
  });
}

/** Declarations of this package that the declaration `node` refers to; not through what is private or cannot be called. */
function referred(node: ts.Node, checker: ts.TypeChecker, found: Set<ts.Symbol>): void {
  if (ts.isConstructorDeclaration(node) || (ts.isPropertyDeclaration(node) && ts.isPrivateIdentifier(node.name)))
    return;
  if (ts.isIdentifier(node)) {
    const symbol = checker.getSymbolAtLocation(node);
    const target =
      symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const declaration = target?.declarations?.[0];
    const isType = declaration !== undefined && isNamedType(declaration);
    if (target !== undefined && isType && declaration.getSourceFile().fileName.startsWith(join(root, 'lib') + sep)) {
      found.add(target);
    }
  }
  ts.forEachChild(node, (child) => referred(child, checker, found));
}

const isNamedType = (node: ts.Node) =>
  ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isClassDeclaration(node);

/** The declared types of a function's signature or a whole type; bodies are nobody's business. */
function surfaceOf(declaration: ts.Declaration): readonly ts.Node[] {
  if (ts.isFunctionDeclaration(declaration)) {
    return [...declaration.parameters, declaration.type].filter((node) => node !== undefined);
  }
  if (!ts.isClassDeclaration(declaration)) return [declaration];
  const isPublic = (member: ts.ClassElement) =>
    ts.isMethodDeclaration(member) && !(member.name !== undefined && ts.isPrivateIdentifier(member.name));
  const members = declaration.members.filter(isPublic) as ts.MethodDeclaration[];
  return [
    ...(declaration.heritageClauses ?? []),
    ...members.flatMap((member) => [...member.parameters, member.type].filter((node) => node !== undefined)),
  ];
}

test('every type that a caller can meet is exported by a name of its own', async (t) => {
  const entry = join(root, 'lib', 'index.ts');
  const configured = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config as object;
  const { options } = ts.parseJsonConfigFileContent(configured, ts.sys, root);
  const program = ts.createProgram([entry], options);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry) as ts.SourceFile;
  const exported = checker
    .getExportsOfModule(checker.getSymbolAtLocation(source) as ts.Symbol)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
  const met = new Set<ts.Symbol>();
  for (const { declarations = [] } of exported) {
    for (const declaration of declarations) for (const node of surfaceOf(declaration)) referred(node, checker, met);
  }
  t.ok(met.size > 30, `${met.size} types are met`);
  t.strictSame(
    [...met].filter((symbol) => !exported.includes(symbol)).map((symbol) => symbol.name),
    [],
  );
});
