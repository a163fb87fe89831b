/** The controllers over a store without HTTP, with pods that are scripted by their image and a clock moved by hand. */
import assert from "node:assert/strict";
import { type KubeObject, listAt, numberAt, objectAt, stringAt } from "../../core/kube_object.ts";
import { ManualClock } from "../../../test/support/manual_clock.ts";
import { Cluster } from "../api/cluster.ts";
import { ScriptedRuntime } from "../../../test/support/scripted_runtime.ts";
import { type Controllers, startControllers } from "./mod.ts";
import { conditionOf, isReady } from "./owned.ts";

interface World {
  readonly clock: ManualClock;
  readonly cluster: Cluster;
  readonly controllers: Controllers;
  readonly runtime: ScriptedRuntime;
}

const ref = { apiVersion: "apps/v1", kind: "Deployment", namespace: "default", name: "shop" };

function shop(spec: Readonly<Record<string, number | boolean>> = {}, image = "app:1"): KubeObject {
  const labels = { app: "shop" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop", namespace: "default" },
    spec: {
      replicas: 4,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "app", image, ports: [{ containerPort: 80 }] }] },
      },
      ...spec,
    },
  };
}

function image(name: string) {
  return {
    spec: { template: { spec: { containers: [{ name: "app", image: name, ports: [{ containerPort: 80 }] }] } } },
  };
}

/** Runs a story in a world of its own. Real I/O (hashing) is waited for between steps of the clock. */
function story(name: string, body: (world: World) => Promise<void>): void {
  Deno.test(name, async () => {
    const clock = new ManualClock();
    const cluster = new Cluster(clock);
    const runtime = new ScriptedRuntime(clock);
    const controllers = startControllers({ api: { cluster }, clock, runtime });
    try {
      await body({ clock, cluster, controllers, runtime });
    } finally {
      await controllers.stop();
    }
  });
}

/** Lets everything that is due happen, then moves time on, until the condition holds. */
async function eventually(world: World, what: string, holds: () => boolean, withinMs = 60_000): Promise<void> {
  for (let waitedMs = 0; waitedMs <= withinMs; waitedMs += 250) {
    for (let step = 0; step < 20; step++) {
      await new Promise((resolve) => step < 15 ? setImmediate(resolve) : setTimeout(resolve, 1));
      if (holds()) return;
    }
    await world.clock.advance(250);
  }
  assert.fail(`Not so within ${withinMs} ms of the world's time: ${what}`);
}

const deployment = ({ cluster }: World) => cluster.direct.get(ref);
const pods = ({ cluster }: World) => cluster.direct.list("v1", "Pod", "default");
const status = (world: World, field: string) => numberAt(deployment(world), "status", field) ?? 0;
const reasonOf = (object: KubeObject | undefined, type: string) =>
  object === undefined ? undefined : stringAt(conditionOf(object, type), "reason");

async function settled(world: World, replicas: number): Promise<void> {
  await eventually(
    world,
    `${replicas} replicas are available`,
    () =>
      status(world, "availableReplicas") === replicas && status(world, "updatedReplicas") === replicas &&
      pods(world).length === replicas,
  );
}

story("a Deployment gets its pods, status and conditions", async (world) => {
  world.cluster.direct.create(shop());
  await settled(world, 4);
  assert.equal(reasonOf(deployment(world), "Available"), "MinimumReplicasAvailable");
  assert.equal(reasonOf(deployment(world), "Progressing"), "NewReplicaSetAvailable");
  assert.equal(deployment(world)?.metadata.annotations?.["deployment.kubernetes.io/revision"], "1");
  assert.equal(numberAt(deployment(world), "status", "observedGeneration"), deployment(world)?.metadata.generation);
  const [pod] = pods(world);
  assert.equal(stringAt(pod, "status", "podIP"), "127.0.0.1");
  assert.match(pod?.metadata.annotations?.["sandbox.serin.dev/port"] ?? "", /^9\d{3}$/);
  assert.match(stringAt(listAt(pod, "status", "containerStatuses")[0], "imageID") ?? "", /^app@sha256:[0-9a-f]{64}$/);
});

