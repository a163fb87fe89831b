/**
 * Many canaries promoted at once: the writer's group commit and its races, alone and beside somebody else who pushes to
 * the same branch. Beside it: stock git, one commit and one push a promotion, with nobody else about.
 */
import { cloneRepository, runGit } from "../src/demo/clone.ts";
import { type Burst, type Crowd, type CrowdOptions, promoteAll, withCrowd, wrongAfter } from "../test/support/crowd.ts";
import type { Row } from "./report.ts";

const RUNS = 3;
const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];
const TIMEOUT_MS = 300_000;

/** 200 canaries of a small repository beside somebody who pushes without a pause. */
export async function burst(): Promise<readonly Row[]> {
  const small = { canaries: 200, manifests: 800 };
  const bursts: Burst[] = [];
  const oneByOne: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    bursts.push(await promoted(small, 0));
    oneByOne.push(await withCrowd(small, pushOneByOne));
  }
  const beside = { what: `stock git, ${small.canaries} pushes without a rival`, values: oneByOne };
  const rows = rowsOf("burst", `${small.canaries} promotions at once beside a rival`, bursts);
  return rows.map((row, index) => (index === 0 ? { ...row, beside } : row));
}

/** 500 canaries of a repository of 10,000 files: with nobody about, and beside somebody who pushes every 200 ms. */
export async function crowd(): Promise<readonly Row[]> {
  const large = { canaries: 500, manifests: 10_000 };
  const [alone, beside]: readonly [Burst[], Burst[]] = [[], []];
  for (let run = 0; run < RUNS; run += 1) {
    alone.push(await promoted(large, null));
    beside.push(await promoted(large, 200));
  }
  const what = `${large.canaries} decisions at once, 10k files`;
  return [
    ...rowsOf("crowd", what, alone, "at most 10"),
    ...rowsOf("crowd", `${what}, beside a push every 200 ms`, beside, "at most 30"),
  ];
}

async function promoted(options: CrowdOptions, rivalEveryMs: number | null): Promise<Burst> {
  return await withCrowd(options, async (crowd) => {
    const found = await promoteAll(crowd, { rivalEveryMs, timeoutMs: TIMEOUT_MS });
    const wrong = await wrongAfter(crowd, found);
    if (wrong.length > 0) throw new Error(wrong.slice(0, 10).join("\n"));
    return found;
  });
}

function rowsOf(benchmark: string, what: string, bursts: readonly Burst[], pushes?: string): readonly Row[] {
  const inTime = pushes === undefined ? {} : { promised: "under 60 s" };
  const counted = (of: string, count: (burst: Burst) => number): Row => {
    return { benchmark, what: `${what}: ${of}`, unit: "pushes", values: bursts.map(count) };
  };
  return [
    { benchmark, what, unit: "ms", values: bursts.map(({ ms }) => ms), ...inTime },
    { ...counted("pushes that landed", (one) => one.pushes), ...(pushes === undefined ? {} : { promised: pushes }) },
    counted("races lost", ({ lost }) => lost),
    counted("somebody else's pushes meanwhile", ({ rival }) => rival.landed.length),
    counted("somebody else's pushes that lost a race", ({ rival }) => rival.refused),
  ];
}

async function pushOneByOne({ url, dir, canaries }: Crowd): Promise<number> {
  const clone = await cloneRepository(url, `${dir}/clone`);
  const startedAt = performance.now();
  for (let index = 0; index < canaries; index += 1) {
    await Deno.writeTextFile(`${clone.dir}/lock-${index}.yaml`, `lock: ${index}\n`);
    await runGit(clone.dir, ["add", "."]);
    await runGit(clone.dir, [...PERSON, "commit", "--quiet", "--message", `Promote ${index}`]);
    await runGit(clone.dir, ["push", "--quiet", "origin", "HEAD:main"]);
  }
  return performance.now() - startedAt;
}
