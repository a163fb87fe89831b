/**
 * `deno task e2e [SUITE ...] [--keep]`: the agent on real servers. Installs what the suites need, enters a namespace of
 * its own, runs them one after another, takes everything down, and ends with "N passed, N failed".
 */
import { serverNamed } from "../servers/catalogue.ts";
import { MissingToolError, runTool } from "../servers/commands.ts";
import { install } from "../servers/install.ts";
import { checkNamespaces, isInside, runInside } from "./namespace.ts";
import { Processes } from "./processes.ts";
import { Checks, type Suite } from "./suite.ts";
import { SUITES } from "./suites/mod.ts";

const EXIT = { ok: 0, failed: 1, usage: 2, leftOut: 3 } as const;

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

interface Wanted {
  readonly suites: readonly Suite[];
  readonly keep: boolean;
}

function parse(args: readonly string[]): Wanted | null {
  const names = args.filter((arg) => !arg.startsWith("--"));
  const unknown = [
    ...args.filter((arg) => arg.startsWith("--") && arg !== "--keep"),
    ...names.filter((name) => !SUITES.some((suite) => suite.name === name)),
  ];
  if (unknown.length > 0) {
    say(
      `"${unknown[0]}" is not understood. Suites:\n${
        SUITES.map(({ name, about }) => `  ${name}: ${about}\n`).join("")
      }`,
    );
    return null;
  }
  const suites = names.length === 0 ? SUITES : SUITES.filter(({ name }) => names.includes(name));
  return { suites, keep: args.includes("--keep") };
}

/** Outside: servers are installed here, since inside there is no way out. */
async function prepare({ suites }: Wanted): Promise<void> {
  await checkNamespaces();
  const names = new Set(suites.flatMap(({ servers }) => servers));
  for (const name of names) await install(serverNamed(name), { progress: say });
  // The agent runs from the cache alone, as in its image.
  const root = new URL("../../", import.meta.url);
  await runTool(Deno.execPath(), ["cache", "--frozen", "src/main.ts", "test/e2e/pods/main.ts"], { cwd: root });
}

async function runSuite(suite: Suite, keep: boolean): Promise<Checks> {
  say(`${suite.name}: ${suite.about}\n`);
  const checks = new Checks(say);
  const folder = await Deno.makeTempDir({ prefix: `serin-e2e-${suite.name}-` });
  const processes = new Processes(folder);
  const programs = new Map<string, string>();
  for (const name of suite.servers) {
    for (const [file, path] of await install(serverNamed(name), { progress: say })) programs.set(file, path);
  }
  try {
    await suite.run({
      folder,
      programs,
      processes,
      checks,
      keep: (how) => keep ? untilInterrupted(how) : Promise.resolve(),
    });
  } catch (error) {
    await checks.check("the suite ran to its end", () => Promise.reject(error));
  } finally {
    await processes.killAll();
  }
  if (checks.failures.length > 0) say(`  logs are in ${folder}\n`);
  else await Deno.remove(folder, { recursive: true });
  return checks;
}

/** The processes are in a namespace that only this one's id leads to. */
async function untilInterrupted(how: readonly string[]): Promise<void> {
  const inside = `nsenter --target $(pgrep --full --newest "${Deno.mainModule.replace("file://", "")}") --net --mount`;
  say(`\nKept running until Ctrl-C. Before each command:\n  ${inside}\n${how.map((line) => `  ${line}\n`).join("")}`);
  const { promise, resolve } = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGINT", resolve);
  await promise;
  Deno.removeSignalListener("SIGINT", resolve);
}

async function inside({ suites, keep }: Wanted): Promise<number> {
  let passed = 0;
  const failures: string[] = [];
  for (const suite of suites) {
    const checks = await runSuite(suite, keep);
    passed += checks.passed;
    failures.push(...checks.failures.map((failure) => `${suite.name}: ${failure}`));
  }
  say(`\n${passed} passed, ${failures.length} failed\n`);
  return failures.length === 0 ? EXIT.ok : EXIT.failed;
}

async function main(args: readonly string[]): Promise<number> {
  const wanted = parse(args);
  if (wanted === null) return EXIT.usage;
  if (isInside()) return await inside(wanted);
  try {
    await prepare(wanted);
  } catch (error) {
    if (!(error instanceof MissingToolError)) throw error;
    say(`${wanted.suites.length} end-to-end suites are left out: ${error.message}\n`);
    return EXIT.leftOut;
  }
  return await runInside(import.meta.url, args);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
