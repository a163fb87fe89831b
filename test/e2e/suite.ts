/** What a suite is, and how its checks are counted: each is told as it ends, and a failed one does not hide the rest. */
import type { Keeper } from "./keep.ts";
import type { Processes } from "./processes.ts";

export interface Suite {
  readonly name: string;
  /** One line for people. */
  readonly about: string;
  /** Servers that must be installed, by name. */
  readonly servers: readonly string[];
  /** Only with `--all` or by name: too long for every run. */
  readonly tier?: "all";
  run(run: Run): Promise<void>;
}

/** One run of one suite. */
export interface Run {
  /** The suite's name. */
  readonly suite: string;
  /** A folder of its own, for logs and all that servers write. */
  readonly folder: string;
  /** Files of the servers it asked for, by name. */
  readonly programs: ReadonlyMap<string, string>;
  readonly processes: Processes;
  readonly checks: Checks;
  /** Leaves something for a check over all suites of the run (pooled.ts): plain JSON, since suites are processes. */
  readonly leave: (kind: string, value: unknown) => void;
  /** With `--keep`: keeps what is there before it is taken down. */
  readonly keeper: Pick<Keeper, "show" | "keep">;
}

/** A check of what suites left, after the last of them. */
export interface PooledCheck {
  /** The kind that suites leave. */
  readonly kind: string;
  readonly name: string;
  /** Left to chance: where it fails, the suites it is about run once more, and it is asked of what they leave then. */
  readonly repeats?: boolean;
  /**
   * @param left what suites left, in no order
   * @param isWhole whether every suite has run
   * @returns a figure worth telling
   * @throws {Error} the check has failed
   */
  check(left: readonly unknown[], isWhole: boolean): string | void;
}

/** Checks of a run. */
export class Checks {
  passed = 0;
  readonly failures: string[] = [];
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** One check; what it returns is a figure worth telling. @returns whether it passed */
  async check(name: string, body: () => Promise<string | void> | string | void): Promise<boolean> {
    const startedAt = performance.now();
    try {
      const figure = await body();
      this.passed++;
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      this.#say(`  ok      ${name} (${seconds} s)${typeof figure === "string" ? `: ${figure}` : ""}\n`);
      return true;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.failures.push(`${name}: ${text}`);
      this.#say(`  FAILED  ${name}: ${text}\n`);
      return false;
    }
  }

  note(text: string): void {
    this.#say(`          ${text}\n`);
  }
}
