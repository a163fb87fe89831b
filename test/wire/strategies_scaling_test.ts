/**
 * What a rollout does beside traffic: autoscalers of target and primary, and the primary's own copies of ConfigMaps and
 * Secrets.
 */
import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { stringify } from "yaml";
import { canonicalJson } from "../../src/core/digest.ts";
import { isJsonObject, type KubeObject, listAt, numberAt, objectAt } from "../../src/core/kube_object.ts";
import { configNamesOf, podTemplateOf } from "../../src/core/release.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { appFiles, configOf, imageOf, manifestOf } from "../support/app_files.ts";
import { type TestStage, withStage } from "../support/stage.ts";
import { bumpAll } from "../support/tale.ts";
import { until } from "../support/until.ts";

const SCALED = "scaled";
const CONFIGURED = "configured";
const HPA = { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" };
const SECRET = { apiVersion: "v1", kind: "Secret", namespace: "demo", name: "api-token" };

function files(): Readonly<Record<string, string>> {
  const scaler = {
    ...HPA,
    metadata: { name: SCALED, namespace: "demo" },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: SCALED },
      minReplicas: 2,
      maxReplicas: 6,
      metrics: [{
        type: "Resource",
        resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } },
      }],
    },
  };
  const env = [
    { name: "GREETING", valueFrom: { configMapKeyRef: { name: CONFIGURED, key: "greeting" } } },
    { name: "TOKEN", valueFrom: { secretKeyRef: { name: SECRET.name, key: "token" } } },
  ];
  return {
    ...appFiles(
      {
        name: SCALED,
        spec: {
          autoscalerRef: {
            apiVersion: "autoscaling/v2",
            kind: "HorizontalPodAutoscaler",
            name: SCALED,
            primaryScalerReplicas: { minReplicas: 3, maxReplicas: 8 },
          },
        },
        analysis: { stepWeights: [10, 60], metrics: [] },
      },
      {
        name: CONFIGURED,
        container: { env },
        deployment: { revisionHistoryLimit: 0 },
        analysis: { stepWeights: [50], metrics: [] },
      },
    ),
    [`apps/${SCALED}/scaler.yaml`]: stringify(scaler),
  };
}

const secret = (token: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: SECRET.name, namespace: "demo" },
  data: { token: btoa(token) },
});

Deno.test("autoscalers and copies of configs", async (t) => {
  await withStage({
    files: files(),
    initialised: [SCALED, CONFIGURED],
    prepare: (sandbox) => void sandbox.api.store.create(secret("first")),
  }, async (stage) => {
    await t.step("autoscalers: floors during a rollout, the target's minimum for the canary", () => scaled(stage));
    await t.step("autoscalers: follow Git between rollouts, and a hand's edit is undone", () => followed(stage));
    await t.step(
      "configs: a change alone is a rollout, and the primary keeps its copy until it is promoted",
      () => configured(stage),
    );
    await t.step("Secrets: copied under a keyed hash, and never in Git", () => secrets(stage));
    await t.step("copies that nothing names are deleted", () => pruned(stage));
  });
});

function live(stage: TestStage, kind: "Deployment" | "HorizontalPodAutoscaler" | "ConfigMap" | "Secret", name: string) {
  const apiVersion = kind === "Deployment" ? "apps/v1" : kind === "HorizontalPodAutoscaler" ? HPA.apiVersion : "v1";
  return stage.sandbox.api.store.get({ apiVersion, kind, namespace: "demo", name });
}

