/**
 * To clone and have the bytes of every manifest in hand, beside stock git: the fastest way that git has for it, a bare
 * clone of depth 1 and `cat-file --batch` of all blobs into memory (a checkout writes each file to disk first, and is
 * slower). Ours is measured inside a running process, as an agent's first look is; git is a program that is started.
 */
import { machineClock } from "../adapters/platform/clock.ts";
import { openGitRemote } from "../adapters/platform/git.ts";
import { shopFiles } from "../test/support/fleet_files.ts";
import { startGitServer } from "../src/sandbox/git/git_server.ts";
import type { Row } from "./report.ts";

const SIZES = [1_000, 10_000, 50_000];
const ROUNDS = 11;
/** A checkout of 50,000 files takes many times as long as all else. */
const CHECKOUT_ROUNDS = 3;
const REPOSITORY = "fleet";

export async function clone(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const manifests of SIZES) rows.push(...await cloneOf(manifests));
  return rows;
}

async function cloneOf(manifests: number): Promise<readonly Row[]> {
  const dir = await Deno.makeTempDir({ prefix: "serin-bench-" });
  const server = startGitServer({ dir: `${dir}/server`, clock: machineClock });
  try {
    await server.createRepository(REPOSITORY, shopFiles({ manifests, canaries: 10 }));
    await run(server.path(REPOSITORY), ["repack", "-adq"]);
    const url = server.urlOf(REPOSITORY);
    const [ours, theirs, checkouts, stalls]: readonly [number[], number[], number[], number[]] = [[], [], [], []];
    const wanted = await ourClone(url, []);
    for (let round = 0; round < ROUNDS; round += 1) {
      const measure = [
        async () => void ours.push(timed(wanted.files, await ourClone(url, stalls))),
        async () => void theirs.push(timed(wanted.files, await gitClone(url, `${dir}/bare-${round}`))),
        ...(round < CHECKOUT_ROUNDS
          ? [async () => void checkouts.push(timed(wanted.files, await gitCheckout(url, `${dir}/tree-${round}`)))]
          : []),
      ];
      for (const one of round % 2 === 0 ? measure : measure.reverse()) await one();
    }
    const size = `${manifests / 1000}k files`;
    const benchmark = "clone";
    return [
      {
        benchmark,
        what: `${size}: clone, every manifest in hand`,
        unit: "ms",
        values: ours,
        promised: "ratio at most 1.0",
        beside: { what: "git clone --bare --depth=1 + cat-file --batch", values: theirs },
      },
      {
        benchmark,
        what: `${size}: the same beside a checkout`,
        unit: "ms",
        values: ours,
        beside: { what: "git clone --depth=1 + reading all files", values: checkouts },
      },
      { benchmark, what: `${size}: longest hold of the event loop meanwhile`, unit: "ms", values: stalls },
    ];
  } finally {
    await server.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

interface Found {
  readonly ms: number;
  readonly files: number;
}

function timed(files: number, found: Found): number {
  if (found.files !== files) throw new Error(`${found.files} files were read, not ${files}`);
  return found.ms;
}

async function ourClone(url: string, stalls: number[]): Promise<Found> {
  const remote = openGitRemote({ url, branch: "main", clock: machineClock });
  const watch = watchLoop();
  try {
    const startedAt = performance.now();
    const snapshot = await remote.fetch();
    const manifests = (await snapshot.files()).filter(({ path }) => path.endsWith(".yaml"));
    let files = 0;
    for (const { path } of manifests) if ((await snapshot.read(path)) !== undefined) files += 1;
    const ms = performance.now() - startedAt;
    stalls.push(watch.stop());
    return { ms, files };
  } finally {
    await remote.close();
  }
}

/** The longest time that a timer of a millisecond came too late. */
function watchLoop(): { stop(): number } {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  return {
    stop() {
      clearInterval(timer);
      return Math.max(longest, performance.now() - last);
    },
  };
}

async function gitClone(url: string, dir: string): Promise<Found> {
  const startedAt = performance.now();
  await run(".", ["clone", "--quiet", "--bare", "--depth=1", "--single-branch", "--no-tags", url, dir]);
  const listed = new TextDecoder().decode(await run(dir, ["ls-tree", "-r", "main"]));
  const oids = listed.split("\n").flatMap((line) => (line.endsWith(".yaml") ? [line.slice(12, 52)] : []));
  const bytes = await run(dir, ["cat-file", "--batch", "--buffer"], oids.join("\n"));
  const files = blobsIn(bytes);
  const ms = performance.now() - startedAt;
  await Deno.remove(dir, { recursive: true });
  return { ms, files };
}

/** Cuts the answer of `cat-file --batch` into blobs, as whoever wants their bytes must. */
function blobsIn(bytes: Uint8Array): number {
  let blobs = 0;
  for (let at = 0; at < bytes.length; blobs += 1) {
    const end = bytes.indexOf(10, at);
    const size = Number(new TextDecoder().decode(bytes.subarray(at + 46, end)));
    at = end + 1 + size + 1;
  }
  return blobs;
}

async function gitCheckout(url: string, dir: string): Promise<Found> {
  const startedAt = performance.now();
  await run(".", ["clone", "--quiet", "--depth=1", "--single-branch", "--no-tags", url, dir]);
  const listed = new TextDecoder().decode(await run(dir, ["ls-files"]));
  let files = 0;
  for (const path of listed.split("\n")) {
    if (path.endsWith(".yaml") && Deno.readFileSync(`${dir}/${path}`).length > 0) files += 1;
  }
  const ms = performance.now() - startedAt;
  await Deno.remove(dir, { recursive: true });
  return { ms, files };
}

async function run(cwd: string, args: readonly string[], input?: string): Promise<Uint8Array> {
  const child = new Deno.Command("git", {
    args: ["-c", "safe.directory=*", ...args],
    cwd,
    env: { GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_GLOBAL: "/dev/null" },
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const feed = async (): Promise<void> => {
    if (input === undefined) return;
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  };
  const [{ success, stdout, stderr }] = await Promise.all([child.output(), feed()]);
  if (!success) throw new Error(`git ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}
