/**
 * 200 canaries promoted at once while somebody else pushes to the same branch all the time: the writer's group commit
 * and its races. Beside it: stock git, one commit and one push a promotion, with nobody else about.
 */
import { machineClock } from "../adapters/platform/clock.ts";
import { openGitRemote } from "../adapters/platform/git.ts";
import { capabilitiesOf } from "../src/compose.ts";
import type { CatalogueEntry } from "../src/core/catalogue.ts";
import type { Decision } from "../src/core/decision.ts";
import { cloneRepository, runGit } from "../src/demo/clone.ts";
import { createLedger } from "../src/ledger/writer.ts";
import type { GitRemote } from "../src/ports/git.ts";
import { type GitServer, startGitServer } from "../src/sandbox/git/git_server.ts";
import { createSource } from "../src/shell/source.ts";
import { until } from "../test/support/until.ts";
import type { Row } from "./report.ts";
import { startRival } from "./rival.ts";
import { shopFiles } from "./shop.ts";
import { REPOSITORY } from "./stand.ts";

const RUNS = 3;
const CANARIES = 200;
const CLUSTER = { name: "sandbox", uid: "uid-of-the-bench" };
const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];

interface Burst {
  readonly ms: number;
  readonly pushes: number;
  readonly lost: number;
  readonly rivals: number;
}

export async function burst(): Promise<readonly Row[]> {
  const bursts: Burst[] = [];
  const oneByOne: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    bursts.push(await inRepository(promoteAll));
    oneByOne.push(await inRepository(pushOneByOne));
  }
  const benchmark = "burst";
  const what = `${CANARIES} promotions at once beside a rival`;
  return [
    {
      benchmark,
      what,
      unit: "ms",
      values: bursts.map(({ ms }) => ms),
      beside: { what: `stock git, ${CANARIES} pushes without a rival`, values: oneByOne },
    },
    { benchmark, what: `${what}: pushes that landed`, unit: "pushes", values: bursts.map(({ pushes }) => pushes) },
    { benchmark, what: `${what}: races lost`, unit: "pushes", values: bursts.map(({ lost }) => lost) },
    {
      benchmark,
      what: `${what}: the rival's pushes meanwhile`,
      unit: "pushes",
      values: bursts.map(({ rivals }) => rivals),
    },
  ];
}

async function inRepository<T>(work: (git: GitServer, dir: string) => Promise<T>): Promise<T> {
  const dir = await Deno.makeTempDir({ prefix: "serin-bench-" });
  const git = startGitServer({ dir: `${dir}/server`, clock: machineClock });
  try {
    await git.createRepository(REPOSITORY, shopFiles({ manifests: CANARIES * 4, canaries: CANARIES }));
    return await work(git, dir);
  } finally {
    await git.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

async function promoteAll(git: GitServer, dir: string): Promise<Burst> {
  const count = { pushed: 0, lost: 0 };
  const remote = openGitRemote({ url: git.urlOf(REPOSITORY), branch: "main", clock: machineClock });
  const counted = countPushes(remote, count);
  const source = createSource({
    name: "fleet",
    remote: counted,
    clock: machineClock,
    pollMs: 3_600_000,
    paths: [],
    cluster: CLUSTER.name,
    capabilities: capabilitiesOf({
      provider: "gatewayapi:v1",
      metricsServer: "http://127.0.0.1:9",
      profiles: new Map(),
    }),
  });
  const ledger = createLedger({
    remote: counted,
    reader: source,
    cluster: CLUSTER,
    clock: machineClock,
    author: { name: "Serin", email: "serin@localhost" },
    isLeader: () => true,
  });
  const end = new AbortController();
  const running = ledger.run(end.signal);
  try {
    await source.poll();
    const decisions = [...source.view.catalogue?.entries.values() ?? []].flatMap(decisionOn);
    const rival = await startRival(git.urlOf(REPOSITORY), `${dir}/rival`);
    const startedAt = performance.now();
    for (const decision of decisions) ledger.submit(decision);
    await until(
      "all are committed",
      () => decisions.length === CANARIES && decisions.every(({ id }) => ledger.outcome(id)?.type === "committed"),
      300_000,
    );
    const ms = performance.now() - startedAt;
    const rivals = await rival.stop();
    return { ms, pushes: count.pushed, lost: count.lost, rivals };
  } finally {
    end.abort();
    await running;
    await remote.close();
  }
}

function countPushes(remote: GitRemote, count: { pushed: number; lost: number }): GitRemote {
  return {
    url: remote.url,
    branch: remote.branch,
    get tip() {
      return remote.tip;
    },
    fetch: (signal) => remote.fetch(signal),
    at: (commit, signal) => remote.at(commit, signal),
    log: (max, signal) => remote.log(max, signal),
    cannotPush: (signal) => remote.cannotPush(signal),
    async push(base, drafts, signal) {
      const result = await remote.push(base, drafts, signal);
      if (result.type === "pushed") count.pushed += 1;
      if (result.type === "lost") count.lost += 1;
      return result;
    },
  };
}

function decisionOn(entry: CatalogueEntry): readonly Decision[] {
  if (entry.type !== "canary") return [];
  const { canary, release } = entry;
  const id = `${release.revision}/promotion`;
  const { target } = release;
  const primary = { ...target, metadata: { ...target.metadata, name: `${target.metadata.name}-primary` } };
  return [{
    id,
    canary: canary.id,
    kind: "promotion",
    at: machineClock.now(),
    release,
    lock: {
      algorithm: 1,
      cluster: CLUSTER,
      canary: canary.id,
      decision: id,
      release,
      primary,
      configs: [],
      digests: {},
    },
    manifests: null,
    quarantine: null,
    lift: null,
    evidence: [],
    approvals: [],
    reason: "All checks passed",
  }];
}

async function pushOneByOne(git: GitServer, dir: string): Promise<number> {
  const clone = await cloneRepository(git.urlOf(REPOSITORY), `${dir}/clone`);
  const startedAt = performance.now();
  for (let index = 0; index < CANARIES; index += 1) {
    await Deno.writeTextFile(`${clone.dir}/lock-${index}.yaml`, `lock: ${index}\n`);
    await runGit(clone.dir, ["add", "."]);
    await runGit(clone.dir, [...PERSON, "commit", "--quiet", "--message", `Promote ${index}`]);
    await runGit(clone.dir, ["push", "--quiet", "origin", "HEAD:main"]);
  }
  return performance.now() - startedAt;
}