async function scaled(stage: TestStage): Promise<void> {
  const least = () => numberAt(live(stage, "HorizontalPodAutoscaler", `${SCALED}-primary`), "spec", "minReplicas");
  const copy = live(stage, "HorizontalPodAutoscaler", `${SCALED}-primary`);
  deepStrictEqual(objectAt(copy, "spec", "scaleTargetRef"), {
    apiVersion: "apps/v1",
    kind: "Deployment",
    name: `${SCALED}-primary`,
  });
  deepStrictEqual([least(), numberAt(copy, "spec", "maxReplicas")], [3, 8]);
  await until(
    "the primary has its minimum",
    () => numberAt(live(stage, "Deployment", `${SCALED}-primary`), "status", "availableReplicas") === 3,
  );
  // As after a busy hour: the autoscaler has gone up to five.
  const primary = { apiVersion: "apps/v1", kind: "Deployment", namespace: "demo", name: `${SCALED}-primary` };
  stage.sandbox.api.store.patch(primary, { spec: { replicas: 5 } }, {
    manager: "kube-controller-manager",
    subresource: "scale",
  });
  await until(
    "five are ready",
    () => numberAt(live(stage, "Deployment", `${SCALED}-primary`), "status", "availableReplicas") === 5,
  );
  await bumpAll(stage, [SCALED], "1.1.0");
  const canary = stage.of(SCALED);
  await canary.see("the first share is on", ({ weight }) => weight === 10);
  strictEqual(least(), 5, "the primary may not shrink below what carried everything");
  ok((numberAt(live(stage, "Deployment", SCALED), "spec", "replicas") ?? 0) >= 2, "the target's own minimum");
  await canary.see("the second share is on", ({ weight }) => weight === 60);
  ok((numberAt(live(stage, "Deployment", SCALED), "status", "availableReplicas") ?? 0) >= 3, "60 % of five");
  await canary.see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded");
  await until("the floor is gone", () => least() === 3);
  strictEqual(numberAt(live(stage, "Deployment", `${SCALED}-primary`), "spec", "replicas"), 5);
  strictEqual(numberAt(live(stage, "Deployment", SCALED), "spec", "replicas"), 0);
  strictEqual(numberAt(live(stage, "HorizontalPodAutoscaler", SCALED), "spec", "minReplicas"), 2);
}

/** What an incident needs is one commit away, and starts no rollout. */
async function followed(stage: TestStage): Promise<void> {
  const most = (name: string) => numberAt(live(stage, "HorizontalPodAutoscaler", name), "spec", "maxReplicas");
  const usage = (name: string) => {
    const [metric] = listAt(live(stage, "HorizontalPodAutoscaler", name), "spec", "metrics");
    return isJsonObject(metric) ? numberAt(metric, "resource", "target", "averageUtilization") : undefined;
  };
  const path = `apps/${SCALED}/scaler.yaml`;
  const before = files()[path] ?? "";
  const last = stage.of(SCALED).view()?.last;
  await stage.sandbox.git.commit(REPOSITORY, {
    [path]: before.replace("averageUtilization: 80", "averageUtilization: 55").replace(
      "maxReplicas: 6",
      "maxReplicas: 9",
    ),
  });
  await until("the target's autoscaler follows", () => most(SCALED) === 9);
  await until("the primary's autoscaler follows", () => usage(`${SCALED}-primary`) === 55);
  strictEqual(most(`${SCALED}-primary`), 8, "the canary's own word on the primary's maximum");
  stage.sandbox.api.store.patch(
    { ...HPA, namespace: "demo", name: `${SCALED}-primary` },
    { spec: { maxReplicas: 4 } },
    { manager: "kubectl-edit" },
  );
  await until("the primary's autoscaler is put right", () => most(`${SCALED}-primary`) === 8);
  deepStrictEqual(stage.of(SCALED).view()?.last, last, "no rollout");
}

/** Names of the configs that the primary's pods are started with. */
function namedBy(stage: TestStage, kind: "ConfigMap" | "Secret"): string {
  const primary = live(stage, "Deployment", `${CONFIGURED}-primary`);
  ok(primary !== undefined);
  const found = configNamesOf(podTemplateOf(primary)).filter((config) => config.kind === kind);
  strictEqual(found.length, 1);
  return found[0]?.name ?? "";
}

