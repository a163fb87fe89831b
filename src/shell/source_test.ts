/** The source against a Git server in memory: what it knows of the tip, and what it makes of a tip that goes wrong. */
import assert from "node:assert/strict";
import type { GitRemote, Snapshot } from "../ports/git.ts";
import { createLedger } from "../ledger/writer.ts";
import { renderLockFile } from "../ledger/lock_file.ts";
import { renderStatusFile } from "../ledger/status_file.ts";
import { testCapabilities } from "../../test/support/capabilities.ts";
import { aDecision, aLock, aStatus, CLUSTER } from "../../test/support/ledger_builders.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import { canaryFile, deploymentFile, shopFiles } from "../../test/support/shop_files.ts";
import { createSource, type RunningSource, type SourceOptions } from "./source.ts";

const SHOP = { namespace: "prod", name: "shop" };
const CANARY = "apps/shop/canary.yaml";
const DEPLOYMENT = "apps/shop/deployment.yaml";
const LOCK = ".serin/eu/prod/shop/primary.yaml";

interface Followed {
  readonly git: MemoryGit;
  readonly clock: ManualClock;
  readonly source: RunningSource;
  readonly changes: (readonly string[])[];
  /** Paths read since the start. */
  readonly reads: string[];
  readonly remote: GitRemote;
}

function follow(files: Readonly<Record<string, string>>, options: Partial<SourceOptions> = {}): Followed {
  const git = new MemoryGit(files);
  const clock = new ManualClock();
  const reads: string[] = [];
  const remote = recording(git.connect(), reads);
  const source = createSource({
    name: "main",
    remote,
    clock,
    pollMs: 30_000,
    paths: [],
    cluster: "eu",
    capabilities: testCapabilities(),
    ...options,
  });
  const changes: (readonly string[])[] = [];
  source.onChange((keys) => changes.push(keys));
  return { git, clock, source, changes, reads, remote };
}

function recording(remote: GitRemote, reads: string[]): GitRemote {
  const snapshots = new Map<string, Snapshot>();
  const wrap = (snapshot: Snapshot): Snapshot => {
    const known = snapshots.get(snapshot.commit);
    if (known !== undefined) return known;
    const wrapped: Snapshot = {
      commit: snapshot.commit,
      files: (under) => snapshot.files(under),
      changed: (since) => snapshot.changed(since),
      info: () => snapshot.info(),
      read: (path) => {
        reads.push(path);
        return snapshot.read(path);
      },
    };
    snapshots.set(snapshot.commit, wrapped);
    return wrapped;
  };
  return {
    url: remote.url,
    branch: remote.branch,
    get tip() {
      return remote.tip === undefined ? undefined : wrap(remote.tip);
    },
    fetch: async (signal) => wrap(await remote.fetch(signal)),
    at: (commit, signal) => remote.at(commit, signal),
    log: (max, signal) => remote.log(max, signal),
    push: (base, drafts, signal) => remote.push(base, drafts, signal),
    cannotPush: (signal) => remote.cannotPush(signal),
  };
}

Deno.test("a source knows nothing before its first poll, and the tip after it", async () => {
  const { git, source, clock } = follow(shopFiles("1.0.0"));
  const before = source.view;
  assert.deepEqual(before, { state: "unknown", problem: null, commit: null, catalogue: null, fetchedAt: 0 });
  assert.equal(source.presence(SHOP), "unknown");
  await source.poll();
  const { state, problem, commit, catalogue, fetchedAt } = source.view;
  assert.deepEqual({ state, problem, commit, fetchedAt }, {
    state: "fresh",
    problem: null,
    commit: git.head,
    fetchedAt: clock.now(),
  });
  const entry = catalogue?.entries.get("prod/shop");
  assert.equal(entry?.type === "canary" && entry.release.images[0]?.image, "registry.example.com/shop:1.0.0");
  assert.equal(source.presence(SHOP), "declared");
});

