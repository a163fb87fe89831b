/**
 * `deno task bench [name…] [--json FILE]`: measures what the agent costs and prints a table. Figures are printed, never
 * judged: clocks of shared machines lie. What can be counted is asserted in `test/wire/requests_test.ts`.
 */
import { burst, crowd } from "./burst.ts";
import { clone } from "./clone.ts";
import { detection } from "./detection.ts";
import { fetching } from "./fetch.ts";
import { fleet } from "./fleet.ts";
import { hint } from "./hint.ts";
import { idle } from "./idle.ts";
import { type Machine, type Row, tableOf } from "./report.ts";
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

async function main(args: readonly string[]): Promise<number> {
  const jsonAt = args.indexOf("--json");
  const file = jsonAt === -1 ? null : args[jsonAt + 1] ?? null;
  const names = args.filter((_, index) => jsonAt === -1 || (index !== jsonAt && index !== jsonAt + 1));
  const unknown = names.filter((name) => !benchmarks.has(name));
  if (unknown.length > 0 || (jsonAt !== -1 && file === null)) {
    say(`Usage: deno task bench [${[...benchmarks.keys()].join("|")}…] [--json FILE]`);
    return 2;
  }
  const loadBefore = loadNow();
  const rows: Row[] = [];
  for (const [name, measure] of benchmarks) {
    if (names.length > 0 && !names.includes(name)) continue;
    say(`${name} …`);
    rows.push(...await measure());
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
