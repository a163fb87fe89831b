/** One canary at rest for 100 ticks of one second: what it asks of the API server, of Git, and of the processor. */
import { machineClock } from "../adapters/platform/clock.ts";
import { cpuMsOf } from "./process_figures.ts";
import type { Row } from "./report.ts";
import { shopFiles } from "../test/support/fleet_files.ts";
import { withStand } from "./stand.ts";

const WINDOWS = 5;
const TICKS = 20;
const TICK_MS = 1_000;

export async function idle(): Promise<readonly Row[]> {
  return await withStand({ files: () => shopFiles({ manifests: 4, canaries: 1 }) }, async (stand) => {
    const agent = await stand.startAgent();
    await agent.settled(1);
    await machineClock.sleep(3 * TICK_MS);
    const beyond: number[] = [];
    const leases: number[] = [];
    const watches: number[] = [];
    const gitRequests: number[] = [];
    const cpuMs: number[] = [];
    for (let window = 0; window < WINDOWS; window += 1) {
      const from = stand.sandbox.api.requests.length;
      const gitFrom = total(stand.sandbox.git.requests);
      const cpuFrom = await cpuMsOf(agent.pid);
      await machineClock.sleep(TICKS * TICK_MS);
      cpuMs.push(await cpuMsOf(agent.pid) - cpuFrom);
      gitRequests.push(total(stand.sandbox.git.requests) - gitFrom);
      const requests = stand.requestsSince(from);
      leases.push(requests.filter(({ path }) => path.includes("/leases/")).length);
      watches.push(requests.filter(({ verb }) => verb === "watch").length);
      beyond.push(requests.filter(({ verb, path }) => verb !== "watch" && !path.includes("/leases/")).length);
    }
    const benchmark = "idle";
    const per = `per ${TICKS} ticks`;
    return [
      {
        benchmark,
        what: `API requests beyond Lease and watches, ${per}`,
        unit: "requests",
        values: beyond,
        promised: "0",
      },
      { benchmark, what: `Lease renewals, ${per}`, unit: "requests", values: leases },
      { benchmark, what: `watches opened anew, ${per}`, unit: "requests", values: watches },
      { benchmark, what: `Git requests at a poll a second, ${per}`, unit: "requests", values: gitRequests },
      { benchmark, what: `processor time, ${per}`, unit: "ms", values: cpuMs },
    ];
  });
}

function total(requests: ReadonlyMap<string, number>): number {
  return [...requests.values()].reduce((sum, count) => sum + count, 0);
}
