/**
 * From a commit to knowing which canary it is about, in repositories of three sizes, beside what `git fetch` and
 * `git diff` take for the same commit.
 */
import { machineClock } from "../adapters/platform/clock.ts";
import { runGit } from "../src/demo/clone.ts";
import { startGitServer } from "../src/sandbox/git/git_server.ts";
import { type Memory, memoryOf } from "./process_figures.ts";
import type { Row } from "./report.ts";
import { deployment, deploymentPath, shopFiles, shopName } from "../test/support/fleet_files.ts";
import { REPOSITORY } from "./stand.ts";

const SIZES = [1_000, 10_000, 50_000];
const RUNS = 7;

export interface Look {
  readonly ms: number;
  readonly commit: string | null;
  readonly problem: string | null;
  readonly told: number;
}

export async function detection(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const manifests of SIZES) rows.push(...await detectIn(manifests));
  return rows;
}

async function detectIn(manifests: number): Promise<readonly Row[]> {
  const dir = await Deno.makeTempDir({ prefix: "serin-bench-" });
  const git = startGitServer({ dir: `${dir}/server`, clock: machineClock });
  try {
    await git.createRepository(REPOSITORY, shopFiles({ manifests, canaries: manifests / 100 }));
    const url = git.urlOf(REPOSITORY);
    const cloneAt = performance.now();
    await runGit(dir, ["clone", "--quiet", "--bare", "--depth=1", url, "beside"]);
    const cloneMs = performance.now() - cloneAt;
    const follower = await startFollower(url);
    const first = await follower.look();
    const memoryFirst = await memoryOf(follower.pid);
    const ours: number[] = [];
    const theirs: number[] = [];
    const unchanged: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      unchanged.push((await follower.look()).ms);
      const commit = await git.commit(REPOSITORY, { [deploymentPath(0)]: deployment(shopName(0), `6.0.${run + 1}`) });
      const measure = [
        async () => void theirs.push(await fetchAndDiff(`${dir}/beside`, url)),
        async () => {
          const look = await follower.look();
          if (look.commit !== commit || look.told !== 1) throw new Error(`Not seen: ${JSON.stringify(look)}`);
          ours.push(look.ms);
        },
      ];
      for (const one of run % 2 === 0 ? measure : measure.reverse()) await one();
    }
    const memory = await memoryOf(follower.pid);
    await follower.stop();
    return rowsOf(manifests, { first, cloneMs, ours, theirs, unchanged, memoryFirst, memory });
  } finally {
    await git.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

function rowsOf(manifests: number, found: {
  readonly first: Look;
  readonly cloneMs: number;
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  readonly unchanged: readonly number[];
  readonly memoryFirst: Memory;
  readonly memory: Memory;
}): readonly Row[] {
  const benchmark = "detection";
  const size = `${manifests / 1000}k manifests`;
  const beside = { what: "git fetch + git diff", values: found.theirs };
  return [
    { benchmark, what: `${size}: one commit`, unit: "ms", values: found.ours, beside },
    { benchmark, what: `${size}: a look that finds nothing new`, unit: "ms", values: found.unchanged },
    {
      benchmark,
      what: `${size}: first look`,
      unit: "ms",
      values: [found.first.ms],
      beside: { what: "git clone --bare --depth=1", values: [found.cloneMs] },
    },
    { benchmark, what: `${size}: peak memory of the follower`, unit: "MiB", values: [found.memory.peak] },
    { benchmark, what: `${size}: memory of the follower after it`, unit: "MiB", values: [found.memory.now] },
  ];
}

async function fetchAndDiff(dir: string, url: string): Promise<number> {
  const startedAt = performance.now();
  const before = (await runGit(dir, ["rev-parse", "main"])).trim();
  await runGit(dir, ["fetch", "--quiet", "--depth=1", url, "+main:main"]);
  const changed = await runGit(dir, ["diff", "--name-only", before, "main"]);
  if (changed.trim() !== deploymentPath(0)) throw new Error(`git diff says: ${changed}`);
  return performance.now() - startedAt;
}

export interface Follower {
  readonly pid: number;
  look(): Promise<Look>;
  stop(): Promise<void>;
}

/** Starts following in a process of its own, with the deployment's settings of the engine; each `look` is a poll. */
export async function startFollower(url: string): Promise<Follower> {
  const script = new URL("detection_child.ts", import.meta.url).pathname;
  const may = ["--frozen", "--no-prompt", "--allow-net=127.0.0.1", "--allow-read", "--allow-env"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...may, await deployedFlags(), script, url],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  const lines = linesOf(child.stdout);
  return {
    pid: child.pid,
    async look() {
      await writer.write(new TextEncoder().encode("look\n"));
      const { value } = await lines.next();
      const look: Look = JSON.parse(value ?? "null");
      if (look.problem !== null) throw new Error(look.problem);
      return look;
    },
    async stop() {
      await writer.close();
      await child.status;
      await lines.return(undefined);
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** What `deploy/base/deployment.yaml` gives the engine. */
async function deployedFlags(): Promise<string> {
  const text = await Deno.readTextFile(new URL("../deploy/base/deployment.yaml", import.meta.url));
  const flags = /- (--v8-flags=\S+)/.exec(text)?.[1];
  if (flags === undefined) throw new Error("deploy/base/deployment.yaml names no --v8-flags");
  return flags;
}