story("a rolling update keeps to maxSurge and maxUnavailable all the way", async (world) => {
  world.cluster.direct.create(shop());
  await settled(world, 4);
  let most = 0;
  let least = 99;
  world.cluster.direct.watch(() => {
    const alive = pods(world).filter((pod) => pod.metadata.deletionTimestamp === undefined);
    most = Math.max(most, alive.length);
    least = Math.min(least, alive.filter(isReady).length);
  });
  world.cluster.direct.patch(ref, image("app:slow"));
  await settled(world, 4);
  assert.equal(most, 5);
  assert.equal(least, 3);
  assert.deepEqual([...new Set(pods(world).map((pod) => stringAt(listAt(pod, "spec", "containers")[0], "image")))], [
    "app:slow",
  ]);
  assert.equal(world.cluster.direct.list("apps/v1", "ReplicaSet").length, 2);
});

story("a paused Deployment starts no pod from a new template, scales, and goes on when resumed", async (world) => {
  world.cluster.direct.create(shop());
  await settled(world, 4);
  world.cluster.direct.patch(ref, { spec: { paused: true } });
  world.cluster.direct.patch(ref, image("app:2"));
  await eventually(
    world,
    "the pause is observed",
    () => reasonOf(deployment(world), "Progressing") === "DeploymentPaused",
  );
  world.cluster.direct.patch(ref, { spec: { replicas: 6 } });
  await eventually(world, "six pods run", () => status(world, "availableReplicas") === 6);
  assert.ok(world.runtime.started.every((one) => one.endsWith("app:1")));
  world.cluster.direct.patch(ref, { spec: { paused: false } });
  await settled(world, 6);
  assert.ok(pods(world).every((pod) => stringAt(listAt(pod, "spec", "containers")[0], "image") === "app:2"));
});

story("a rollout whose pods never get ready passes its deadline and keeps the old pods serving", async (world) => {
  world.cluster.direct.create(shop({ progressDeadlineSeconds: 20 }));
  await settled(world, 4);
  world.cluster.direct.patch(ref, image("app:never"));
  await eventually(
    world,
    "the deadline is over",
    () => reasonOf(deployment(world), "Progressing") === "ProgressDeadlineExceeded",
  );
  assert.equal(stringAt(conditionOf(deployment(world) ?? shop(), "Progressing"), "status"), "False");
  assert.equal(status(world, "availableReplicas"), 3);
  world.cluster.direct.patch(ref, image("app:1"));
  await settled(world, 4);
  assert.equal(deployment(world)?.metadata.annotations?.["deployment.kubernetes.io/revision"], "3");
});

story("zero replicas end all pods, and a later scale-up starts them again", async (world) => {
  world.cluster.direct.create(shop({ replicas: 2 }));
  await settled(world, 2);
  world.cluster.direct.patch(ref, { spec: { replicas: 0 } });
  await eventually(world, "no pod is left", () => pods(world).length === 0 && status(world, "replicas") === 0);
  world.cluster.direct.patch(ref, { spec: { replicas: 3 } });
  await settled(world, 3);
});

story("minReadySeconds holds availability back", async (world) => {
  world.cluster.direct.create(shop({ replicas: 1, minReadySeconds: 10 }));
  await eventually(world, "the pod is ready", () => status(world, "readyReplicas") === 1);
  assert.equal(status(world, "availableReplicas"), 0);
  const readyAtMs = world.clock.now();
  await settled(world, 1);
  assert.ok(world.clock.now() - readyAtMs >= 8_000);
});

story("a container that crashes is counted, is not ready, and is started again", async (world) => {
  world.cluster.direct.create(shop({ replicas: 1 }, "app:crash"));
  const restarts = () => numberAt(listAt(pods(world)[0], "status", "containerStatuses")[0], "restartCount") ?? 0;
  await eventually(world, "it crashed three times", () => restarts() >= 3);
  assert.equal(pods(world).length, 1);
});

story("an EndpointSlice follows the ready pods of a Service", async (world) => {
  world.cluster.direct.create({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "shop", namespace: "default" },
    spec: { selector: { app: "shop" }, ports: [{ name: "http", port: 80, targetPort: 80 }] },
  });
  world.cluster.direct.create(shop({ replicas: 2 }));
  await settled(world, 2);
  const ready = () =>
    world.cluster.direct.list("discovery.k8s.io/v1", "EndpointSlice")
      .flatMap((slice) => listAt({ ...slice }, "endpoints"))
      .filter((one) => objectAt(one, "conditions")["ready"] === true).length;
  await eventually(world, "two endpoints are ready", () => ready() === 2);
  world.cluster.direct.patch(ref, { spec: { replicas: 1 } });
  await eventually(world, "one endpoint is left", () => ready() === 1);
  world.cluster.direct.remove({ apiVersion: "v1", kind: "Service", namespace: "default", name: "shop" });
  await eventually(
    world,
    "the slice is gone",
    () => world.cluster.direct.list("discovery.k8s.io/v1", "EndpointSlice").length === 0,
  );
});

