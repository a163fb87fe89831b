/**
 * What the agent asks of the API server, counted in the sandbox's log: nothing at rest, and at most four requests a
 * weight step, events included, also where the Canary object is in the cluster and gets its own.
 */
import { ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { CANARY, filesOf, MANIFEST, REPOSITORY, setStage, type Stage } from "../../src/demo/stage.ts";
import { cloneRepository } from "../../src/demo/clone.ts";
import type { CanaryDetail } from "../../src/ports/agent.ts";
import type { RequestRecord } from "../../src/sandbox/api/server.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createTelling } from "../../src/telling.ts";
import { DEMO_FILES } from "../support/stage.ts";
import { until } from "../support/until.ts";

const TOKEN = { name: "robin", hash: `sha256:${"0".repeat(64)}` };
const STEPS = [10, 20, 40, 60, 80];

/**
 * The demo with four replicas, so that the canary grows on the way, and a step a second. Without metrics: they cost the
 * API server nothing, and a check that fails on too little load would be a step of another kind.
 */
async function shop(): Promise<Readonly<Record<string, string>>> {
  const files = await filesOf(DEMO_FILES);
  const canary = (files["apps/podinfo/canary.yaml"] ?? "")
    .replace("interval: 2s", "interval: 1s").replace("[10, 30, 60]", `[${STEPS.join(", ")}]`)
    .replace(/ {4}metrics:\n[^]*$/, "    metrics: []\n");
  const deployment = (files[MANIFEST] ?? "").replace("spec:\n  selector", "spec:\n  replicas: 4\n  selector");
  return { ...files, "apps/podinfo/canary.yaml": canary, [MANIFEST]: deployment };
}

async function onStage(body: (stage: Stage, dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  const end = new AbortController();
  try {
    const stage = await setStage({
      clock: machineClock,
      dir,
      files: await shop(),
      token: TOKEN,
      prepare: ({ api }) => {
        const { namespace, name } = CANARY;
        api.store.create({ apiVersion: "serin.dev/v1", kind: "Canary", metadata: { namespace, name }, spec: {} });
      },
      telling: (clients) => tellingOf(clients, end.signal),
    });
    try {
      await see(stage, "initialised", (view) => view.last?.outcome === "initialised" && view.phase === "idle");
      await body(stage, dir);
    } finally {
      end.abort();
      await stage.close();
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Telemetry as the program has it. */
function tellingOf(
  clients: Parameters<Parameters<typeof setStage>[0]["telling"]>[0],
  signal: AbortSignal,
): ReturnType<Parameters<typeof setStage>[0]["telling"]> {
  const config = { cluster: "sandbox", provider: "gatewayapi:v1", alerts: null };
  const metrics = createMetrics({
    version: "test",
    ...config,
    flagger: false,
    process: { residentBytes: () => 0, cpuSeconds: () => 0 },
    lag: { take: () => 0 },
    kubeRequests: () => clients.cluster.requests,
    isLeader: () => true,
    queueDepth: () => 0,
  });
  const log = createLog({ clock: machineClock, level: "error", write: () => {} });
  return createTelling({ ...clients, clock: machineClock, log, metrics, config, alertUrl: null, signal }).telling;
}

async function see(stage: Stage, what: string, condition: (view: CanaryDetail) => boolean): Promise<void> {
  await until(what, () => {
    const view = stage.composed.agent.canary(CANARY);
    return view !== undefined && condition(view);
  }, 60_000);
}

/** The agent's requests since an index of the log, without the Lease and watches. */
function counted(stage: Stage, from: number): readonly RequestRecord[] {
  return stage.sandbox.api.requests.slice(from).filter(({ userAgent, verb, path }) =>
    userAgent === "serin" && verb !== "watch" && !path.includes("/leases/")
  );
}

function listOf(requests: readonly RequestRecord[]): string {
  return requests.map(({ verb, path, status }) => `${verb} ${path.split("?")[0]} ${status}`).join("\n");
}

function polls(stage: Stage): number {
  return [...stage.sandbox.git.requests.values()].reduce((sum, count) => sum + count, 0);
}

Deno.test("a canary at rest costs no request beyond watches, whatever else is polled or committed", async () => {
  await onStage(async (stage) => {
    const quiet = polls(stage);
    await until("the agent has looked at Git twice", () => polls(stage) >= quiet + 2);
    const from = stage.sandbox.api.requests.length;
    const before = polls(stage);
    await until("the agent has looked at Git twice more", () => polls(stage) >= before + 2);
    const commit = await stage.sandbox.git.commit(REPOSITORY.replace(/\.git$/, ""), { "README.md": "Read me.\n" });
    await until("it has seen a commit of others", () => stage.composed.agent.sources()[0]?.commit === commit);
    strictEqual(listOf(counted(stage, from)), "");
  });
});

Deno.test("a weight step costs at most four requests, from a passed check to the route that is observed", async () => {
  await onStage(async (stage, dir) => {
    const from = stage.sandbox.api.requests.length;
    const clone = await cloneRepository(stage.sandbox.git.urlOf(REPOSITORY), `${dir}/clone`);
    await clone.bump(MANIFEST, { from: ":6.0.0", to: ":6.0.1", message: "Bump podinfo to 6.0.1" });
    await see(stage, "promoted", (view) => view.last?.outcome === "succeeded" && view.phase === "idle");
    const steps = stepsOf(counted(stage, from));
    strictEqual(steps.length, STEPS.length - 1);
    for (const step of steps) ok(step.length <= 4, `${step.length} requests:\n${listOf(step)}`);
    // The bound is only worth something if the events are among them.
    ok(steps.every((step) => step.filter(({ path }) => path.includes("/events")).length === 2), listOf(steps.flat()));
  });
});

/**
 * The second and later steps: what was asked after the route write of the step before up to this one's. Its own events
 * come right behind that write, so each segment has the events of the step before it. Left out are pods that are asked
 * for ahead, while checks run, and what a 409 cost: it, the look and the second try that follow it.
 */
function stepsOf(requests: readonly RequestRecord[]): readonly (readonly RequestRecord[])[] {
  const steps: RequestRecord[][] = [[]];
  let costOfConflict = 0;
  for (const request of requests) {
    if (request.status === 409) costOfConflict = 2;
    const isAhead = request.path.includes("/scale");
    if (!isAhead && costOfConflict === 0) steps.at(-1)?.push(request);
    else if (request.status !== 409) costOfConflict = Math.max(0, costOfConflict - 1);
    if (request.path.includes("/httproutes/") && request.status !== 409 && request.verb !== "get") steps.push([]);
  }
  return steps.slice(1, STEPS.length);
}
