/**
 * `deno task e2e [SUITE ...]`: the agent on real servers. Installs what the suites need, runs each in a namespace and a
 * process of its own, a few side by side, takes everything down, and ends with "N passed, N failed".
 */
import { serverNamed } from "../servers/catalogue.ts";
import { MissingToolError, runTool } from "../servers/commands.ts";
import { install } from "../servers/install.ts";
import { parse, type Wanted } from "./arguments.ts";
import { checkNamespaces, isInside, runInside } from "./namespace.ts";
import { POOLED } from "./pooled.ts";
import { type Outcome, runSuite } from "./run_suite.ts";
import { openWays } from "./keep.ts";
import { Checks, type PooledCheck, type Suite } from "./suite.ts";
import { SUITES } from "./suites/mod.ts";

const EXIT = { ok: 0, failed: 1, usage: 2, leftOut: 3, interrupted: 130 } as const;

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
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

/** Asked to end, the processes inside are asked as well, take things down and end; out here nothing more is begun. */
class Interrupt {
  readonly #controller = new AbortController();
  /** A suite was cut short by it: what is known is not the whole. */
  hasCut = false;
  readonly listen = (): void => this.#controller.abort();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get asked(): boolean {
    return this.signal.aborted;
  }
}

const interrupt = new Interrupt();

/** Runs a suite in a namespace of its own; whatever ends it early is a failure. */
async function outcomeOf(suite: Suite, { keep, lanes }: Wanted): Promise<Outcome> {
  const file = await Deno.makeTempFile({ prefix: `serin-e2e-${suite.name}-`, suffix: ".json" });
  const told = (line: string): void => say(lanes > 1 ? `${suite.name.padEnd(14)}${line}\n` : `${line}\n`);
  const ways = keep ? await openWays() : null;
  try {
    const kept = ways === null ? [] : ["--keep", `--ways=${ways.pagePort},${ways.folder}`];
    const args = [suite.name, `--outcome=${file}`, ...kept];
    const code = await runInside(import.meta.url, args, {
      told,
      entered: ways?.entered,
      interrupted: interrupt.signal,
    });
    if (interrupt.asked && code === EXIT.interrupted) interrupt.hasCut = true;
    const text = await Deno.readTextFile(file);
    if (text !== "") return JSON.parse(text);
    return { passed: 0, failures: [`the suite ended early, with status ${code}`], left: [] };
  } finally {
    await ways?.close();
    await Deno.remove(file);
  }
}

async function runAll(wanted: Wanted): Promise<ReadonlyMap<Suite, Outcome>> {
  const outcomes = new Map<Suite, Outcome>();
  const waiting = [...wanted.suites];
  const lane = async (): Promise<void> => {
    for (let suite = waiting.shift(); suite !== undefined && !interrupt.asked; suite = waiting.shift()) {
      outcomes.set(suite, await outcomeOf(suite, wanted));
    }
  };
  await Promise.all(Array.from({ length: wanted.lanes }, lane));
  for (let turn = 1; turn <= wanted.again && !interrupt.asked; turn++) {
    for (const suite of wanted.suites.filter((one) => (outcomes.get(one)?.failures.length ?? 0) > 0)) {
      say(`${suite.name} has failed and is run again by itself (${turn} of ${wanted.again})\n`);
      outcomes.set(suite, await outcomeOf(suite, { ...wanted, lanes: 1 }));
    }
  }
  return outcomes;
}

/** A check over all suites; one that chance may fail is asked once more, of suites that have run again. */
async function pooled(
  row: PooledCheck,
  outcomes: ReadonlyMap<Suite, Outcome>,
  wanted: Wanted,
): Promise<string | void> {
  const leftBy = (all: readonly Outcome[]): readonly unknown[] =>
    all.flatMap(({ left }) => left).filter(({ kind }) => kind === row.kind).map(({ value }) => value);
  try {
    return row.check(leftBy([...outcomes.values()]), wanted.isWhole);
  } catch (error) {
    const suites = [...outcomes].filter(([, one]) => leftBy([one]).length > 0).map(([suite]) => suite);
    if (row.repeats !== true || suites.length === 0) throw error;
    say(`${row.name}: missed, and repeated once: ${error instanceof Error ? error.message : error}\n`);
    const again = await runAll({ ...wanted, suites, again: 0, lanes: Math.min(wanted.lanes, suites.length) });
    return row.check(leftBy([...again.values()]), wanted.isWhole);
  }
}

/** @returns the exit status */
async function outside(wanted: Wanted): Promise<number> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt.listen);
  const outcomes = await runAll(wanted);
  if (interrupt.hasCut || (interrupt.asked && outcomes.size < wanted.suites.length)) {
    say("\ninterrupted: everything was taken down\n");
    return EXIT.interrupted;
  }
  const checks = new Checks(say);
  if (POOLED.length > 0) say("all suites together\n");
  for (const row of POOLED) await checks.check(row.name, () => pooled(row, outcomes, wanted));
  const failures = [
    ...[...outcomes].flatMap(([{ name }, one]) => one.failures.map((failure) => `${name}: ${failure}`)),
    ...checks.failures,
  ];
  const passed = checks.passed + [...outcomes.values()].reduce((sum, one) => sum + one.passed, 0);
  say(failures.map((failure) => `FAILED ${failure}\n`).join(""));
  say(`\n${passed} passed, ${failures.length} failed\n`);
  return failures.length === 0 ? EXIT.ok : EXIT.failed;
}

async function inside({ suites, ways, outcome }: Wanted): Promise<number> {
  const { promise: interrupted, resolve } = Promise.withResolvers<void>();
  // The first process of a namespace gets no signal that it does not ask for.
  Deno.addSignalListener("SIGINT", resolve);
  const cut = (): never => Deno.exit(EXIT.interrupted);
  for (const suite of suites) {
    const result = await runSuite(suite, { ways, interrupted, cut, say });
    if (outcome !== null) await Deno.writeTextFile(outcome, JSON.stringify(result));
  }
  Deno.removeSignalListener("SIGINT", resolve);
  return EXIT.ok;
}

async function main(args: readonly string[]): Promise<number> {
  let wanted: Wanted;
  try {
    wanted = parse(args, SUITES);
  } catch (error) {
    say(`${error instanceof Error ? error.message : error}\n`);
    return EXIT.usage;
  }
  if (isInside()) return await inside(wanted);
  try {
    await prepare(wanted);
  } catch (error) {
    if (!(error instanceof MissingToolError)) throw error;
    say(`${wanted.suites.length} end-to-end suites are left out: ${error.message}\n`);
    return EXIT.leftOut;
  }
  return await outside(wanted);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
