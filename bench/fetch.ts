/**
 * Fetching as an agent does it all day: one new commit of a large repository, a look that finds nothing beside thousands
 * of refs, and a thousand fetches one after the other. Bytes are those of the bodies, both ways, counted by a proxy.
 */
import { machineClock } from "../adapters/platform/clock.ts";
import { openGitRemote } from "../adapters/platform/git.ts";
import { runGit } from "../src/demo/clone.ts";
import { type GitServer, startGitServer } from "../src/sandbox/git/git_server.ts";
import { deployment, deploymentPath, shopFiles, shopName } from "../test/support/fleet_files.ts";
import { startCountingProxy } from "./counting_proxy.ts";
import { startFollower } from "./detection.ts";
import { memoryOf } from "./process_figures.ts";
import type { Row } from "./report.ts";

const REPOSITORY = "fleet";
const ROUNDS = 11;
const REFS = 5_000;
const FETCHES = 1_000;
/** Fetches that are compared, at the beginning and at the end. */
const PART = 100;
const benchmark = "fetch";

export async function fetching(): Promise<readonly Row[]> {
  return [
    ...await withRepository(50_000, oneCommit),
    ...await withRepository(1_000, nothingNew),
    ...await withRepository(10_000, aThousand),
  ];
}

interface Repository {
  readonly server: GitServer;
  readonly url: string;
  readonly dir: string;
}

async function withRepository(
  manifests: number,
  measure: (repository: Repository) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  const dir = await Deno.makeTempDir({ prefix: "serin-bench-" });
  const server = startGitServer({ dir: `${dir}/server`, clock: machineClock });
  try {
    await server.createRepository(REPOSITORY, shopFiles({ manifests, canaries: 10 }));
    await git(server, "repack", "-adq");
    return await measure({ server, url: server.urlOf(REPOSITORY), dir });
  } finally {
    await server.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

function git(server: GitServer, ...args: readonly string[]): Promise<string> {
  return runGit(server.path(REPOSITORY), ["-c", "safe.directory=*", ...args]);
}

function bump(server: GitServer, round: number): Promise<string> {
  return server.commit(REPOSITORY, { [deploymentPath(0)]: deployment(shopName(0), `6.1.${round}`) });
}

/** Times without the proxy, bytes with it. */
async function oneCommit({ server, url, dir }: Repository): Promise<readonly Row[]> {
  await runGit(dir, ["clone", "--quiet", "--bare", "--depth=1", url, "beside"]);
  const proxy = startCountingProxy(url);
  const remote = openGitRemote({ url, branch: "main", clock: machineClock });
  const counted = openGitRemote({ url: proxy.urlOf(url), branch: "main", clock: machineClock });
  const [ours, theirs, bytes]: readonly [number[], number[], number[]] = [[], [], []];
  try {
    await remote.fetch();
    await counted.fetch();
    for (let round = 0; round < ROUNDS; round += 1) {
      const commit = await bump(server, round);
      const measure = [
        async () => void ours.push(await timeOf(async () => await remote.fetch(), ({ commit }) => commit, commit)),
        async () => {
          const fetched = async () => await runGit(`${dir}/beside`, ["fetch", "-q", "--depth=1", url, "+main:main"]);
          theirs.push(await timeOf(fetched, () => commit, commit));
        },
      ];
      for (const one of round % 2 === 0 ? measure : measure.reverse()) await one();
      proxy.taken();
      await counted.fetch();
      bytes.push(proxy.taken().bytes);
    }
  } finally {
    await remote.close();
    await counted.close();
    await proxy.stop();
  }
  const what = "50k files: one new commit";
  const beside = { what: "git fetch --depth=1", values: theirs };
  return [
    { benchmark, what, unit: "ms", values: ours, promised: "at most 100 ms", beside },
    { benchmark, what: `${what}, bodies both ways`, unit: "bytes", values: bytes, promised: "at most 5000" },
  ];
}

async function timeOf<T>(work: () => Promise<T>, commitOf: (result: T) => string, commit: string): Promise<number> {
  const startedAt = performance.now();
  const result = await work();
  const ms = performance.now() - startedAt;
  if (commitOf(result) !== commit) throw new Error(`The fetch came to ${commitOf(result)}, not to ${commit}`);
  return ms;
}

async function nothingNew({ server, url, dir }: Repository): Promise<readonly Row[]> {
  const tip = await server.tip(REPOSITORY) ?? "";
  const lines = Array.from({ length: REFS }, (_, index) => `${tip} refs/heads/feature/${index}\n`).join("");
  await Deno.writeTextFile(`${server.path(REPOSITORY)}/packed-refs`, `# pack-refs with: sorted\n${lines}`);
  const proxy = startCountingProxy(url);
  const remote = openGitRemote({ url, branch: "main", clock: machineClock });
  const counted = openGitRemote({ url: proxy.urlOf(url), branch: "main", clock: machineClock });
  const [ours, theirs, bytes, requests]: readonly [number[], number[], number[], number[]] = [[], [], [], []];
  try {
    await remote.fetch();
    await counted.fetch();
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await timeOf(() => remote.fetch(), ({ commit }) => commit, tip));
      theirs.push(await timeOf(() => runGit(dir, ["ls-remote", url, "refs/heads/main"]), () => tip, tip));
      proxy.taken();
      await counted.fetch();
      const traffic = proxy.taken();
      bytes.push(traffic.bytes);
      requests.push(traffic.requests);
    }
  } finally {
    await remote.close();
    await counted.close();
    await proxy.stop();
  }
  const what = `a look that finds nothing new beside ${REFS} refs`;
  const beside = { what: "git ls-remote", values: theirs };
  return [
    { benchmark, what, unit: "ms", values: ours, beside },
    { benchmark, what: `${what}, bodies both ways`, unit: "bytes", values: bytes, promised: "under 500" },
    { benchmark, what: `${what}, requests`, unit: "requests", values: requests, promised: "1" },
  ];
}

/**
 * The whole follower: fetch, difference, catalogue; in a process of its own, so that its memory can be told. With the
 * memory settings of the deployment: without them the engine keeps garbage for as long as there is room.
 */
async function aThousand({ server, url }: Repository): Promise<readonly Row[]> {
  const follower = await startFollower(url);
  const times: number[] = [];
  try {
    await follower.look();
    let early = NaN;
    for (let round = 0; round < FETCHES; round += 1) {
      const commit = await bump(server, round);
      const look = await follower.look();
      if (look.commit !== commit) throw new Error(`Not seen: ${JSON.stringify(look)}`);
      times.push(look.ms);
      if (round + 1 === PART) early = (await memoryOf(follower.pid)).now;
    }
    const late = (await memoryOf(follower.pid)).now;
    const what = `10k files, ${FETCHES} fetches in a row`;
    const [first, last] = [times.slice(0, PART), times.slice(-PART)];
    const beside = { what: `the first ${PART}`, values: first };
    const memory = { what: `after ${PART}`, values: [early] };
    return [
      { benchmark, what: `${what}: the last ${PART}`, unit: "ms", values: last, promised: "flat", beside },
      { benchmark, what: `${what}: slowest tenth`, unit: "ms", values: [...times].sort((a, b) => a - b).slice(-PART) },
      { benchmark, what: `${what}: memory at the end`, unit: "MiB", values: [late], promised: "flat", beside: memory },
    ];
  } finally {
    await follower.stop();
  }
}
