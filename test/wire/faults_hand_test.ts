/**
 * Somebody edits or deletes the target, the primary, a Service or the route by hand while half of the traffic is on the
 * canary: what we own is put right, what was not analysed gets no share, and the rollout ends as its checks say.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { JsonObject, ObjectRef } from "../../src/core/kube_object.ts";
import type { Load } from "../../src/sandbox/load/load_generator.ts";
import { NAMESPACE } from "../support/app_files.ts";
import {
  decisionsOf,
  type FaultStage,
  gated,
  holdAtHalf,
  openGate,
  promoted,
  rests,
  routeOf,
  tagOf,
  told,
  usersOf,
  weightOf,
  withFaults,
} from "../support/fault_stage.ts";
import { until } from "../support/until.ts";

const ref = (apiVersion: string, kind: string) => (name: string): ObjectRef => ({
  apiVersion,
  kind,
  namespace: NAMESPACE,
  name,
});
const deploymentRef = ref("apps/v1", "Deployment");
const serviceRef = ref("v1", "Service");
const routeRef = ref("gateway.networking.k8s.io/v1", "HTTPRoute");

interface Row {
  readonly app: string;
  readonly does: (stage: FaultStage) => void;
  /** Whether what was done is put right while the rollout goes on; nothing is lost but for requests on their way. */
  readonly mended: (stage: FaultStage) => boolean;
  /** Whether users may notice: deleting what serves them is beyond repair for a moment. */
  readonly felt: boolean;
}

function store(stage: FaultStage) {
  return stage.sandbox.api.store;
}

/** The image of a Deployment, as `kubectl set image` writes it. */
function setImage(stage: FaultStage, name: string, image: string): void {
  const live = store(stage).get(deploymentRef(name));
  const text = JSON.stringify(live).replaceAll(/"image":"[^"]+"/g, `"image":"${image}"`);
  const { spec } = JSON.parse(text) as JsonObject;
  if (spec === undefined) throw new Error(`${name} has no spec`);
  store(stage).patch(deploymentRef(name), { spec }, { manager: "kubectl-edit" });
}

/** Rows whose rollout goes on to be promoted. */
const MENDED: readonly Row[] = [
  {
    app: "primary-edited",
    does: (stage) => setImage(stage, "primary-edited-primary", "registry.example/primary-edited:6.6.6"),
    mended: (stage) => tagOf(stage.sandbox, "primary-edited-primary") === "1.0.0",
    felt: true,
  },
  {
    app: "primary-deleted",
    does: (stage) => store(stage).remove(deploymentRef("primary-deleted-primary")),
    mended: (stage) => tagOf(stage.sandbox, "primary-deleted-primary") === "1.0.0",
    felt: true,
  },
  {
    app: "service-deleted",
    does: (stage) => store(stage).remove(serviceRef("service-deleted-canary")),
    mended: (stage) => store(stage).get(serviceRef("service-deleted-canary")) !== undefined,
    felt: true,
  },
  {
    app: "apex-edited",
    does: (stage) =>
      void store(stage).patch(serviceRef("apex-edited"), { spec: { selector: { app: "nobody" } } }, {
        manager: "kubectl-edit",
      }),
    mended: (stage) => selectorOf(stage, "apex-edited") === "apex-edited-primary",
    felt: true,
  },
  {
    app: "route-edited",
    does: (stage) => {
      const live = JSON.stringify(routeOf(stage.sandbox, "route-edited"));
      const { spec } = JSON.parse(live.replaceAll('"weight":50', '"weight":1')) as JsonObject;
      if (spec === undefined) throw new Error("the route has no spec");
      store(stage).patch(routeRef("route-edited"), { spec }, { manager: "kubectl-edit" });
    },
    mended: (stage) => weightOf(stage.sandbox, "route-edited") === 50,
    felt: false,
  },
  {
    app: "route-deleted",
    does: (stage) => store(stage).remove(routeRef("route-deleted")),
    mended: (stage) => weightOf(stage.sandbox, "route-deleted") === 50,
    felt: true,
  },
];

function selectorOf(stage: FaultStage, name: string): unknown {
  const selector = store(stage).get(serviceRef(name))?.spec?.["selector"];
  return typeof selector === "object" && selector !== null && "app" in selector ? selector["app"] : undefined;
}

/** The target is what was analysed: touched, it is no longer. */
const TARGETS: readonly { readonly app: string; readonly does: (stage: FaultStage) => void; readonly says: RegExp }[] =
  [
    {
      app: "target-edited",
      does: (stage) => setImage(stage, "target-edited", "registry.example/target-edited:6.6.6-bad"),
      says: /The live target is no longer what was analysed/,
    },
    {
      app: "target-deleted",
      does: (stage) => store(stage).remove(deploymentRef("target-deleted")),
      says: /The target was deleted/,
    },
  ];

