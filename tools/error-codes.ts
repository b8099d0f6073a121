/**
 * @file Writes docs/errors.md: every error code with its message, found in the sources. `npm run docs` runs it; a test
 * fails when the page is out of date.
 *
 * It parses without type checking, so the code in `new KronaError(code, message)` must be a literal, a conditional of
 * literals, or a template with a variable of a type that is a union of literals in the same file.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { formatted } from './formatted.ts';

const ROOT = join(import.meta.dirname, '..');

const ROOMS = {
  core: 'Configuration and files',
  storage: 'Storage',
  operation: 'Operation',
  commands: 'Commands in chat',
  bot: 'Bot',
  'gpu-worker': 'Models, training and drawing',
  lab: 'Pretraining and evaluation',
  cli: 'Command line',
} as const;

/** Stands for a variable part of a message. */
const GAP = '…';
/** Stands for a message that is not written in one place. */
const VARIES = '(varies: it names what is wrong)';

interface Thrown {
  readonly code: string;
  readonly message: string;
}

/** Returns the text of docs/errors.md. @throws Error for a code that can't be found in the source */
export async function errorPage(): Promise<string> {
  const sections: string[] = [];
  for (const [room, title] of Object.entries(ROOMS)) {
    const thrown: Thrown[] = [];
    for (const path of await sourcesIn(room))
      thrown.push(...errorsOf(path, await readFile(join(ROOT, path), 'utf8')));
    const rows = [...messagesByCode(thrown)].map(
      ([code, message]) => `| \`${code}\` | ${message === GAP ? VARIES : escaped(message)} |`,
    );
    sections.push(`## ${title} (${room})\n\n| code | message |\n| --- | --- |\n${rows.join('\n')}\n`);
  }
  const intro = `# Error codes

Every error that a person can act on has a stable code and a message that says what to do. Codes are listed by the
folder that reports them; ${GAP} stands for values such as names and numbers. \`npm run docs\` writes this page from the
sources.`;
  const path = join(ROOT, 'docs/errors.md');
  return formatted(path, `${intro}\n\n${sections.join('\n')}`);
}

async function sourcesIn(room: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, room), { recursive: true });
  const sources = entries.filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts'));
  return sources.map((name) => `${room}/${name}`).filter((path) => path !== 'core/errors.ts');
}

/** The longest message of each code, by code: independent of files and their order. */
function messagesByCode(thrown: readonly Thrown[]): Map<string, string> {
  const messages = new Map<string, string>();
  for (const { code, message } of thrown.toSorted((a, b) => a.code.localeCompare(b.code, 'en'))) {
    const known = messages.get(code);
    const isBetter =
      known === undefined ||
      message.length > known.length ||
      (message.length === known.length && message < known);
    if (isBetter) messages.set(code, message);
  }
  return messages;
}

/** Plain text as Markdown; text between backticks stays unchanged. */
const escaped = (message: string): string =>
  message
    .replace(/\s+/g, ' ')
    .replace(new RegExp(`${GAP}{2,}`, 'g'), GAP)
    .split('`')
    .map((part, index) => (index % 2 === 0 ? part.replace(/[|<*[\]]/g, String.raw`\$&`) : part))
    .join('`');