async function greet(stage: TestStage, greeting: string): Promise<void> {
  await stage.sandbox.git.commit(REPOSITORY, {
    [`apps/${CONFIGURED}/config.yaml`]: stringify(configOf(CONFIGURED, greeting)),
  });
}

const copies: string[] = [];
const secretCopies: string[] = [];

async function configured(stage: TestStage): Promise<void> {
  const first = namedBy(stage, "ConfigMap");
  copies.push(first);
  match(first, /^configured-primary-[0-9a-f]{8,}$/);
  strictEqual(live(stage, "ConfigMap", first)?.immutable, true);
  await greet(stage, "hello again");
  const canary = stage.of(CONFIGURED);
  await canary.see("a share is on", ({ weight }) => weight === 50);
  strictEqual(namedBy(stage, "ConfigMap"), first);
  strictEqual(objectAt(live(stage, "ConfigMap", first), "data")["greeting"], "hello from Git");
  strictEqual(objectAt(live(stage, "ConfigMap", CONFIGURED), "data")["greeting"], "hello again");
  await canary.see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded");
  const second = namedBy(stage, "ConfigMap");
  copies.push(second);
  notStrictEqual(second, first);
  strictEqual(objectAt(live(stage, "ConfigMap", second), "data")["greeting"], "hello again");
  match(
    await stage.sandbox.git.read(REPOSITORY, manifestOf(CONFIGURED)) ?? "",
    new RegExp(imageOf(CONFIGURED, "1.0.0")),
  );
}

async function secrets(stage: TestStage): Promise<void> {
  const first = namedBy(stage, "Secret");
  secretCopies.push(first);
  const copy = live(stage, "Secret", first);
  deepStrictEqual([copy?.immutable, copy?.data], [true, { token: btoa("first") }]);
  const plain = createHash("sha256").update(canonicalJson({ token: btoa("first") })).digest("hex");
  ok(!plain.startsWith(first.split("-").at(-1) ?? ""), "the name does not tell the value");
  stage.sandbox.api.store.patch(SECRET, { data: { token: btoa("second") } });
  await greet(stage, "hello for the third time");
  const canary = stage.of(CONFIGURED);
  await canary.see(
    "promoted",
    ({ phase, last, lock, candidate }) =>
      phase === "idle" && last?.outcome === "succeeded" && lock === candidate &&
      namedBy(stage, "ConfigMap") !== copies[1],
  );
  copies.push(namedBy(stage, "ConfigMap"));
  secretCopies.push(namedBy(stage, "Secret"));
  deepStrictEqual(live(stage, "Secret", secretCopies[1] ?? "")?.data, { token: btoa("second") });
  await stage.clone.pull();
  const everything = await stage.clone.git("log", "-p", "--all");
  for (const value of ["first", "second"]) ok(!everything.includes(btoa(value)), "no value of a Secret is in Git");
}

async function pruned(stage: TestStage): Promise<void> {
  await until("the first copies are gone", () => live(stage, "ConfigMap", copies[0] ?? "") === undefined);
  ok(live(stage, "ConfigMap", copies[1] ?? "") !== undefined, "the lock before may be asked for");
  ok(live(stage, "ConfigMap", copies[2] ?? "") !== undefined);
  ok(live(stage, "Secret", secretCopies[1] ?? "") !== undefined);
  await greet(stage, "hello for the fourth time");
  await stage.of(CONFIGURED).see(
    "promoted",
    ({ phase, last, lock, candidate }) =>
      phase === "idle" && last?.outcome === "succeeded" && lock === candidate &&
      namedBy(stage, "ConfigMap") !== copies[2],
  );
  await until("copies of Secrets go too", () => live(stage, "Secret", secretCopies[0] ?? "") === undefined);
  const left = stage.sandbox.api.store.list("v1", "Secret", "demo").map(({ metadata }) => metadata.name).sort();
  deepStrictEqual(left, [SECRET.name, secretCopies[1]].sort());
}
