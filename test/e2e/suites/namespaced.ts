/**
 * An installation for one namespace: Roles there instead of ClusterRoles, as `deploy/render.ts` makes them. It gets the
 * canaries that need most rights: one with an autoscaler, a ConfigMap and a Secret on Gateway API, and Flagger's Canary
 * on Istio, whose routes are written though no proxy reads them. What the agent makes is written by somebody else at the
 * same time, so that it has to read again; in the end all of it goes.
 */
import { ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { type KubeObject, type ObjectRef, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST } from "../../../src/demo/stage.ts";
import { objectsIn } from "../../support/rbac.ts";
import { until } from "../../support/until.ts";
import { askedByAgent } from "../audit.ts";
import { fleetFiles } from "../fleet.ts";
import type { ControlPlane } from "../servers/control_plane.ts";
import { served } from "../shares.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

const LOAD_PER_SECOND = 40;
const CANARY_FILE = "apps/podinfo/canary.yaml";
const MESH = "mesh";
const MESH_MANIFEST = "apps/mesh/deployment.yaml";
const FILES = ["canary.yaml", "deployment.yaml"];
const OTHER = "elsewhere";
const ISTIO_KINDS = [
  "virtualservices.networking.istio.io",
  "destinationrules.networking.istio.io",
  "sidecars.networking.istio.io",
  "authorizationpolicies.security.istio.io",
  "peerauthentications.security.istio.io",
  "requestauthentications.security.istio.io",
];

export const namespaced: Suite = {
  name: "namespaced",
  about: "an installation for one namespace, with every right of its roles",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus", "router-crds"],
  async run(run) {
    const text = await Deno.readTextFile(run.programs.get("istio-crds.yaml") ?? "istio-crds.yaml");
    const kinds = objectsIn(text).filter(({ metadata }) => ISTIO_KINDS.includes(metadata.name));
    const world = await openWorld(run, {
      files: await files(),
      engine: "self",
      rights: [...RIGHTS, "router_istio", "secrets_copy"],
      onlyNamespaces: [CANARY.namespace],
      namespaces: [OTHER],
      kinds,
      prepare: async (plane) => {
        await plane.cluster.apply(LOGIN);
        // The application on Istio serves already: what selects its pods is looked through before it is adopted.
        const { [MESH_MANIFEST]: mesh = "" } = await files();
        for (const object of objectsIn(`${canaryText(MESH)}---\n${mesh}`)) await plane.cluster.apply(object);
      },
    });
    try {
      await stories(run, world);
    } finally {
      await world.close();
    }
  },
};

const LOGIN: KubeObject = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "login", namespace: CANARY.namespace },
  data: { password: btoa("correct horse") },
};

const SCALER = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: podinfo, namespace: ${CANARY.namespace} }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: podinfo }
  minReplicas: 1
  maxReplicas: 3
`;

function canaryText(name: string): string {
  return `apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: ${name}
  namespace: ${CANARY.namespace}
  annotations: { serin.dev/promotion.settle: 1s }
spec:
  provider: istio
  revertOnDeletion: true
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: ${name} }
  service: { port: 80, targetPort: 9898, hosts: [${name}.example.com] }
  analysis: { interval: 10s, threshold: 2, stepWeight: 50, maxWeight: 50 }
