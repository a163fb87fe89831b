/** From nothing to ready, and the memory it takes: the agent's process beside one of the same runtime that does nothing. */
import { memoryOf } from "./process_figures.ts";
import type { Row } from "./report.ts";
import { shopFiles } from "../test/support/fleet_files.ts";
import { withStand } from "./stand.ts";

const RUNS = 7;
const CANARIES = 10;

export async function start(): Promise<readonly Row[]> {
  const files = () => shopFiles({ manifests: 100, canaries: CANARIES });
  return await withStand({ files, pollInterval: "30s" }, async (stand) => {
    const readyMs: number[] = [];
    const peakReady: number[] = [];
    const emptyMs: number[] = [];
    const emptyPeak: number[] = [];
    const peakFirstStart: number[] = [];
    const nowResting: number[] = [];
    // The first run fills the runtime's caches and brings all primaries up: its memory is a row of its own.
    for (let run = 0; run <= RUNS; run += 1) {
      const nothing = await startNothing();
      const agent = await stand.startAgent();
      const memory = await memoryOf(agent.pid);
      if (run === 0) {
        await agent.settled(CANARIES);
        const busy = await memoryOf(agent.pid);
        peakFirstStart.push(busy.peak);
      } else {
        emptyMs.push(nothing.readyMs);
        emptyPeak.push(nothing.peak);
        readyMs.push(agent.readyMs);
        peakReady.push(memory.peak);
        await agent.settled(CANARIES);
        nowResting.push((await memoryOf(agent.pid)).now);
      }
      await agent.stop();
    }
    const benchmark = "start";
    return [
      {
        benchmark,
        what: "spawn to ready, 100 files, 10 canaries",
        unit: "ms",
        values: readyMs,
        promised: "under 500",
        beside: { what: "empty program", values: emptyMs },
      },
      {
        benchmark,
        what: "peak memory when ready",
        unit: "MiB",
        values: peakReady,
        promised: "under 110",
        beside: { what: "empty program", values: emptyPeak },
      },
      { benchmark, what: "memory at rest", unit: "MiB", values: nowResting },
      { benchmark, what: "peak memory after the first start of 10 canaries", unit: "MiB", values: peakFirstStart },
    ];
  });
}

async function startNothing(): Promise<{ readonly readyMs: number; readonly peak: number }> {
  const startedAt = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", new URL("empty_main.ts", import.meta.url).pathname],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const readyMs = performance.now() - startedAt;
  const { peak } = await memoryOf(child.pid);
  child.kill("SIGTERM");
  await child.status;
  await reader.cancel();
  return { readyMs, peak };
}
