/** Tells the demo's story on a terminal: what the agent announces, which version users met, where to look. */
import type { Clock } from "../ports/clock.ts";
import type { LoadEntry } from "../sandbox/load/load_generator.ts";
import type { Telling } from "../shell/telling.ts";

const BOLD = "1";
const GREEN = "32";
const RED = "31";
const DIM = "2";

export class Narrator {
  readonly #clock: Clock;
  readonly #print: (line: string) => void;
  readonly #colour: boolean;
  readonly #startedAt: number;

  constructor(options: { readonly clock: Clock; readonly print: (line: string) => void; readonly colour: boolean }) {
    this.#clock = options.clock;
    this.#print = options.print;
    this.#colour = options.colour;
    this.#startedAt = options.clock.monotonic();
  }

  /** Passes announcements on, and tells them. */
  overhear(telling: Telling): Telling {
    return {
      ...telling,
      announce: async (canary, state, announcement) => {
        const { kind, message, severity } = announcement;
        const good = kind === "succeeded" || kind === "promoting" || kind === "initialised";
        this.#say(this.#paint(good ? GREEN : severity === "info" ? "0" : RED, message));
        await telling.announce(canary, state, announcement);
      },
      measured: (canary, check) => {
        this.#say(this.#paint(DIM, `  ${check.outcome}: ${check.message}`));
        telling.measured(canary, check);
      },
    };
  }

  places(places: readonly (readonly [string, string])[]): void {
    for (const [name, where] of places) this.#print(`${name.padEnd(12)} ${where}`);
    this.#print("");
  }

  chapter(title: string): void {
    this.#print("");
    this.#say(this.#paint(BOLD, title));
  }

  commit(line: string): void {
    this.#say(`Git says: ${line.trim()}`);
  }

  hint(lines: readonly string[]): void {
    for (const line of lines) this.#print(`             ${line}`);
  }

  /** @returns false, so that a story can end with it */
  failed(why: string): false {
    this.#say(this.#paint(RED, `This should not have happened: ${why}.`));
    return false;
  }

  /** Which versions answered users, and that nothing bad did once it had been said. */
  served(log: readonly LoadEntry[], at: { readonly promotedAt: number; readonly revertedAt: number }): void {
    const counts = new Map<string, { requests: number; errors: number }>();
    for (const entry of log) {
      const version = entry.version ?? "nobody";
      const count = counts.get(version) ?? { requests: 0, errors: 0 };
      counts.set(version, { requests: count.requests + 1, errors: count.errors + (entry.status === 200 ? 0 : 1) });
    }
    this.#print("");
    this.#say("What users met, by version:");
    for (const [version, { requests, errors }] of counts) {
      this.#print(`             ${version.padEnd(12)} ${String(requests).padStart(5)} requests, ${errors} errors`);
    }
    const after = log.filter((entry) => entry.atMs > at.revertedAt);
    const others = after.filter((entry) => entry.version !== "6.0.1");
    this.#print(
      `             after the rollback: ${after.length} requests, ${others.length} of them not answered by 6.0.1`,
    );
  }

  history(log: string): void {
    this.#print("");
    this.#say("The repository's history:");
    for (const line of log.trim().split("\n")) this.#print(`             ${line}`);
  }

  ending(dir: string, repository: string): void {
    this.#print("");
    this.#say("Read on:");
    this.#print(`             git -C ${dir}/clone log --stat`);
    this.#print(`             git clone ${repository}`);
    this.#print(`             ${dir}/requests.jsonl has every request of the load generator`);
  }

  #say(text: string): void {
    const seconds = (this.#clock.monotonic() - this.#startedAt) / 1000;
    this.#print(`${seconds.toFixed(1).padStart(8)} s   ${text}`);
  }

  #paint(code: string, text: string): string {
    return this.#colour && code !== "0" ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}