story("an autoscaler raises to its minimum, lowers to its maximum, and leaves zero alone", async (world) => {
  world.cluster.direct.create(shop({ replicas: 1 }));
  world.cluster.direct.create({
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "shop", namespace: "default" },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" },
      minReplicas: 2,
      maxReplicas: 3,
    },
  });
  const scaler = () => world.cluster.direct.list("autoscaling/v2", "HorizontalPodAutoscaler")[0];
  await settled(world, 2);
  world.cluster.direct.patch(ref, { spec: { replicas: 9 } });
  await settled(world, 3);
  world.cluster.direct.patch(ref, { spec: { replicas: 0 } });
  await eventually(world, "scaling is disabled", () => reasonOf(scaler(), "ScalingActive") === "ScalingDisabled");
  assert.equal(numberAt(deployment(world), "spec", "replicas"), 0);
});

for (const policy of ["Background", "Foreground", "Orphan"] as const) {
  story(`deleting a Deployment with propagation ${policy}`, async (world) => {
    world.cluster.direct.create(shop({ replicas: 2 }));
    await settled(world, 2);
    world.cluster.direct.remove(ref, { propagationPolicy: policy });
    await eventually(world, "the Deployment is gone", () => deployment(world) === undefined);
    if (policy === "Foreground") assert.equal(pods(world).length, 0);
    const left = policy === "Orphan" ? 2 : 0;
    await eventually(world, `${left} pods are left`, () => pods(world).length === left);
    assert.equal(world.cluster.direct.list("apps/v1", "ReplicaSet").length, policy === "Orphan" ? 1 : 0);
  });
}

story("a namespace goes with all that is in it", async (world) => {
  const namespace = { apiVersion: "v1", kind: "Namespace", name: "prod" };
  world.cluster.direct.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "prod" } });
  world.cluster.direct.create({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "c", namespace: "prod" },
    data: { a: "1" },
  });
  world.cluster.direct.remove(namespace);
  await eventually(world, "the namespace is gone", () => world.cluster.direct.get(namespace) === undefined);
  assert.equal(world.cluster.direct.list("v1", "ConfigMap", "prod").length, 0);
});

story("a route is accepted at its generation, refused when told so, and not spoken of on hold", async (world) => {
  const route = { apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", namespace: "default", name: "shop" };
  const { apiVersion, kind } = route;
  world.cluster.direct.create({
    apiVersion,
    kind: "Gateway",
    metadata: { name: "gw", namespace: "default" },
    spec: { gatewayClassName: "x", listeners: [{ name: "http", port: 80, protocol: "HTTP" }] },
  });
  world.cluster.direct.create({
    apiVersion,
    kind,
    metadata: { name: "shop", namespace: "default" },
    spec: { parentRefs: [{ name: "gw" }], rules: [{ backendRefs: [{ name: "shop", port: 80 }] }] },
  });
  const said = (type: string) =>
    listAt(listAt(world.cluster.direct.get(route), "status", "parents")[0], "conditions").find((one) =>
      stringAt(one, "type") === type
    );
  await eventually(world, "the route is accepted", () => stringAt(said("Accepted"), "status") === "True");
  assert.equal(stringAt(said("ResolvedRefs"), "reason"), "BackendNotFound");
  world.controllers.gateway.mode = "hold";
  world.cluster.direct.patch(route, { spec: { hostnames: ["shop.example"] } });
  await world.clock.advance(5_000);
  assert.equal(numberAt(said("Accepted"), "observedGeneration"), 1);
  world.controllers.gateway.mode = "refuse";
  world.cluster.direct.patch(route, { spec: { hostnames: ["shop.test"] } });
  await eventually(world, "the route is refused", () => stringAt(said("Accepted"), "status") === "False");
  assert.equal(numberAt(said("Accepted"), "observedGeneration"), 3);
});
