/**
 * Progress for readers of Git: a ref of the agent's own, never the branch, with one file for each rollout in flight. Written
 * when something has changed, and not more often than every 30 seconds; nothing ever waits for it or fails of it.
 */
import type { Agent, CanaryDetail } from "../ports/agent.ts";
import type { Clock } from "../ports/clock.ts";
import type { AsideDraft, AsideRef, CommitDraft } from "../ports/git.ts";
import type { LogLevel } from "./log.ts";
import { redactText } from "./redact.ts";

const WRITE_EVERY_MS = 30_000;
const LOOK_EVERY_MS = 5_000;
const WORDS_CHARS_MAX = 500;

/** What is told of a canary. */
export type Progress = Pick<
  CanaryDetail,
  | "namespace"
  | "name"
  | "phase"
  | "phaseSince"
  | "weight"
  | "iterations"
  | "failedChecks"
  | "threshold"
  | "candidate"
  | "candidateImages"
  | "lockImages"
  | "waitsFor"
  | "gate"
>;

export interface LiveStatusOptions {
  readonly clock: Clock;
  readonly cluster: string;
  /** The branch whose canaries are told of; a part of the ref's name, since several may lie in one repository. */
  readonly branch: string;
  readonly author: CommitDraft["author"];
  /** Of that branch, in flight now. */
  readonly canaries: () => readonly Progress[];
  readonly isLeader: () => boolean;
  /** Pushes the ref by itself, where it has something new to say. */
  readonly push: (signal: AbortSignal) => Promise<void>;
  readonly log: (level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** "refs/serin/status/<cluster>/<branch>". */
export function statusRefOf(cluster: string, branch: string): string {
  return `refs/serin/status/${cluster}/${branch}`;
}

/** Phases in which nothing is on its way. */
const AT_REST: ReadonlySet<string> = new Set(["new", "idle", "released"]);

/** What is on its way of some sources' canaries. */
export function progressIn(
  agent: Pick<Agent, "canaries" | "canary">,
  sources: ReadonlySet<string>,
): readonly Progress[] {
  const busy = agent.canaries().filter(({ phase }) => !AT_REST.has(phase));
  return busy.flatMap(({ namespace, name }) => {
    const detail = agent.canary({ namespace, name });
    return detail !== undefined && sources.has(detail.source.name) ? [detail] : [];
  });
}

/** Path to text: "cluster.json", and "<namespace>/<name>.json" for each canary. The same for the same progress. */
export function statusFiles(cluster: string, canaries: readonly Progress[]): ReadonlyMap<string, string> {
  const text = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const all = canaries.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return new Map([
    ["cluster.json", text({ cluster, inFlight: all.map(keyOf) })],
    ...all.map((one) => [`${keyOf(one)}.json`, text(fieldsOf(one))] as const),
  ]);
}

function keyOf({ namespace, name }: Progress): string {
  return `${namespace}/${name}`;
}

function fieldsOf(one: Progress): Readonly<Record<string, unknown>> {
  return {
    canary: keyOf(one),
    phase: one.phase,
    since: new Date(one.phaseSince).toISOString(),
    weight: one.weight,
    iterations: one.iterations,
    failedChecks: one.failedChecks,
    threshold: one.threshold,
    revision: one.candidate,
    images: one.candidateImages,
    usersAreOn: one.lockImages,
    gate: one.gate,
    // Other systems' words may stand in it.
    waitsFor: one.waitsFor === null ? null : redactText(one.waitsFor).slice(0, WORDS_CHARS_MAX),
  };
}

export class LiveStatus implements AsideRef {
  readonly ref: string;
  readonly #options: LiveStatusOptions;
  readonly #texts = new WeakMap<AsideDraft, string>();
  /** What the ref says; null while that is not known. */
  #written: string | null = null;
  /** Monotonic milliseconds. */
  #writtenMs = -Infinity;
  #problem = "";

  constructor(options: LiveStatusOptions) {
    this.#options = options;
    this.ref = statusRefOf(options.cluster, options.branch);
  }

  draft(): AsideDraft | undefined {
    const { clock, cluster, author, isLeader } = this.#options;
    if (!isLeader()) {
      // Whoever leads meanwhile writes something else.
      this.#written = null;
      return undefined;
    }
    if (clock.monotonic() < this.#writtenMs + WRITE_EVERY_MS) return undefined;
    const canaries = this.#options.canaries();
    const files = statusFiles(cluster, canaries);
    const text = JSON.stringify([...files]);
    if (text === this.#written) return undefined;
    const made: AsideDraft = {
      message: `Progress in ${cluster}: ${canaries.length} in flight`,
      author,
      timeMs: clock.now(),
      files: new Map([...files].map(([path, content]) => [path, new TextEncoder().encode(content)])),
      isNews: canaries.length > 0,
    };
    this.#texts.set(made, text);
    return made;
  }

  landed(draft: AsideDraft): void {
    this.#written = this.#texts.get(draft) ?? null;
    this.#writtenMs = this.#options.clock.monotonic();
  }

  /** Looks until the signal is aborted, and pushes what did not go along with a decision. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, push, log } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
      if (signal.aborted || this.draft() === undefined) continue;
      try {
        await push(signal);
        this.#problem = "";
      } catch (error) {
        if (signal.aborted) return;
        // Not before the next write would be due, and said once.
        this.#writtenMs = clock.monotonic();
        const problem = error instanceof Error ? error.message : String(error);
        if (problem !== this.#problem) log("warn", "status-ref-failed", { ref: this.ref, error });
        this.#problem = problem;
      }
    }
  }
}
