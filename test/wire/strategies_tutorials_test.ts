/**
 * Canaries as users of Flagger have them, from its tutorials for Istio, the Gateway API and blue/green on plain
 * Kubernetes: `flagger.app/v1beta1`, run as they are. Only the addresses of outside servers are put in.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { listAt, numberAt, stringAt } from "../../src/core/kube_object.ts";
import { filesOf, REPOSITORY } from "../../src/demo/stage.ts";
import { clusterObjects } from "../../src/sandbox/sandbox.ts";
import { startLoadTester } from "../../src/sandbox/loadtester/load_tester.ts";
import { ask } from "../support/ask.ts";
import { HookReceiver } from "../support/hook_receiver.ts";
import { followRoute, type RouteHistory } from "../support/route_history.ts";
import { type TestStage, withStage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const FOLDER = new URL("../../fixtures/tutorials/", import.meta.url);
const NAMESPACES = ["test", "test-gateway", "test-bluegreen"];

Deno.test("Flagger's tutorials run as they are", async (t) => {
  const slack = new HookReceiver();
  const stages: TestStage[] = [];
  const started = new Set<string>();
  const tester = startLoadTester({
    // What the commands of the tutorials do, done here: a request, or a minute of load.
    async run({ type, cmd }) {
      const [stage] = stages;
      const [, service = "", namespace = "test"] = /http:\/\/(podinfo-canary)(?:\.([\w-]+))?:9898/.exec(cmd) ?? [];
      if (stage === undefined || service === "") return { passed: true, output: "" };
      const url = stage.sandbox.mesh.meshUrl;
      const host = `${service}.${namespace}:9898`;
      if (type === "bash") {
        const { status, body } = await ask(url, host);
        return { passed: status === 200, output: body };
      }
      if (!started.has(host)) stage.loadOn({ url, host, ratePerSecond: 20 });
      started.add(host);
      return { passed: true, output: "" };
    },
  });
  try {
    const given = await filesOf(FOLDER);
    const addressed = (prometheus: string) =>
      Object.fromEntries(
        Object.entries(given).filter(([path]) => path.endsWith(".yaml")).map(([path, text]) => [
          `apps/${path}`,
          text.replaceAll("http://flagger-loadtester.test", tester.url)
            .replaceAll("http://prometheus.istio-system:9090", prometheus)
            .replaceAll("https://hooks.slack.example", slack.url),
        ]),
      );
    await withStage({
      files: { "README.md": "Tutorials" },
      initialised: false,
      async prepare(sandbox) {
        for (const namespace of NAMESPACES) {
          for (const object of clusterObjects(namespace, "gateway")) sandbox.api.store.create(object);
        }
        await sandbox.git.commit(REPOSITORY, addressed(sandbox.metrics.url), { message: "Add the tutorials" });
      },
    }, async (stage) => {
      stages.push(stage);
      await Promise.all(
        NAMESPACES.map((namespace) =>
          stage.of("podinfo", namespace).see(
            "initialised",
            ({ phase, last }) => phase === "idle" && last?.outcome === "initialised",
          )
        ),
      );
      const users = [
        stage.loadOn({ url: stage.sandbox.mesh.meshUrl, host: "podinfo.test:9898", ratePerSecond: 30 }),
        stage.loadOn({ host: "www.example.com", ratePerSecond: 30 }),
        stage.loadOn({ url: stage.sandbox.mesh.meshUrl, host: "podinfo.test-bluegreen:9898", ratePerSecond: 30 }),
      ];
      await until("users are answered", () => users.every(({ log }) => log.length > 5));
      const routes = [
        followRoute(stage.sandbox, "podinfo", "test"),
        followRoute(stage.sandbox, "podinfo", "test-gateway"),
      ];
      await bump(stage);
      await t.step("blue/green waits for the gate of the load tester", () => gate(stage, tester.url));
      await Promise.all(
        NAMESPACES.map((namespace) =>
          stage.of("podinfo", namespace).see(
            "promoted",
            ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded",
            90_000,
          )
        ),
      );
      for (const load of users) await load.stop();
      for (const route of routes) route.stop();

      await t.step("no user lost a request, and all are on the new release", async () => {
        for (const { log } of users) deepStrictEqual(log.filter(({ status }) => status !== 200), []);
        for (const namespace of NAMESPACES) await primaryRuns(stage, namespace);
      });
      await t.step("the steps were Flagger's", () => {
        deepStrictEqual(routes.map((route: RouteHistory) => route.weights()), [[0, 50, 0], [0, 50, 0]]);
      });
      await t.step("the load tester was asked what the tutorials ask", () => {
        const asked = tester.tasks.map((task) => stringAt(task, "metadata", "cmd")?.split(" ")[0]);
        ok(asked.filter((program) => program === "curl").length >= 3 && asked.includes("hey"), asked.join());
      });
      await t.step("Slack heard the developers' alerts, and nobody was called", () => {
        const texts = slack.on("/services/dev").flatMap(({ json }) => listAt(json, "attachments")).map((one) =>
          stringAt(one, "text")
        );
        deepStrictEqual(texts, [
          "New Deployment detected, initialization completed.",
          "New revision detected, progressing canary analysis.",
          "Canary analysis completed successfully, promotion finished.",
        ]);
        deepStrictEqual(slack.on("/services/on-call"), []);
      });
    });
  } finally {
    await tester.stop();
    await slack.stop();
  }
});

async function bump(stage: TestStage): Promise<void> {
  const files: Record<string, string> = {};
  for (const folder of ["istio", "gatewayapi", "bluegreen"]) {
    const path = `apps/${folder}/workload.yaml`;
    const text = await stage.sandbox.git.read(REPOSITORY, path) ?? "";
    files[path] = text.replace("podinfo:6.0.0", "podinfo:6.0.1");
  }
  await stage.sandbox.git.commit(REPOSITORY, files, { message: "Bump podinfo to 6.0.1" });
}

async function gate(stage: TestStage, tester: string): Promise<void> {
  const view = await stage.of("podinfo", "test-bluegreen").see(
    "waits",
    ({ gate }) => gate === "confirm-promotion",
    60_000,
  );
  strictEqual(view.flaggerPhase, "WaitingPromotion");
  const open = await fetch(`${tester}/gate/open`, {
    method: "POST",
    body: JSON.stringify({ name: "podinfo", namespace: "test-bluegreen" }),
  });
  await open.body?.cancel();
}

async function primaryRuns(stage: TestStage, namespace: string): Promise<void> {
  const primary = stage.sandbox.api.store.get({
    apiVersion: "apps/v1",
    kind: "Deployment",
    namespace,
    name: "podinfo-primary",
  });
  match(stringAt(listAt(primary, "spec", "template", "spec", "containers")[0], "image") ?? "", /:6\.0\.1$/);
  strictEqual(numberAt(primary, "spec", "replicas"), 2);
  const scaler = stage.sandbox.api.store.get({
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    namespace,
    name: "podinfo-primary",
  });
  deepStrictEqual([numberAt(scaler, "spec", "minReplicas"), numberAt(scaler, "spec", "maxReplicas")], [2, 4]);
  match(
    await stage.sandbox.git.read(REPOSITORY, `.serin/sandbox/${namespace}/podinfo/primary.yaml`) ?? "",
    /podinfo:6\.0\.1/,
  );
}