`;
}

async function files(): Promise<Readonly<Record<string, string>>> {
  const found = { ...await fleetFiles() };
  const changed = (file: string, from: string, to: string): void => {
    const text = found[file] ?? "";
    ok(text.includes(from), `${file} has no "${from.trim()}"`);
    found[file] = text.replace(from, to);
  };
  const scaler = "{ apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo }";
  changed(CANARY_FILE, "  service:\n", `  revertOnDeletion: true\n  autoscalerRef: ${scaler}\n  service:\n`);
  changed(
    MANIFEST,
    "          env:\n",
    "          envFrom:\n            - secretRef:\n                name: login\n          env:\n",
  );
  const mesh = (found[MANIFEST] ?? "").replaceAll("name: podinfo", `name: ${MESH}`).replaceAll(
    "app: podinfo",
    `app: ${MESH}`,
  )
    .replace(/ {10}envFrom:[\s\S]*$/, "");
  // What belongs to another namespace belongs to another agent.
  const elsewhere = [CANARY_FILE, MANIFEST].map((file) =>
    [file.replace("podinfo", OTHER), (found[file] ?? "").replaceAll("namespace: demo", `namespace: ${OTHER}`)] as const
  );
  return {
    ...found,
    ...Object.fromEntries(elsewhere),
    "apps/podinfo/scaler.yaml": SCALER,
    [MESH_MANIFEST]: mesh,
    "apps/mesh/notes.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: notes, namespace: demo }\n",
    "apps/mesh/canary.yaml": canaryText(MESH),
  };
}

async function stories({ checks }: Run, world: World): Promise<void> {
  await checks.check("the first start makes primaries and commits the locks", async () => {
    await world.see("podinfo initialised", (view) => view.phase === "idle" && view.last?.outcome === "initialised");
    await world.seeOf(
      MESH,
      "mesh initialised",
      (view) => view.phase === "idle" && view.last?.outcome === "initialised",
    );
  });
  const load = world.load(LOAD_PER_SECOND);
  await machineClock.sleep(3_000);
  await checks.check("a good bump is promoted, a bad one reverted", async () => {
    await world.clone.bump(MANIFEST, { from: ":6.0.0", to: ":6.0.1", message: "Bump podinfo to 6.0.1" });
    await world.see("promoted", (view) => view.phase === "idle" && view.last?.outcome === "succeeded");
    await world.clone.bump(MANIFEST, { from: ":6.0.1", to: ":6.0.2-bad", message: "Bump podinfo to 6.0.2-bad" });
    await world.see("reverted", (view) => view.phase === "idle" && view.last?.outcome === "failed");
  });
  await load.stop();
  await checks.check("no request was lost, and only the bad version failed", () => {
    const all = served(load.log);
    strictEqual(all.lost.length, 0);
    strictEqual(load.log.filter(({ status, version }) => status >= 500 && version !== "6.0.2-bad").length, 0);
    return `${all.requests} requests`;
  });
  for (const one of CONTESTED) {
    await checks.check(
      `${one.kind} ${one.name}: written by somebody else as well, it is read again and put right`,
      () => contested(world, one),
    );
  }
  await checks.check("what left Git goes, and nothing that was made for it stays", () => removed(world));
  await checks.check("nothing was asked for outside of the namespace", async () => {
    const asked = await askedByAgent(world.plane.auditLog);
    const own = [CANARY.namespace, "serin", "kube-system"];
    const outside = asked.filter(({ namespace }) => namespace === null || !own.includes(namespace));
    strictEqual(outside.length, 0, JSON.stringify(outside.slice(0, 3)));
    return `${asked.length} requests`;
  });
}

/** How often the agent has read one object since a moment. */
async function readsOf(
  world: World,
  { resource, name }: { readonly resource: string; readonly name: string },
  fromMs: number,
): Promise<number> {
  const asked = await askedByAgent(world.plane.auditLog);
  return asked.filter((one) =>
    one.verb === "get" && one.resource === resource && one.name === name && one.atMs >= fromMs
  ).length;
}

interface Contested extends ObjectRef {
  readonly resource: string;
  /** What somebody sets it to, as a merge patch. */
  readonly change: Readonly<Record<string, unknown>>;
  /** Changed after it: the agent puts an autoscaler right along with its workload. */
  readonly then?: { readonly ref: ObjectRef; readonly change: Readonly<Record<string, unknown>> };
  /** Whether it is as the agent wants it again. */
  readonly isRight: (object: KubeObject | undefined) => boolean;
}

const IN = { namespace: CANARY.namespace };

const PRIMARY: ObjectRef = { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo-primary", ...IN };
const OTHER_PORT = { spec: { template: { metadata: { annotations: { "prometheus.io/port": "1" } } } } };

const CONTESTED: readonly Contested[] = [
  {
    apiVersion: "v1",
    kind: "Service",
    name: "podinfo",
    resource: "services",
    ...IN,
    change: { spec: { selector: { app: "nobody" } } },
    isRight: (object) => stringAt(object, "spec", "selector", "app") === "podinfo-primary",
  },
  {
    ...PRIMARY,
    resource: "deployments",
    change: OTHER_PORT,
    isRight: (object) =>
      stringAt(object, "spec", "template", "metadata", "annotations", "prometheus.io/port") === "9898",
  },
  {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    name: "podinfo-primary",
    resource: "horizontalpodautoscalers",
    ...IN,
    change: { spec: { maxReplicas: 7 } },
    then: { ref: PRIMARY, change: OTHER_PORT },
    isRight: (object) => object?.spec?.["maxReplicas"] === 3,
  },
  {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    name: "podinfo",
    resource: "httproutes",
    ...IN,
    change: { spec: { hostnames: ["nobody.example.com"] } },
    isRight: (object) => JSON.stringify(object?.spec?.["hostnames"]) === '["podinfo.example.com"]',
  },
  {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    name: MESH,
    resource: "virtualservices",
    ...IN,
    change: { spec: { hosts: ["nobody.example.com"] } },
    isRight: (object) => JSON.stringify(object?.spec?.["hosts"]).includes(`${MESH}.example.com`),
  },
  {
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    name: `${MESH}-primary`,
    resource: "destinationrules",
    ...IN,
    change: { spec: { host: "nobody" } },
    isRight: (object) => stringAt(object, "spec", "host") === `${MESH}-primary`,
  },
];

const CONTEST_MS = 60_000;
/** Between two writes of a label: shorter than the time from a watch's event to the agent's write. */
const BETWEEN_MS = 4;

/** Writes it until the agent has met a conflict and read the object again; then it must put it right. */
async function contested(world: World, one: Contested): Promise<string> {
  const { plane } = world;
  const fromMs = machineClock.now();
  let writes = 0;
  const endMs = fromMs + CONTEST_MS;
  while (await readsOf(world, one, fromMs) === 0) {
    if (machineClock.now() > endMs) throw new Error(`the agent never met a conflict in ${writes} writes`);
    await somebodyWrites(plane, one, one.change);
    if (one.then !== undefined) await somebodyWrites(plane, one.then.ref, one.then.change);
    // Labels are nobody's decision: the agent may write over them, but not on a version of before.
    for (let count = 0; count < 50; count++) {
      writes++;
      await somebodyWrites(plane, one, { metadata: { labels: { "example.com/touched": String(writes) } } });
      await machineClock.sleep(BETWEEN_MS);
    }
  }
  // What it had put right before the last word of somebody's, it looks at once more with the same reason as before.
  if (one.then !== undefined) await somebodyWrites(plane, one.then.ref, one.then.change);
  await until("it is right again", async () => one.isRight(await plane.cluster.live(one)), 30_000);
  return `read again after ${writes} writes of somebody else`;
}

async function somebodyWrites(
  plane: ControlPlane,
  ref: ObjectRef,
  patch: Readonly<Record<string, unknown>>,
): Promise<void> {
  await plane.cluster.patch(
    { apiVersion: ref.apiVersion, kind: ref.kind, name: ref.name, ...IN },
    JSON.parse(JSON.stringify(patch)),
  );
}

/** Both applications leave Git, and then, as an engine would see to it, their Deployments the cluster. */
async function removed(world: World): Promise<void> {
  const { plane, clone } = world;
  await clone.pull();
  // A folder without any manifest may be a mistake: one stays in each.
  await clone.git("rm", "--quiet", ...["podinfo", MESH].flatMap((name) => FILES.map((file) => `apps/${name}/${file}`)));
  const person = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];
  await clone.git(...person, "commit", "--quiet", "--message", "Remove the applications");
  await clone.git("push", "--quiet", "origin", "HEAD:main");
  await until("the removal waits to be confirmed", async () => {
    const view = await world.agent.canary(CANARY.namespace, CANARY.name);
    return JSON.stringify(view ?? {}).includes("Many canaries went from Git");
  }, 30_000);
  for (const name of [CANARY.name, MESH]) {
    await plane.cluster.remove({ apiVersion: "apps/v1", kind: "Deployment", name, ...IN });
  }
  strictEqual(await world.agent.confirmRemoval(), 200);
  const kinds = [
    ["v1", "Service"],
    ["v1", "Secret"],
    ["v1", "ConfigMap"],
    ["apps/v1", "Deployment"],
    ["autoscaling/v2", "HorizontalPodAutoscaler"],
    ["gateway.networking.k8s.io/v1", "HTTPRoute"],
    ["networking.istio.io/v1", "VirtualService"],
    ["networking.istio.io/v1", "DestinationRule"],
  ] as const;
  let left: readonly string[] = [];
  await until("nothing derived is left", async () => {
    const lists = await Promise.all(
      kinds.map(([apiVersion, kind]) => plane.cluster.list({ apiVersion, kind, ...IN })),
    );
    left = lists.flat().filter(({ metadata }) => metadata.labels?.["app.kubernetes.io/managed-by"] === "serin").map((
      object,
    ) => `${object.kind}/${object.metadata.name}`);
    return left.length === 0;
  }, 60_000).catch((error) => {
    throw new Error(`${error instanceof Error ? error.message : error}: ${left.join(", ")}`);
  });
}
