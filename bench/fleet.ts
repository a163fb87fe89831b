/**
 * The whole agent with 200 canaries: first start, then one commit that bumps all of them, while somebody else pushes to
 * the same branch all the time. What the agent itself takes (processor, memory, requests) is its own; how long it lasts
 * is also the sandbox's doing, which runs 400 pods, their mesh and the Git server in one process on the same cores.
 */
import { cpuMsOf, memoryOf } from "./process_figures.ts";
import type { Row } from "./report.ts";
import { startRival } from "../test/support/rival.ts";
import { deployment, deploymentPath, shopFiles, shopName } from "../test/support/fleet_files.ts";
import { REPOSITORY, withStand } from "./stand.ts";

const CANARIES = 200;
const ANALYSIS = "    interval: 1s\n    threshold: 5\n    stepWeights: [50]\n    metrics: []";

export async function fleet(): Promise<readonly Row[]> {
  const files = () => shopFiles({ manifests: CANARIES * 4, canaries: CANARIES, analysis: ANALYSIS });
  return await withStand({ files, pollInterval: "5s" }, async (stand) => {
    const { git } = stand.sandbox;
    const startAt = performance.now();
    const agent = await stand.startAgent();
    await agent.settled(CANARIES);
    const startMs = performance.now() - startAt;
    const startCpuMs = await cpuMsOf(agent.pid);
    const bumped = Object.fromEntries(
      Array.from({ length: CANARIES }, (_, index) => [deploymentPath(index), deployment(shopName(index), "6.0.1")]),
    );
    const commitsBefore = await commitsOf("Serin", git.path(REPOSITORY));
    const from = stand.sandbox.api.requests.length;
    const bumpAt = performance.now();
    await git.commit(REPOSITORY, bumped);
    await agent.hint();
    const rival = await startRival(git.urlOf(REPOSITORY), `${stand.dir}/rival`, 0);
    await agent.settled(CANARIES, ":6.0.1").catch(async (error) => {
      await rival.stop();
      throw error;
    });
    const ms = performance.now() - bumpAt;
    const rivals = await rival.stop();
    const requests = stand.requestsSince(from).filter(({ verb }) => verb !== "watch");
    const conflicts = requests.filter(({ status }) => status === 409);
    const commits = await commitsOf("Serin", git.path(REPOSITORY)) - commitsBefore;
    const memory = await memoryOf(agent.pid);
    const benchmark = "fleet";
    const one = (what: string, unit: Row["unit"], value: number): Row => ({ benchmark, what, unit, values: [value] });
    return [
      one(`${CANARIES} canaries: first start, all primaries up`, "ms", startMs),
      one("processor time of the agent for it", "ms", startCpuMs),
      one(`${CANARIES} canaries promoted at once beside a rival`, "ms", ms),
      one("processor time of the agent for it", "ms", await cpuMsOf(agent.pid) - startCpuMs),
      one("its commits", "commits", commits),
      one("the rival's pushes meanwhile", "pushes", rivals.landed.length),
      one("the rival's pushes that lost a race", "pushes", rivals.refused),
      one("API requests a canary for the whole rollout", "requests", requests.length / CANARIES),
      one("conflicts among all of them", "requests", conflicts.length),
      one("peak memory of the agent", "MiB", memory.peak),
    ];
  });
}

async function commitsOf(author: string, repository: string): Promise<number> {
  const { stdout } = await new Deno.Command("git", {
    args: ["--git-dir", repository, "rev-list", "--count", `--author=${author}`, "main"],
    stderr: "inherit",
  }).output();
  return Number(new TextDecoder().decode(stdout));
}
