/** The writer against a Git server in memory, as its tests set it up: a shop in namespace "prod", and decisions on it. */
import assert from "node:assert/strict";
import type { Decision, DecisionOutcome } from "../../src/core/decision.ts";
import type { Release } from "../../src/core/release.ts";
import { parseLockFile } from "../../src/ledger/lock_file.ts";
import type { ManifestReader } from "../../src/ledger/tip.ts";
import { createLedger, type RunningLedger } from "../../src/ledger/writer.ts";
import { buildCatalogue } from "../../src/spec/catalogue.ts";
import { isManifestPath, type ParsedFile, parseFile } from "../../src/spec/parse_file.ts";
import { testCapabilities } from "./capabilities.ts";
import { aDecision, aLock, CLUSTER } from "./ledger_builders.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryGit } from "./memory_git.ts";
import { deploymentFile, shopFiles } from "./shop_files.ts";

/** Of the commits of worlds. */
export const AUTHOR = { name: "Serin", email: "serin@example.com" };

/** Reads everything anew each time; the real source is incremental. */
export const reader: ManifestReader = {
  async catalogue(snapshot) {
    const files = new Map<string, ParsedFile>();
    for (const { path } of await snapshot.files()) {
      const content = isManifestPath(path) ? await snapshot.read(path) : undefined;
      if (content !== undefined) files.set(path, parseFile(path, content));
    }
    return buildCatalogue(snapshot.commit, files, testCapabilities());
  },
  parse: (path, content) => parseFile(path, content).manifests,
};

/** A writer, its server in memory, and a clock that a test moves. */
export class World {
  readonly git: MemoryGit;
  readonly clock = new ManualClock();
  readonly heard: DecisionOutcome[] = [];
  leader = true;
  ledger: RunningLedger;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(files: Readonly<Record<string, string>> = shopFiles("1.0.0")) {
    this.git = new MemoryGit(files);
    this.ledger = this.#start();
  }

  #start(): RunningLedger {
    const { git, clock } = this;
    const isLeader = () => this.leader;
    const ledger = createLedger({ remote: git.connect(), reader, cluster: CLUSTER, clock, author: AUTHOR, isLeader });
    ledger.onOutcome((_, outcome) => this.heard.push(outcome));
    this.#stop = new AbortController();
    this.#running = ledger.run(this.#stop.signal);
    return ledger;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** As a process that is killed and started again: nothing is remembered. */
  async restart(): Promise<void> {
    await this.stop();
    this.ledger = this.#start();
  }

  /** What the tip declares for a canary. */
  async release(name = "shop"): Promise<Release> {
    const remote = this.git.connect();
    const entry = (await reader.catalogue(await remote.fetch())).entries.get(`prod/${name}`);
    if (entry?.type !== "canary") throw new Error(`prod/${name} is ${entry?.type}`);
    return entry.release;
  }

  /** Waits, without time passing, until something holds. */
  async until(what: string, holds: () => boolean): Promise<void> {
    for (let turn = 0; turn < 300; turn++) {
      if (holds()) return;
      await this.clock.advance(0);
    }
    throw new Error(`never: ${what}`);
  }

  async settled(id: string): Promise<DecisionOutcome> {
    await this.until(`${id} settles`, () => this.ledger.outcome(id)?.type !== "pending");
    return this.ledger.outcome(id) ?? { type: "pending", reason: null, attempts: -1 };
  }

  async pending(id: string, reason: RegExp): Promise<void> {
    await this.until(`${id} is pending for ${reason}`, () => {
      const outcome = this.ledger.outcome(id);
      return outcome?.type === "pending" && reason.test(outcome.reason ?? "");
    });
  }

  subjects(): readonly string[] {
    return this.git.log().map(({ message }) => message.split("\n")[0] ?? "");
  }

  lockedTag(name = "shop"): string | undefined {
    const view = parseLockFile(this.git.text(`.serin/eu/prod/${name}/primary.yaml`) ?? "");
    return view.type === "read" ? view.value.lock.release.images[0]?.image.split(":")[1] : undefined;
  }
}

/** Runs a test with a world of its own, and ends the writer after it. @param files the first commit */
export async function inWorld(
  run: (world: World) => Promise<void>,
  files?: Readonly<Record<string, string>>,
): Promise<void> {
  const world = new World(files);
  try {
    await run(world);
  } finally {
    await world.stop();
  }
}

/** The decision that writes the first lock. */
export function initialise(release: Release, name = "shop"): Decision {
  const canary = { namespace: "prod", name };
  const id = `run-0-${name}/initialise`;
  return aDecision({ id, canary, kind: "initialise", release, lock: aLock({ canary, release, decision: id }) });
}

/** The decision that makes a release the lock. */
export function promote(release: Release, overrides: Partial<Decision> = {}): Decision {
  const id = overrides.id ?? "run-1/promotion";
  return aDecision({ id, release, lock: aLock({ release, decision: id }), ...overrides });
}

/** The decision that puts the manifests back. */
export function revert(bad: Release, good: Release): Decision {
  const lock = aLock({ release: good, decision: "run-0-shop/initialise" });
  const quarantine = { release: bad, reason: "It failed" };
  return aDecision({ id: "run-1/revert", kind: "revert", release: bad, lock, manifests: good, quarantine });
}

/** With the first lock written, and 1.1.0 pushed by a person. */
export async function withBump(world: World): Promise<{ readonly good: Release; readonly bad: Release }> {
  const good = await world.release();
  world.ledger.submit(initialise(good));
  assert.equal((await world.settled("run-0-shop/initialise")).type, "committed");
  world.git.commit({ files: { "apps/shop/deployment.yaml": deploymentFile("1.1.0") }, message: "Bump\n" });
  return { good, bad: await world.release() };
}