/** The errors of one source file, in order. */
function errorsOf(path: string, text: string): Thrown[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: Thrown[] = [];
  const visit = (node: ts.Node): void => {
    found.push(...thrownBy(node));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Errors of `new KronaError(code, message)`, and of an object with a literal `code` and a `message`. */
function thrownBy(node: ts.Node): Thrown[] {
  if (ts.isNewExpression(node) && /^(Krona|Graph)Error$/.test(node.expression.getText())) {
    const [code, message] = node.arguments ?? [];
    if (!code || !message) return [];
    const codes = literalsOf(code);
    if (codes === null) {
      const { line } = node.getSourceFile().getLineAndCharacterOfPosition(node.getStart());
      throw new Error(
        `${node.getSourceFile().fileName}:${line + 1}: the code ${code.getText()} isn't a literal. ` +
          'Use a union of literals, or KronaError.reported for an error from elsewhere.',
      );
    }
    return codes.map((each) => ({ code: each, message: messageOf(message, variableOf(code, each)) }));
  }
  if (!ts.isObjectLiteralExpression(node)) return [];
  const [code, message] = ['code', 'message'].map((name) => propertyOf(node, name));
  if (!code || !message || !ts.isStringLiteral(code) || !/^[A-Z][A-Z0-9_]+$/.test(code.text)) return [];
  return [{ code: code.text, message: messageOf(message) }];
}

/** The variable of a template, with its value in one of the template's codes. */
function variableOf(template: ts.Expression, code: string): ReadonlyMap<string, string> {
  if (!ts.isTemplateExpression(template)) return new Map();
  const [span] = template.templateSpans;
  if (!span || template.templateSpans.length > 1) return new Map();
  const value = code.slice(template.head.text.length, code.length - span.literal.text.length);
  return new Map([[span.expression.getText(), value]]);
}

function propertyOf(object: ts.ObjectLiteralExpression, name: string): ts.Expression | undefined {
  const property = object.properties.find((each) => each.name?.getText() === name);
  return property && ts.isPropertyAssignment(property) ? property.initializer : undefined;
}

/** All texts that an expression can have; null if the source doesn't say. */
function literalsOf(node: ts.Expression): string[] | null {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isConditionalExpression(node)) {
    const [yes, no] = [literalsOf(node.whenTrue), literalsOf(node.whenFalse)];
    return yes && no && [...yes, ...no];
  }
  if (ts.isTemplateExpression(node))
    return node.templateSpans.reduce<string[] | null>(
      (starts, { expression, literal }) => {
        const middles = literalsOf(expression);
        return (
          starts &&
          middles &&
          starts.flatMap((start) => middles.map((middle) => start + middle + literal.text))
        );
      },
      [node.head.text],
    );
  if (!ts.isIdentifier(node)) return null;
  const { type } = parameterOf(node)?.parameter ?? {};
  return type ? membersOf(type) : null;
}

/** The members of a union of string literals, given or by name. */
function membersOf(type: ts.TypeNode): string[] | null {
  if (ts.isLiteralTypeNode(type)) return ts.isStringLiteral(type.literal) ? [type.literal.text] : null;
  if (ts.isUnionTypeNode(type)) {
    const members = type.types.map(membersOf);
    return members.every((member) => member !== null) ? members.flat() : null;
  }
  const alias = type
    .getSourceFile()
    .statements.find((each) => ts.isTypeAliasDeclaration(each) && each.name.text === type.getText());
  return alias && ts.isTypeAliasDeclaration(alias) ? membersOf(alias.type) : null;
}

/** A message with GAP for values that only the running program knows. @param known values of variables */
function messageOf(node: ts.Expression, known: ReadonlyMap<string, string> = new Map()): string {
  // Any whole message passed to a helper function serves as well as the others.
  const passed = ts.isIdentifier(node) ? argumentsFor(node)[0] : undefined;
  return textOf(passed ?? node, known);
}

function textOf(node: ts.Expression, known: ReadonlyMap<string, string>): string {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return node.templateSpans.reduce(
      (text, { expression, literal }) => text + textOf(expression, known) + literal.text,
      node.head.text,
    );
  if (isSum(node)) return textOf(node.left, known) + textOf(node.right, known);
  if (ts.isConditionalExpression(node)) return textOf(node.whenTrue, known) || textOf(node.whenFalse, known);
  if (ts.isParenthesizedExpression(node)) return textOf(node.expression, known);
  if (!ts.isIdentifier(node)) return GAP;
  const value = known.get(node.text) ?? constantOf(node);
  if (value !== undefined) return value;
  const [passed, ...others] = argumentsFor(node).map((each) => textOf(each, known));
  return passed !== undefined && others.every((other) => other === passed) ? passed : GAP;
}

/** The text of a constant in the same file. */
function constantOf(name: ts.Identifier): string | undefined {
  let found: string | undefined;
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === name.text && isText(node.initializer))
      found ??= textOf(node.initializer, new Map());
    ts.forEachChild(node, visit);
  };
  if (parameterOf(name) === null) visit(name.getSourceFile());
  return found;
}

const isSum = (node: ts.Node): node is ts.BinaryExpression =>
  ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken;

const isText = (node: ts.Expression | undefined): node is ts.Expression =>
  node !== undefined && (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) || isSum(node));

interface Passed {
  readonly of: ts.SignatureDeclaration;
  readonly parameter: ts.ParameterDeclaration;
  readonly index: number;
}

/** The parameter of an enclosing function that an identifier names. */
function parameterOf(name: ts.Identifier): Passed | null {
  for (let node: ts.Node = name.parent; !ts.isSourceFile(node); node = node.parent) {
    if (!ts.isFunctionLike(node)) continue;
    const index = node.parameters.findIndex((each) => each.name.getText() === name.text);
    const parameter = node.parameters[index];
    if (parameter) return { of: node, parameter, index };
  }
  return null;
}

/** The texts that calls in the same file pass for a parameter; none for another identifier. */
function argumentsFor(name: ts.Identifier): ts.Expression[] {
  const passed = parameterOf(name);
  if (passed === null) return [];
  const { of, index } = passed;
  const called = of.name ?? (ts.isVariableDeclaration(of.parent) ? of.parent.name : undefined);
  const found: ts.Expression[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && called && node.expression.getText() === called.getText()) {
      const argument = node.arguments[index];
      if (isText(argument)) found.push(argument);
    }
    ts.forEachChild(node, visit);
  };
  visit(of.getSourceFile());
  return found;
}

if (process.argv[1] === import.meta.filename)
  await writeFile(join(ROOT, 'docs/errors.md'), await errorPage());
