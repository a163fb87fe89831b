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
import { commitFiles, initRepository } from "../../src/sandbox/git/repository.ts";
import { createSource, type RunningSource } from "../../src/shell/source.ts";
import { shopFiles } from "./fleet_files.ts";
import type { Rival, RivalPushes } from "./rival.ts";
import { until } from "./until.ts";

const REPOSITORY = "fleet";
const CLUSTER = { name: "sandbox", uid: "uid-of-the-crowd" };

export interface CrowdOptions {
  readonly manifests: number;
  readonly canaries: number;
}

/** A repository with canaries that wait to be promoted, on a server. */
export interface Crowd {
  readonly dir: string;
  /** Of the repository. */
  readonly url: string;
  /** Where the repository lies on disk. */
  readonly path: string;
  readonly canaries: number;
  /** Somebody else begins to push that often. */
  startRival(everyMs: number): Promise<Rival>;
}

export async function withCrowd<T>(options: CrowdOptions, body: (crowd: Crowd) => Promise<T>): Promise<T> {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  const path = `${dir}/server/${REPOSITORY}.git`;
  try {
    await initRepository(path);
    await commitFiles(path, shopFiles(options), { message: "Initial commit", timeMs: machineClock.now() });
    const child = startChild(dir);
    try {
      const url = await child.line();
      const startRival = async (everyMs: number): Promise<Rival> => {
        await child.ask(String(everyMs));
        return { stop: async () => JSON.parse(await child.ask("stop")) };
      };
      return await body({ dir, url, path, canaries: options.canaries, startRival });
    } finally {
      await child.stop();
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

interface Child {
  line(): Promise<string>;
  /** Gives an order, and waits for the line that answers. */
  ask(order: string): Promise<string>;
  stop(): Promise<void>;
}

function startChild(dir: string): Child {
  const script = new URL("crowd_child.ts", import.meta.url).pathname;
  const rights = ["--allow-net=127.0.0.1", "--allow-read", "--allow-write", "--allow-env", "--allow-run=git"];
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--frozen", "--no-prompt", ...rights, script, dir, REPOSITORY],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = process.stdin.getWriter();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const line = async (): Promise<string> => {
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`The server and its person ended: ${text}`);
      text += value;
    }
    const end = text.indexOf("\n");
    const first = text.slice(0, end);
    text = text.slice(end + 1);
    return first;
  };
  return {
    line,
    async ask(order) {
      await writer.write(new TextEncoder().encode(`${order}\n`));
      return await line();
    },
    async stop() {
      await writer.close().catch(() => undefined);
      await process.status;
      await reader.cancel();
    },
  };
}

export interface Burst {
  /** From handing in to the last one landed. */
  readonly ms: number;
  /** Pushes of the writer that landed, and that lost a race. */
  readonly pushes: number;
  readonly lost: number;
  /** Somebody else's pushes meanwhile; nobody's where there was nobody. */
  readonly rival: RivalPushes;
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
    const rival = rivalEveryMs === null ? null : await crowd.startRival(rivalEveryMs);
    const startedAt = performance.now();
    for (const decision of decisions) ledger.submit(decision);
    const committed = () => decisions.flatMap(({ id }) => commitOf(ledger, id));
    const landing = until("all are committed", () => committed().length === decisions.length, timeoutMs);
    const error = await landing.then(() => null, (failure) => failure);
    const ms = performance.now() - startedAt;
    const pushes = await rival?.stop() ?? { landed: [], refused: 0 };
    if (error !== null) throw new Error(`${committed().length} of ${decisions.length} landed`, { cause: error });
    return { ms, pushes: count.pushed, lost: count.lost, rival: pushes, decisions, commits: committed() };
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
export async function wrongAfter({ path }: Crowd, { decisions, commits, rival }: Burst): Promise<readonly string[]> {
  const git = (...args: readonly string[]) => runGit(path, ["-c", "safe.directory=*", ...args]);
  const wrong: string[] = [];
  const history = new Set((await git("rev-list", "main")).trim().split("\n"));
  for (const commit of [...rival.landed, ...commits]) {
    if (!history.has(commit)) wrong.push(`${commit} is not on the branch`);
  }
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