Deno.test("objects edited and deleted by hand in the middle of a rollout", async (t) => {
  const names = [...MENDED, ...TARGETS].map(({ app }) => app);
  await withFaults({ apps: (hooks) => names.map((name) => gated(name, hooks)) }, async (stage) => {
    const loads = new Map(names.map((name) => [name, usersOf(stage, name)]));
    await holdAtHalf(stage, "2.0.0", ...names);
    for (const { does } of [...MENDED, ...TARGETS]) does(stage);
    for (const row of MENDED) await t.step(row.app, () => mended(stage, row));
    for (const { app, says } of TARGETS) {
      await t.step(app, async () => {
        await until("it was said", () => told(stage, app, "restarted").some((message) => says.test(message)));
        // It is what Git declares again, and analysed again from weight 0, before it gets a share.
        await stage.of(app).see("at half again", ({ phase, weight }) => phase === "waiting-promotion" && weight === 50);
        strictEqual(tagOf(stage.sandbox, app), "2.0.0");
        openGate(stage, app);
        await ends(stage, app);
      });
    }
    for (const [name, load] of loads) {
      // What is put on the target by hand has its pods' share until the agent has seen it.
      const felt = MENDED.find(({ app }) => app === name)?.felt ?? true;
      await t.step(`users of ${name}`, () => noticed(load, "2.0.0", felt));
    }
  });
});

async function mended(stage: FaultStage, row: Row): Promise<void> {
  await until("it is put right", () => row.mended(stage));
  strictEqual(stage.of(row.app).view()?.phase, "waiting-promotion", "the rollout goes on");
  openGate(stage, row.app);
  await ends(stage, row.app);
}

async function ends(stage: FaultStage, name: string): Promise<void> {
  await stage.of(name).see("promoted", promoted("2.0.0"));
  deepStrictEqual((await decisionsOf(stage.sandbox, name)).slice(1), [`Promote demo/${name} to ${name}:2.0.0`]);
  await rests(stage.sandbox, name, "2.0.0");
}

/** Users may have noticed what a hand did, for a moment; now all of them are answered by the right release. */
async function noticed(load: Load, tag: string, felt: boolean): Promise<void> {
  const from = load.log.length;
  await until("requests go on", () => load.log.length > from + 25);
  await load.stop();
  const last = load.log.slice(-20);
  deepStrictEqual([...new Set(last.map(({ version, status }) => `${version} ${status}`))], [`${tag} 200`]);
  const lost = load.log.filter(({ status }) => status !== 200).length;
  if (!felt) strictEqual(lost, 0);
  ok(lost < load.log.length / 4, `${lost} of ${load.log.length} requests were lost`);
}

Deno.test("objects edited and deleted by hand while a canary is idle", async (t) => {
  await withFaults({ apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const { sandbox } = stage;
    const load = usersOf(stage, "shop");
    await t.step("the route's weight, the primary's image, the apex, the target's replicas", async () => {
      const live = JSON.stringify(routeOf(sandbox, "shop"));
      match(live, /"weight":100/);
      const { spec } = JSON.parse(live.replace('"weight":100', '"weight":60').replace('"weight":0', '"weight":40'));
      store(stage).patch(routeRef("shop"), { spec }, { manager: "kubectl-edit" });
      store(stage).patch(deploymentRef("shop"), { spec: { replicas: 2 } }, { manager: "kubectl-scale" });
      await until("the route is put right", () => weightOf(sandbox, "shop") === 0);
      await rests(sandbox, "shop", "1.0.0");
      setImage(stage, "shop-primary", "registry.example/shop:6.6.6");
      await until("the primary is put right", () => tagOf(sandbox, "shop-primary") === "1.0.0");
      store(stage).patch(serviceRef("shop"), { spec: { selector: { app: "nobody" } } }, { manager: "kubectl-edit" });
      await until("the apex is put right", () => selectorOf(stage, "shop") === "shop-primary");
    });
    await t.step("a forgotten state: the canary is idle on the same lock again", async () => {
      store(stage).remove(ref("v1", "ConfigMap")("serin-shop"));
      await until("it is written again", () => store(stage).get(ref("v1", "ConfigMap")("serin-shop")) !== undefined);
      await stage.of("shop").see("idle", ({ phase, lockImages }) => phase === "idle" && lockImages.length === 1);
      strictEqual((await decisionsOf(sandbox, "shop")).length, 1);
    });
    await noticed(load, "1.0.0", true);
  });
});