Deno.test("a source reads only what changed, and names the canaries that did", async () => {
  const { git, source, changes, reads } = follow(shopFiles("1.0.0", ["shop", "cart"]));
  await source.poll();
  assert.deepEqual(changes, [["prod/cart", "prod/shop"]]);
  reads.length = 0;
  git.commit({ files: { [DEPLOYMENT]: deploymentFile("1.1.0"), "README.md": "# hello" } });
  await source.poll();
  assert.deepEqual(reads, [DEPLOYMENT]);
  assert.deepEqual(changes.at(-1), ["prod/shop"]);
  const count = changes.length;
  git.commit({ files: { "README.md": "# hello again" } });
  await source.poll();
  assert.deepEqual(reads, [DEPLOYMENT]);
  assert.equal(changes.length, count);
  assert.equal(source.view.commit, git.head);
});

Deno.test("a source reads its paths and its cluster's ledger, and nothing else", async () => {
  const files = {
    ...shopFiles("1.0.0"),
    "apps-old/other.yaml": canaryFile("old"),
    "docs/canary.yaml": canaryFile("docs"),
    ".serin/us/prod/shop/primary.yaml": renderLockFile(aLock(), null),
  };
  const { source, reads } = follow(files, { paths: ["./apps/"] });
  await source.poll();
  assert.deepEqual([...source.view.catalogue?.entries.keys() ?? []], ["prod/shop"]);
  assert.deepEqual(reads.sort(), [CANARY, DEPLOYMENT]);
  assert.deepEqual(source.lock(SHOP), { type: "absent" });
});

Deno.test("a source reads locks and status files, and tells when they change, break or go", async () => {
  const { git, source, changes } = follow(shopFiles("1.0.0"));
  await source.poll();
  git.commit({
    files: { [LOCK]: renderLockFile(aLock(), null), ".serin/eu/prod/shop/status.yaml": renderStatusFile(aStatus()) },
  });
  await source.poll();
  assert.deepEqual(source.lock(SHOP), { type: "read", value: aLock() });
  assert.deepEqual(source.status(SHOP), { type: "read", value: aStatus() });
  assert.deepEqual(changes.at(-1), ["prod/shop"]);
  git.commit({ files: { [LOCK]: "kind: [" } });
  await source.poll();
  assert.equal(source.lock(SHOP).type, "broken");
  git.commit({ files: { [LOCK]: null } });
  await source.poll();
  assert.equal(source.lock(SHOP).type, "absent");
  assert.equal(changes.length, 4);
});

Deno.test("a source takes a lock in another canary's folder for broken", async () => {
  const { source } = follow({ ".serin/eu/prod/cart/primary.yaml": renderLockFile(aLock(), null) });
  await source.poll();
  const lock = source.lock({ namespace: "prod", name: "cart" });
  assert.match(lock.type === "broken" ? lock.reason : lock.type, /it is about "prod\/shop"/);
});

Deno.test("a source keeps the last good commit while Git is down, or its branch is gone", async () => {
  const { git, source } = follow(shopFiles("1.0.0"));
  git.fault({ on: "fetch", type: "unavailable" });
  await source.poll();
  assert.deepEqual([source.view.state, source.view.problem], ["unknown", "Cannot fetch: no answer"]);
  await source.poll();
  const { catalogue, commit } = source.view;
  git.reset(null);
  await source.poll();
  assert.equal(source.view.state, "stale");
  assert.match(source.view.problem ?? "", /branch "main" does not exist/);
  assert.equal(source.view.catalogue, catalogue);
  assert.equal(source.presence(SHOP), "declared");
  git.reset(commit);
  await source.poll();
  assert.deepEqual([source.view.state, source.view.problem], ["fresh", null]);
});

