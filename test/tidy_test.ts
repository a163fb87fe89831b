/**
 * The house rules, as a test: who may import whom, how long files and functions may get, and that the core takes
 * neither time nor chance from the machine.
 */
import { ok, strictEqual } from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);
const FILE_LINES_MAX = 400;
const TEST_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 80;

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

async function sources(): Promise<readonly SourceFile[]> {
  const found: SourceFile[] = [];
  async function walk(folder: string): Promise<void> {
    for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
      const path = `${folder}${entry.name}`;
      if (entry.isDirectory) await walk(`${path}/`);
      else if (/\.tsx?$/.test(entry.name)) found.push(await read(path));
    }
  }
  for (const folder of ["src/", "adapters/", "test/", "bench/"]) await walk(folder);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function read(path: string): Promise<SourceFile> {
  const text = await Deno.readTextFile(new URL(path, ROOT));
  const imports = [...text.matchAll(/(?:^|\n)\s*(?:import|export)[^"'`;]*?from\s+"([^"]+)"|import\("([^"]+)"\)/g)]
    .map((match) => match[1] ?? match[2] ?? "");
  return { path, text, imports };
}

/** The folder of an import as a path from the root, or the package's name. */
function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return new URL(specifier, new URL(from, "file:///")).pathname.slice(1);
}

const isTest = (path: string): boolean =>
  path.endsWith("_test.ts") || path.endsWith("_test.tsx") || path.startsWith("test/");

interface Rule {
  readonly who: RegExp;
  readonly may: RegExp;
  readonly why: string;
}

const PACKAGES =
  "(?:yaml|hono(?:/.*)?|prom-client(?:/.*)?|isomorphic-git|@kubernetes/client-node|@lezer/.*|@prometheus-io/.*|node:.*)";

const RULES: readonly Rule[] = [
  { who: /^src\/core\//, may: /^src\/core\/|^node:(crypto|buffer|zlib)$/, why: "the core is pure" },
  { who: /^src\/errors\.ts$/, may: /^$/, why: "errors know nobody" },
  { who: /^src\/ports\//, may: /^src\/(core|ports)\//, why: "ports are interfaces" },
  { who: /^src\/schema\//, may: /^src\/(schema\/|core\/|errors\.ts)|^yaml$/, why: "the schema engine knows no schema" },
  {
    who: /^src\/spec\//,
    may: /^src\/(spec|schema|core|ports)\/|^src\/errors\.ts$|^yaml$/,
    why: "specs are parsed, not applied",
  },
  {
    who: /^src\/config\//,
    may: /^src\/(config|spec|schema|core)\/|^src\/errors\.ts$|^yaml$/,
    why: "configuration does no I/O",
  },
  {
    who: /^src\/ledger\//,
    may: /^src\/(ledger|schema|spec|core|ports)\/|^src\/errors\.ts$|^yaml$/,
    why: "the ledger writes through a port",
  },
  {
    who: /^src\/shell\//,
    may: /^src\/(shell|ledger|spec|core|ports)\/|^src\/errors\.ts$|^node:crypto$/,
    why: "the shell knows ports, no adapter",
  },
  {
    who: /^src\/(server|telemetry)\//,
    may: new RegExp(`^src/(server|telemetry|core|ports|shell/telling|config)|^src/errors\\.ts$|^${PACKAGES}$`),
    why: "they show, they do not decide",
  },
  {
    who: /^adapters\/platform\//,
    may: new RegExp(`^adapters/(platform/|http_status)|^src/(core|ports)/|^src/errors\\.ts$|^${PACKAGES}$`),
    why: "only the platform does I/O",
  },
  {
    who: /^adapters\/(?!platform)/,
    may: /^adapters\/(?!platform)|^src\/(core|ports)\/|^src\/errors\.ts$|^node:(crypto|buffer)$/,
    why: "adapters are data in, data out",
  },
  {
    who: /^src\/sandbox\/(?!sandbox|demo)/,
    may: new RegExp(`^src/(sandbox|core|ports)/|^src/errors\\.ts$|^${PACKAGES}$`),
    why: "the sandbox is a double of a cluster and knows no agent",
  },
];

Deno.test("tidy: everybody imports only whom they may", async () => {
  const wrong: string[] = [];
  for (const file of await sources()) {
    if (isTest(file.path)) continue;
    for (const rule of RULES.filter(({ who }) => who.test(file.path))) {
      for (const specifier of file.imports) {
        const target = resolve(file.path, specifier);
        if (!rule.may.test(target)) wrong.push(`${file.path} imports ${target}: ${rule.why}`);
      }
    }
  }
  strictEqual(wrong.join("\n"), "");
});

/** Files that a file leads to, itself among them where it lies in a circle. */
function reached(from: string, imports: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const seen = new Set<string>();
  const open = [...imports.get(from) ?? []];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    open.push(...imports.get(path) ?? []);
  }
  return seen;
}

Deno.test("tidy: no file imports itself by way of others, types included", async () => {
  const files = (await sources()).filter(({ path }) => path.startsWith("src/") || path.startsWith("test/e2e/"));
  const imports = new Map(files.map(({ path, imports }) => [path, imports.map((one) => resolve(path, one))]));
  const circles = files.map(({ path }) => path).filter((path) => reached(path, imports).has(path));
  strictEqual(circles.join("\n"), "");
});

Deno.test("tidy: nothing imports main.ts, and heavy packages are imported in one file each", async () => {
  const files = (await sources()).filter(({ path }) => !isTest(path));
  const importers = (what: RegExp): readonly string[] =>
    files.filter((file) => file.imports.some((specifier) => what.test(resolve(file.path, specifier)))).map(({ path }) =>
      path
    );
  strictEqual(importers(/^src\/main\.ts$/).join(), "");
  strictEqual(
    importers(/^isomorphic-git$/).length,
    1,
    `isomorphic-git is imported by ${importers(/^isomorphic-git$/).join()}`,
  );
  strictEqual(importers(/^@kubernetes\/client-node$/).length, 1);
});

Deno.test("tidy: the core takes neither time nor chance from the machine, and waits for nothing", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await sources()) {
    if (!path.startsWith("src/core/") || isTest(path)) continue;
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    for (
      const word of [
        "Date.now",
        "new Date(",
        "Math.random",
        "performance.",
        "setTimeout",
        "await ",
        "async ",
        "Deno.",
        "console.",
      ]
    ) {
      if (code.includes(word)) wrong.push(`${path} uses "${word}"`);
    }
  }
  strictEqual(wrong.join("\n"), "");
});

Deno.test("tidy: only the clock reads the machine's clock", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await sources()) {
    if (isTest(path) || path.startsWith("bench/") || path === "adapters/platform/clock.ts") continue;
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    if (/\bDate\.now\(|\bMath\.random\(/.test(code)) wrong.push(path);
  }
  strictEqual(wrong.join("\n"), "");
});

Deno.test("tidy: files and functions stay of a size", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await sources()) {
    const lines = text.split("\n");
    if (lines.length > (isTest(path) ? TEST_LINES_MAX : FILE_LINES_MAX)) {
      wrong.push(`${path} has ${lines.length} lines: ask what second idea moved in`);
    }
    if (isTest(path)) continue;
    for (const { name, length } of functions(lines)) {
      if (length > FUNCTION_LINES_MAX) wrong.push(`${path}: ${name} has ${length} lines`);
    }
  }
  strictEqual(wrong.join("\n"), "");
});

/** Top-level functions and methods, by indentation, which the formatter keeps. */
function functions(lines: readonly string[]): readonly { readonly name: string; readonly length: number }[] {
  const found: { readonly name: string; readonly length: number }[] = [];
  for (const [at, line] of lines.entries()) {
    const head = /^( {0,2})(?:export )?(?:async )?(?:function\*? |(?:async |get |static )*(?=[#a-z]\w*\())([#\w]+)/
      .exec(line);
    if (head === null || !/\{$|\($|,$/.test(line)) continue;
    const close = lines.findIndex((other, index) => index > at && other.startsWith(`${head[1]}}`));
    if (close > at) found.push({ name: head[2] ?? "", length: close - at + 1 });
  }
  return found;
}

Deno.test("tidy: every file says what it is for, and no file speaks of a machine", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await sources()) {
    if (path.endsWith("_test.ts")) continue;
    if (!/^(?:#![^\n]*\n)?\s*(?:\/\*\*|\/\*\*? @jsx|\/\/)/.test(text)) {
      wrong.push(`${path} does not open with what it is for`);
    }
    if (/\b(jsr:|deno\.land\/)/.test(text) && path !== "test/tidy_test.ts") {
      wrong.push(`${path} names a registry that is not used`);
    }
  }
  strictEqual(wrong.join("\n"), "");
});

Deno.test("tidy: deno.lock names no host and deno.json exact versions only", async () => {
  const lock = await Deno.readTextFile(new URL("deno.lock", ROOT));
  ok(!lock.includes("://"), "deno.lock names a host");
  const config: { readonly imports: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", ROOT)),
  );
  for (const [name, specifier] of Object.entries(config.imports)) {
    ok(/@\d+\.\d+\.\d+\/?$/.test(specifier), `${name} is not at an exact version: ${specifier}`);
  }
});
