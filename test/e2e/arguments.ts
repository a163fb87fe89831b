/** What `deno task e2e` was asked for. */
import type { Ways } from "./keep.ts";
import type { Suite } from "./suite.ts";

export interface Wanted {
  readonly suites: readonly Suite[];
  /** Whether these are all there are. */
  readonly isWhole: boolean;
  /** Leaves a suite's servers running until Ctrl-C. */
  readonly keep: boolean;
  /** Suites side by side. */
  readonly lanes: number;
  /** How often a suite that failed is run again, by itself; it must pass in the end. */
  readonly again: number;
  /** Set for the process inside: where it leaves its outcome. */
  readonly outcome: string | null;
  /** Set for the process inside: how a person gets to what is kept. */
  readonly ways: Ways | null;
}

const NUMBERS = { lanes: [1, 4], again: [0, 3] } as const;

/** @throws {Error} an argument is not understood; the message lists what is */
export function parse(args: readonly string[], suites: readonly Suite[]): Wanted {
  const flags = args.filter((arg) => arg.startsWith("--"));
  const names = args.filter((arg) => !arg.startsWith("--"));
  const unknown = [
    ...flags.filter((flag) => !/^--(all|keep|lanes=\d+|again=\d+|outcome=.+|ways=\d+,.+)$/.test(flag)),
    ...names.filter((name) => !suites.some((suite) => suite.name === name)),
  ];
  if (unknown.length > 0) throw new Error(`"${unknown[0]}" is not understood.\n${usage(suites)}`);
  const all = flags.includes("--all");
  const chosen = names.length > 0
    ? suites.filter(({ name }) => names.includes(name))
    : suites.filter(({ tier }) => all || tier !== "all");
  const keep = flags.includes("--keep");
  if (keep && chosen.length !== 1) throw new Error(`--keep wants the name of one suite.\n${usage(suites)}`);
  return {
    suites: chosen,
    isWhole: chosen.length === suites.length,
    keep,
    lanes: Math.min(numberOf(flags, "lanes", 2), chosen.length),
    again: numberOf(flags, "again", 0),
    outcome: valueOf(flags, "outcome"),
    ways: waysOf(flags),
  };
}

function valueOf(flags: readonly string[], name: string): string | null {
  const start = `--${name}=`;
  return flags.find((flag) => flag.startsWith(start))?.slice(start.length) ?? null;
}

function waysOf(flags: readonly string[]): Ways | null {
  const [port = "", ...rest] = valueOf(flags, "ways")?.split(",") ?? [];
  return port === "" ? null : { pagePort: Number(port), folder: rest.join(",") };
}

function numberOf(flags: readonly string[], name: keyof typeof NUMBERS, preset: number): number {
  const text = valueOf(flags, name);
  if (text === null) return preset;
  const [min, max] = NUMBERS[name];
  const value = Number(text);
  if (value < min || value > max) throw new Error(`--${name} must be ${min} to ${max}: it is ${text}`);
  return value;
}

function usage(suites: readonly Suite[]): string {
  const rows = suites.map(({ name, about, tier }) => `  ${name}${tier === "all" ? " (with --all)" : ""}: ${about}`);
  return [
    "deno task e2e [SUITE ...] [--all] [--keep] [--lanes=2] [--again=0]",
    "  --all: also the suites that take long; --keep: leave the servers of one suite running;",
    "  --lanes: suites side by side; --again: how often a failed suite is run again, by itself",
    "Suites:",
    ...rows,
  ].join("\n");
}