const PRESENCE: readonly (readonly [string, Readonly<Record<string, string | null>>, string])[] = [
  ["its file has other things now", { [CANARY]: canaryFile("cart") }, "removed"],
  ["its file is gone, others in the folder stay", { [CANARY]: null }, "removed"],
  ["its file is broken", { [CANARY]: "kind: [Canary\napiVersion: x" }, "unknown"],
  ["its Canary is broken", { [CANARY]: canaryFile().replace("threshold: 3", "treshold: 3") }, "broken"],
  ["its target is gone", { [DEPLOYMENT]: null }, "broken"],
  ["it moved to another file", { [CANARY]: null, "apps/shop/all.yaml": canaryFile() }, "declared"],
  ["it moved out of the paths", { [CANARY]: null, "elsewhere/canary.yaml": canaryFile() }, "unknown"],
  ["it may be in a file that broke in the same commit", {
    [CANARY]: null,
    "apps/new.yaml": "apiVersion: x\nkind: [Canary",
  }, "unknown"],
  ["the folder is empty now", { [CANARY]: null, [DEPLOYMENT]: null }, "unknown"],
  ["the repository is empty now", { [CANARY]: null, [DEPLOYMENT]: null, "other/x.yaml": null }, "unknown"],
];
for (const [what, files, wanted] of PRESENCE) {
  Deno.test(`presence() is "${wanted}" when ${what}`, async () => {
    const { git, source } = follow({ ...shopFiles("1.0.0"), "other/x.yaml": "a: b" }, { paths: ["apps"] });
    await source.poll();
    git.commit({ files });
    await source.poll();
    assert.equal(source.presence(SHOP), wanted);
  });
}

Deno.test("presence() is unknown only as long as the file that broke is broken", async () => {
  const { git, source } = follow(shopFiles("1.0.0"));
  await source.poll();
  git.commit({ files: { [CANARY]: null, "apps/new.yaml": "apiVersion: x\nkind: [Canary" } });
  await source.poll();
  git.commit({ files: { "README.md": "x" } });
  await source.poll();
  assert.equal(source.presence(SHOP), "unknown");
  git.commit({ files: { "apps/new.yaml": canaryFile("cart") } });
  await source.poll();
  assert.equal(source.presence(SHOP), "removed");
  git.commit({ files: { [CANARY]: canaryFile() } });
  await source.poll();
  assert.equal(source.presence(SHOP), "declared");
});

Deno.test("presence() is not held up by a file that was broken before", async () => {
  const { git, source } = follow({ ...shopFiles("1.0.0"), "chart/x.yaml": "apiVersion: {{ .v }}\nkind: [X" });
  await source.poll();
  git.commit({ files: { [CANARY]: canaryFile("cart") } });
  await source.poll();
  assert.equal(source.presence(SHOP), "removed");
});

Deno.test("presence() after a restart goes by the file that the lock names, and by nothing broken", async () => {
  const lock = renderLockFile(aLock(), { canary: CANARY, target: DEPLOYMENT });
  const parsed = follow({ [CANARY]: canaryFile("cart"), [DEPLOYMENT]: deploymentFile("1.0.0"), [LOCK]: lock });
  await parsed.source.poll();
  assert.equal(parsed.source.presence(SHOP), "removed");
  const broken = follow({ [CANARY]: "apiVersion: x\nkind: [", [DEPLOYMENT]: deploymentFile("1.0.0"), [LOCK]: lock });
  await broken.source.poll();
  assert.equal(broken.source.presence(SHOP), "unknown");
  const empty = follow({ [LOCK]: lock });
  await empty.source.poll();
  assert.equal(empty.source.presence(SHOP), "unknown");
});

