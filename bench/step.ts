/**
 * Weight steps of a rollout: API requests from one route write to the next, which is all of a step (check, capacity,
 * route, its observation, state, events), and so at least what "passed check to route observed" costs.
 */
import { machineClock } from "../adapters/platform/clock.ts";
import { cloneRepository } from "../src/demo/clone.ts";
import type { RequestRecord } from "../src/sandbox/api/server.ts";
import type { Sandbox } from "../src/sandbox/sandbox.ts";
import { until } from "../test/support/until.ts";
import type { Row } from "./report.ts";
import { deploymentPath, shopFiles, shopName } from "../test/support/fleet_files.ts";
import { REPOSITORY, withStand } from "./stand.ts";

const ANALYSIS = `    interval: 1s
    threshold: 5
    stepWeights: [10, 20, 30, 40, 50]
    metrics:
      - name: error-rate
        templateRef: { name: zero, namespace: demo }
        thresholdRange: { max: 1 }
        interval: 5s`;

function template(metricsUrl: string): string {
  return `apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: { name: zero, namespace: demo }
spec:
  provider: { type: prometheus, address: "${metricsUrl}" }
  query: vector(0)
`;
}

export async function step(): Promise<readonly Row[]> {
  const files = (sandbox: Sandbox) => ({
    ...shopFiles({ manifests: 4, canaries: 1, analysis: ANALYSIS }),
    "apps/zero.yaml": template(sandbox.metrics.url),
  });
  return await withStand({ files }, async (stand) => {
    const agent = await stand.startAgent();
    await agent.settled(1);
    await machineClock.sleep(3_000);
    const clone = await cloneRepository(stand.sandbox.git.urlOf(REPOSITORY), `${stand.dir}/clone`);
    const from = stand.sandbox.api.requests.length;
    await clone.bump(deploymentPath(0), { from: ":6.0.0", to: ":6.0.1", message: "Bump" });
    const shares = (): readonly RequestRecord[] => stand.requestsSince(from).filter(isRouteWrite);
    await until("the rollout begins", () => shares().length > 0, 60_000);
    await agent.settled(1, ":6.0.1");
    const steps = stepsOf(stand.requestsSince(from));
    if (Deno.env.get("BENCH_LOG") !== undefined) Deno.stderr.writeSync(new TextEncoder().encode(listOf(steps)));
    // The first segment ends with the first share, the last begins with the traffic's return.
    const inner = steps.slice(1, 5);
    return [{
      benchmark: "step",
      what: `API requests per weight step, canary ${shopName(0)}`,
      unit: "requests",
      values: inner.map((requests) => requests.length),
      promised: "at most 4",
    }];
  });
}

function isRouteWrite({ verb, path }: RequestRecord): boolean {
  return path.includes("/httproutes/") && (verb === "patch" || verb === "update");
}

/** Cut behind each route write; Lease and watches left out. */
function stepsOf(requests: readonly RequestRecord[]): readonly (readonly RequestRecord[])[] {
  const steps: RequestRecord[][] = [[]];
  for (const request of requests) {
    if (request.verb === "watch" || request.path.includes("/leases/")) continue;
    steps.at(-1)?.push(request);
    if (isRouteWrite(request)) steps.push([]);
  }
  return steps;
}

function listOf(steps: readonly (readonly RequestRecord[])[]): string {
  return steps.map((requests, index) =>
    `-- ${index}\n${
      requests.map(({ verb, path, status, atMs }) => `${atMs} ${verb} ${path.split("?")[0]} ${status}\n`).join("")
    }`
  ).join("");
}
