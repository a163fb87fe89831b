/**
 * `deno task bench [name…] [--canaries N] [--json FILE]`: measures what the agent costs and prints a table. Figures are
 * printed, never judged: clocks of shared machines lie. What can be counted is asserted in `test/wire/requests_test.ts`.
 * Without a name all run but `e2e`, which takes real servers and a quarter of an hour.
 */
import { burst, crowd } from "./burst.ts";
import { clone } from "./clone.ts";
import { detection } from "./detection.ts";
import { fetching } from "./fetch.ts";
import { fleet } from "./fleet.ts";
import { hint } from "./hint.ts";
import { idle } from "./idle.ts";
import { type Machine, type Row, tableOf } from "./report.ts";
import { scale } from "./scale.ts";
import { start } from "./start.ts";
import { step } from "./step.ts";

const benchmarks: ReadonlyMap<string, () => Promise<readonly Row[]>> = new Map([
  ["start", start],
  ["idle", idle],
  ["step", step],
  ["hint", hint],
  ["clone", clone],
  ["fetch", fetching],
  ["detection", detection],
  ["burst", burst],
  ["crowd", crowd],
  ["fleet", fleet],
]);

/** Asked for by name alone. */
const ON_REAL_SERVERS = "e2e";

interface Wanted {
  readonly names: readonly string[];
  readonly file: string | null;
  readonly canaries: number | null;
}

function parse(args: readonly string[]): Wanted | null {
  const names: string[] = [];
  let [file, canaries]: [string | null, number | null] = [null, null];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? "";
    if (arg === "--json") file = args[at += 1] ?? "";
    else if (arg === "--canaries") canaries = Number(args[at += 1]);
    else names.push(arg);
  }
  const isWrong = names.some((name) => name !== ON_REAL_SERVERS && !benchmarks.has(name)) || file === "" ||
    canaries !== null && !(canaries >= 10);
  return isWrong ? null : { names, file, canaries };
}

async function main(args: readonly string[]): Promise<number> {
  const wanted = parse(args);
  if (wanted === null) {
    const all = [...benchmarks.keys(), ON_REAL_SERVERS].join("|");
    say(`Usage: deno task bench [${all}…] [--canaries N] [--json FILE]`);
    return 2;
  }
  const { names, file, canaries } = wanted;
  const loadBefore = loadNow();
  const rows: Row[] = [];
  for (const [name, measure] of benchmarks) {
    if (names.length > 0 && !names.includes(name)) continue;
    say(`${name} …`);
    rows.push(...await measure());
  }
  if (names.includes(ON_REAL_SERVERS)) {
    say(`${ON_REAL_SERVERS} …`);
    rows.push(...await scale(canaries === null ? undefined : [canaries]));
  }
  const machine: Machine = {
    cores: navigator.hardwareConcurrency,
    deno: Deno.version.deno,
    system: `${Deno.build.os} ${Deno.build.arch}`,
    load: [loadBefore, loadNow()],
  };
  say(`\n${tableOf(machine, rows)}`);
  if (file !== null) await Deno.writeTextFile(file, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
  return 0;
}

function loadNow(): number {
  return Deno.loadavg()[0] ?? 0;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