Deno.test("run() polls every 30 s, give or take a fifth, and less often while Git is down", async () => {
  const { git, source, clock } = follow(shopFiles("1.0.0"));
  const stop = new AbortController();
  const running = source.run(stop.signal);
  await clock.advance(0);
  const seen: number[] = [];
  for (let poll = 0; poll < 5; poll++) {
    const wait = clock.nextDueMs() ?? 0;
    assert.ok(wait >= 24_000 && wait <= 36_000, `${wait} ms`);
    seen.push(wait);
    await clock.advance(wait);
    assert.equal(source.view.fetchedAt, clock.now());
  }
  assert.ok(new Set(seen).size > 1, "no jitter");
  for (let time = 0; time < 8; time++) git.fault({ on: "fetch", type: "unavailable" });
  await clock.advance(clock.nextDueMs() ?? 0);
  assert.ok((clock.nextDueMs() ?? 0) >= 48_000);
  for (let time = 0; time < 6; time++) await clock.advance(clock.nextDueMs() ?? 0);
  assert.ok((clock.nextDueMs() ?? 0) <= 360_000);
  git.fault({ on: "fetch", type: "unavailable", retryAfterMs: 600_000 });
  await clock.advance(clock.nextDueMs() ?? 0);
  await clock.advance(clock.nextDueMs() ?? 0);
  assert.ok((clock.nextDueMs() ?? 0) >= 600_000);
  await clock.advance(clock.nextDueMs() ?? 0);
  assert.equal(source.view.state, "fresh");
  stop.abort();
  await running;
});

Deno.test("catalogue() takes the tip in at once, and never goes back to an older commit", async () => {
  const { git, source, changes, remote } = follow(shopFiles("1.0.0"));
  await source.poll();
  const old = await remote.fetch();
  git.commit({ files: { [DEPLOYMENT]: deploymentFile("1.1.0") } });
  const tip = await remote.fetch();
  assert.equal((await source.catalogue(tip)).commit, git.head);
  assert.equal(source.view.commit, git.head);
  assert.deepEqual(changes.at(-1), ["prod/shop"]);
  assert.equal((await source.catalogue(old)).commit, git.head);
});

Deno.test("polls that come at once share a turn, and none is lost", async () => {
  const { git, source } = follow(shopFiles("1.0.0"));
  const first = source.poll();
  const second = source.poll();
  await Promise.all([first, second]);
  git.commit({ files: { [DEPLOYMENT]: deploymentFile("1.1.0") } });
  await source.poll();
  assert.equal(source.view.commit, git.head);
});

Deno.test("a writer that reads through the source and pushes: the source then shows the lock and the reverted release", async () => {
  const { git, source, clock, remote } = follow(shopFiles("1.0.0"));
  const stop = new AbortController();
  const author = { name: "Serin", email: "serin@example.com" };
  const ledger = createLedger({ remote, reader: source, cluster: CLUSTER, clock, author, isLeader: () => true });
  const running = ledger.run(stop.signal);
  const releaseNow = () => {
    const entry = source.view.catalogue?.entries.get("prod/shop");
    if (entry?.type !== "canary") throw new Error("no canary");
    return entry.release;
  };
  await source.poll();
  const good = releaseNow();
  const lock = aLock({ release: good, decision: "run-0/initialise" });
  ledger.submit(aDecision({ id: "run-0/initialise", kind: "initialise", release: good, lock }));
  await clock.advance(0);
  git.commit({ files: { [DEPLOYMENT]: deploymentFile("1.1.0") } });
  await source.poll();
  const bad = releaseNow();
  assert.deepEqual(source.lock(SHOP), { type: "read", value: lock });
  const quarantine = { release: bad, reason: "It failed" };
  ledger.submit(aDecision({ id: "run-1/revert", kind: "revert", release: bad, lock, manifests: good, quarantine }));
  await Promise.all([source.poll(), clock.advance(0)]);
  assert.deepEqual(ledger.outcome("run-1/revert"), { type: "committed", commit: git.head });
  await source.poll();
  assert.equal(releaseNow().revision, good.revision);
  const status = source.status(SHOP);
  assert.equal(status.type === "read" && status.value.quarantine[0]?.revision, bad.revision);
  stop.abort();
  await running;
});
