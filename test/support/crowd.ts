/**
 * Many decisions at once before the real writer and a real Git server, alone or beside a person who pushes all the time;
 * and what stock git says afterwards: whether all landed once, and nobody's commit is gone.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { openGitRemote } from "../../adapters/platform/git.ts";
import { capabilitiesOf } from "../../src/compose.ts";
import type { CatalogueEntry } from "../../src/core/catalogue.ts";
import type { Decision } from "../../src/core/decision.ts";
import { runGit } from "../../src/demo/clone.ts";
import { lockPath } from "../../src/ledger/lock_file.ts";
import { createLedger, type RunningLedger } from "../../src/ledger/writer.ts";
import type { GitRemote } from "../../src/ports/git.ts";
import { type GitServer, startGitServer } from "../../src/sandbox/git/git_server.ts";
import { createSource, type RunningSource } from "../../src/shell/source.ts";
import { shopFiles } from "./fleet_files.ts";
import { startRival } from "./rival.ts";
import { until } from "./until.ts";

const REPOSITORY = "fleet";
const CLUSTER = { name: "sandbox", uid: "uid-of-the-crowd" };

export interface CrowdOptions {
  readonly manifests: number;
  readonly canaries: number;
}

/** A repository with canaries that wait to be promoted, on a server. */
export interface Crowd {
  readonly server: GitServer;
  readonly dir: string;
  /** Of the repository. */
  readonly url: string;
  readonly canaries: number;
}

export async function withCrowd<T>(options: CrowdOptions, body: (crowd: Crowd) => Promise<T>): Promise<T> {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  const server = startGitServer({ dir: `${dir}/server`, clock: machineClock });
  try {
    await server.createRepository(REPOSITORY, shopFiles(options));
    return await body({ server, dir, url: server.urlOf(REPOSITORY), canaries: options.canaries });
  } finally {
    await server.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

export interface Burst {
  /** From handing in to the last one landed. */
  readonly ms: number;
  /** Pushes of the writer that landed, and that lost a race. */
  readonly pushes: number;
  readonly lost: number;
  /** The rival's commits that landed meanwhile. */
  readonly rivals: readonly string[];
  readonly decisions: readonly Decision[];
  /** Commits that the writer says its decisions landed in, in their order. */
  readonly commits: readonly string[];
}

/**
 * Promotes all canaries at once, by a writer as a fresh process would have it.
 *
 * @param rivalEveryMs somebody else pushes that often; null: nobody does
 */
export async function promoteAll(
  crowd: Crowd,
  { rivalEveryMs, timeoutMs }: { readonly rivalEveryMs: number | null; readonly timeoutMs: number },
): Promise<Burst> {
  const count = { pushed: 0, lost: 0 };
  const opened = openGitRemote({ url: crowd.url, branch: "main", clock: machineClock });
  const remote = countPushes(opened, count);
  const { source, ledger } = writerOf(remote);
  const end = new AbortController();
  const running = ledger.run(end.signal);
  try {
    await source.poll();
    const decisions = [...source.view.catalogue?.entries.values() ?? []].flatMap(decisionOn);
    if (decisions.length !== crowd.canaries) throw new Error(`${decisions.length} canaries were found`);
    const rival = rivalEveryMs === null ? null : await startRival(crowd.url, `${crowd.dir}/rival`, rivalEveryMs);
    const startedAt = performance.now();
    for (const decision of decisions) ledger.submit(decision);
    const committed = () => decisions.flatMap(({ id }) => commitOf(ledger, id));
    const landing = until("all are committed", () => committed().length === decisions.length, timeoutMs);
    const error = await landing.then(() => null, (failure) => failure);
    const ms = performance.now() - startedAt;
    const rivals = await rival?.stop() ?? [];
    if (error !== null) throw new Error(`${committed().length} of ${decisions.length} landed`, { cause: error });
    return { ms, pushes: count.pushed, lost: count.lost, rivals, decisions, commits: committed() };
  } finally {
    end.abort();
    await running;
    await opened.close();
  }
}

function commitOf(ledger: RunningLedger, id: string): readonly string[] {
  const outcome = ledger.outcome(id);
  return outcome?.type === "committed" ? [outcome.commit] : [];
}

function writerOf(remote: GitRemote): { readonly source: RunningSource; readonly ledger: RunningLedger } {
  const source = createSource({
    name: "fleet",
    remote,
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
    remote,
    reader: source,
    cluster: CLUSTER,
    clock: machineClock,
    author: { name: "Serin", email: "serin@localhost" },
    isLeader: () => true,
  });
  return { source, ledger };
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
  const lock = { algorithm: 1, cluster: CLUSTER, canary: canary.id, decision: id, release, primary };
  return [{
    id,
    canary: canary.id,
    kind: "promotion",
    at: machineClock.now(),
    release,
    lock: { ...lock, configs: [], digests: {} },
    manifests: null,
    quarantine: null,
    lift: null,
    evidence: [],
    approvals: [],
    reason: "All checks passed",
  }];
}

/** What is not as it must be in the repository, in words; nothing: all landed once, and nobody's work is gone. */
export async function wrongAfter({ server }: Crowd, { decisions, commits, rivals }: Burst): Promise<readonly string[]> {
  const git = (...args: readonly string[]) => runGit(server.path(REPOSITORY), ["-c", "safe.directory=*", ...args]);
  const wrong: string[] = [];
  const history = new Set((await git("rev-list", "main")).trim().split("\n"));
  for (const commit of [...rivals, ...commits]) if (!history.has(commit)) wrong.push(`${commit} is not on the branch`);
  if (new Set(commits).size !== commits.length) wrong.push("two decisions share a commit");
  const runs = (await git("log", "--format=%(trailers:key=Serin-Run,valueonly,separator=%x20)", "main")).split(/\s+/);
  const files = new Set((await git("ls-tree", "-r", "--name-only", "main", ".serin")).trim().split("\n"));
  for (const { id, canary } of decisions) {
    const times = runs.filter((run) => run === id).length;
    if (times !== 1) wrong.push(`${id} landed ${times} times`);
    if (!files.has(lockPath(CLUSTER.name, canary))) wrong.push(`${id} left no lock`);
  }
  const problems = (await git("fsck", "--strict", "--no-dangling")).trim();
  return problems === "" ? wrong : [...wrong, problems];
}
