/** What every engine must do, run over the table; and how Flux's and Argo CD's status is read. */
import assert from "node:assert/strict";
import { detectEngine, engineFor, engines, fluxSourceOf } from "../../adapters/engines/mod.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  numberAt,
  objectAt,
} from "../../src/core/kube_object.ts";
import type { EngineAdapter } from "../../src/ports/engine.ts";
import { aDeployment, frozen } from "../support/builders.ts";
import { adapterFiles } from "../support/adapter_files.ts";

const COMMIT = "a".repeat(40);

/** JSON merge patch (RFC 7386). */
function patched(object: KubeObject, patch: JsonObject): KubeObject {
  return frozen(merge(JSON.parse(JSON.stringify(object)), patch) as unknown as KubeObject);
}

function merge(live: Json | undefined, patch: Json): Json {
  if (!isJsonObject(patch)) return patch;
  const result: Record<string, Json> = { ...(isJsonObject(live) ? live : {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

const target = frozen(aDeployment({ annotations: {}, replicas: 2 }));

for (const [name, engine] of engines) {
  Deno.test(`${name}: a fence can be put up, is ours, keeps scaling free, and comes off without a trace`, () => {
    const fence = engine.fence("shop/1");
    assert.equal(engine.ours(target), null);
    assert.equal(engine.fencedBy(target), null);
    assert.equal(fence === null, engine.applies, "who applies needs no fence, and only that one");
    if (fence === null) return;
    const fenced = patched(target, engine.fence("shop/1", target) ?? {});
    assert.deepEqual([engine.ours(fenced), engine.fencedBy(fenced)], [true, "shop/1"]);
    const other = patched(fenced, engine.fence("shop/2", fenced) ?? {});
    assert.deepEqual(engine.fencedBy(other), "shop/2");
    assert.deepEqual(
      patched(other, engine.unfence(other) ?? {}),
      target,
      "also one that a later rollout has taken over",
    );
    assert.equal(numberAt(fenced, "spec", "replicas"), 2);
    assert.deepEqual(objectAt(fenced, "spec", "template"), objectAt(target, "spec", "template"));
    assert.deepEqual(patched(fenced, engine.unfence(fenced) ?? {}), target);
  });

  Deno.test(`${name}: a refresh patches each owner once, with nothing but annotations`, () => {
    const owners = [{ apiVersion: "example.com/v1", kind: "Owner", namespace: "flux-system", name: "apps" }];
    const patches = engine.refresh(owners, "token-1");
    assert.deepEqual(patches.map(({ ref }) => ref), engine.applies ? [] : owners);
    for (const { patch } of patches) assert.deepEqual(Object.keys(objectAt(patch, "metadata")), ["annotations"]);
  });

  Deno.test(`${name}: without its object nothing counts as applied, unless the agent applies`, () => {
    assert.equal(engine.applied(COMMIT, []).type, engine.applies ? "applied" : "pending");
  });
}

Deno.test("the table of engines equals its folder", () => {
  assert.deepEqual([...new Set([...engines.values()].map(({ id }) => id))].sort(), adapterFiles("engines"));
});

function labelled(
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>> = {},
): KubeObject {
  return frozen(aDeployment({ labels, annotations }));
}

const BY_KUSTOMIZE = labelled({
  "kustomize.toolkit.fluxcd.io/name": "apps",
  "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
});
const BY_HELM = labelled({ "helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "prod" });
const BY_ARGO = labelled({}, { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/shop" });

Deno.test("detectEngine() goes by labels and annotations, and a Helm label alone is nobody's", () => {
  const owner = (object: KubeObject): string | undefined => {
    const [ref] = detectEngine(object)?.owner(object) ?? [];
    return ref === undefined ? undefined : `${ref.kind} ${ref.namespace}/${ref.name}`;
  };
  const instance = labelled({ "app.kubernetes.io/instance": "shop" });
  const byArgo: KubeObject = {
    ...instance,
    metadata: { ...instance.metadata, managedFields: [{ manager: "argocd-controller" }] },
  };
  assert.equal(owner(BY_KUSTOMIZE), "Kustomization flux-system/apps");
  assert.equal(owner(BY_HELM), "HelmRelease prod/shop");
  assert.equal(owner(BY_ARGO), "Application argocd/shop");
  assert.equal(
    owner(labelled({}, { "argocd.argoproj.io/tracking-id": "team-a_shop:apps/Deployment:prod/shop" })),
    "Application team-a/shop",
  );
  assert.equal(owner(byArgo), "Application argocd/shop");
  assert.equal(detectEngine(instance), null);
  assert.equal(engineFor(instance, null).id, "self");
  assert.equal(engineFor(BY_ARGO, "flux").id, "flux", "what is declared wins");
});

Deno.test("engineFor() gives a HelmRelease's target the fence that helm-controller does not undo", () => {
  for (const declared of [null, "flux"] as const) {
    assert.deepEqual(engineFor(BY_HELM, declared).fence("r")?.["spec"], { paused: true });
    assert.equal(
      engineFor(BY_KUSTOMIZE, declared).fence("r")?.["spec"],
      undefined,
      "a pause would keep a waiting Kustomization busy",
    );
  }
});

Deno.test("a fence that somebody else put up is not ours", () => {
  const disabled = labelled({}, { "kustomize.toolkit.fluxcd.io/reconcile": "disabled" });
  const paused = frozen(aDeployment({ spec: { paused: true } }));
  assert.equal(engines.get("flux")?.ours(disabled), false);
  assert.equal(engines.get("argocd")?.ours(paused), false);
  assert.equal(engines.get("flux-helm")?.ours(paused), false);
});

interface Row {
  readonly name: string;
  readonly object: JsonObject;
  readonly type: ReturnType<EngineAdapter["applied"]>["type"];
}

function checkRows(
  engine: EngineAdapter | undefined,
  base: Pick<KubeObject, "apiVersion" | "kind">,
  rows: readonly Row[],
): void {
  assert.ok(engine !== undefined);
  for (const { name, object, type } of rows) {
    const owner: KubeObject = {
      ...base,
      metadata: { name: "apps", namespace: "flux-system", generation: 2 },
      ...object,
    };
    const view = engine.applied(COMMIT, [frozen(owner)]);
    assert.equal(view.type, type, `${name}: ${view.message}`);
    assert.match(view.message, /apps/);
  }
}

Deno.test("flux: a Kustomization has applied a commit once it came to its health checks", () => {
  const ready = (status: string, reason: string, message = ""): Json => [{ type: "Ready", status, reason, message }];
  const mine = `main@sha1:${COMMIT}`;
  const older = `main@sha1:${"b".repeat(40)}`;
  const status = (lastAppliedRevision: string, lastAttemptedRevision: string, conditions: Json): JsonObject => ({
    status: { lastAppliedRevision, lastAttemptedRevision, conditions },
  });
  checkRows(engines.get("flux"), { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization" }, [
    { name: "applied", object: status(mine, mine, ready("True", "ReconciliationSucceeded")), type: "applied" },
    {
      name: "not fetched yet",
      object: status(older, older, ready("True", "ReconciliationSucceeded")),
      type: "pending",
    },
    { name: "health failed", object: status(older, mine, ready("False", "HealthCheckFailed")), type: "applied" },
    {
      name: "health running",
      object: status(older, mine, ready("Unknown", "Progressing", "Running health checks for revision")),
      type: "applied",
    },
    {
      name: "applying",
      object: status(older, mine, ready("Unknown", "Progressing", "Building manifests")),
      type: "pending",
    },
    { name: "build failed", object: status(older, mine, ready("False", "BuildFailed")), type: "failed" },
    { name: "build of another failed", object: status(older, older, ready("False", "BuildFailed")), type: "pending" },
    { name: "dependency", object: status(older, mine, ready("False", "DependencyNotReady")), type: "pending" },
    {
      name: "suspended",
      object: { spec: { suspend: true }, ...status(mine, mine, ready("True", "x")) },
      type: "suspended",
    },
    {
      name: "asked to reconcile since",
      object: {
        metadata: { name: "apps", annotations: { "reconcile.fluxcd.io/requestedAt": "2" } },
        ...status(mine, mine, ready("True", "ReconciliationSucceeded")),
      },
      type: "pending",
    },
    { name: "old form", object: status(`main/${COMMIT}`, "", []), type: "applied" },
    { name: "no status", object: {}, type: "pending" },
  ]);
});

Deno.test("flux-helm: a HelmRelease has applied its own generation", () => {
  const status = (observedGeneration: number, ...conditions: readonly Json[]): JsonObject => ({
    status: { observedGeneration, conditions },
  });
  const ready = (value: string, reason: string): Json => ({ type: "Ready", status: value, reason, message: "" });
  checkRows(engines.get("flux-helm"), { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease" }, [
    { name: "ready", object: status(2, ready("True", "UpgradeSucceeded")), type: "applied" },
    { name: "not seen", object: status(1, ready("True", "UpgradeSucceeded")), type: "pending" },
    { name: "failed", object: status(2, ready("False", "UpgradeFailed")), type: "failed" },
    { name: "running", object: status(2, ready("Unknown", "Progressing")), type: "pending" },
  ]);
});

Deno.test("argocd: an Application has applied a commit when its sync succeeded, or when nothing differed", () => {
  const operation = (phase: string, revision: string): JsonObject => ({
    status: { operationState: { phase, syncResult: { revision } } },
  });
  checkRows(engines.get("argocd"), { apiVersion: "argoproj.io/v1alpha1", kind: "Application" }, [
    { name: "synced", object: operation("Succeeded", COMMIT), type: "applied" },
    { name: "running", object: operation("Running", COMMIT), type: "pending" },
    { name: "failed", object: operation("Failed", COMMIT), type: "failed" },
    {
      name: "failed, and tried again",
      object: {
        status: {
          operationState: {
            phase: "Running",
            retryCount: 1,
            syncResult: { revision: COMMIT, resources: [{ status: "Synced" }, { status: "SyncFailed" }] },
          },
        },
      },
      type: "failed",
    },
    { name: "another", object: operation("Succeeded", "b".repeat(40)), type: "pending" },
    { name: "compared only", object: { status: { sync: { status: "Synced", revision: COMMIT } } }, type: "applied" },
    {
      name: "compared, differs",
      object: { status: { sync: { status: "OutOfSync", revision: COMMIT } } },
      type: "pending",
    },
    {
      name: "several sources",
      object: { status: { sync: { status: "Synced", revisions: ["x", COMMIT] } } },
      type: "applied",
    },
  ]);
});

Deno.test("flux: sources are refreshed before what they feed", () => {
  const kustomization: KubeObject = {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "apps", namespace: "flux-system" },
    spec: { sourceRef: { kind: "GitRepository", name: "fleet" } },
  };
  const source = fluxSourceOf(kustomization);
  assert.ok(source !== null);
  assert.equal(source.namespace, "flux-system");
  const [owner] = engines.get("flux")?.owner(BY_KUSTOMIZE) ?? [];
  assert.ok(owner !== undefined);
  const patches = engines.get("flux")?.refresh([owner, source], "token-1") ?? [];
  assert.deepEqual(patches.map(({ ref }) => ref.kind), ["GitRepository", "Kustomization"]);
  assert.deepEqual(patches[0]?.patch, { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": "token-1" } } });
});

const INVENTORY = [{ id: "prod_web_apps_Deployment", v: "v1" }, { id: "prod_settings__ConfigMap", v: "v1" }];

function kustomization(spec: JsonObject, status: JsonObject): KubeObject {
  const metadata = { name: "apps", namespace: "flux-system" };
  return { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization", metadata, spec, status };
}

for (
  const [name, spec, status, annotations, want] of [
    ["listed no more", { prune: true }, { inventory: { entries: INVENTORY } }, {}, true],
    ["nothing is listed", { prune: true }, { inventory: {} }, {}, true],
    [
      "still listed",
      { prune: true },
      {
        inventory: { entries: [...INVENTORY, { id: "prod_shop_apps_Deployment", v: "v1" }] },
      },
      {},
      false,
    ],
    ["no inventory was written yet", { prune: true }, {}, {}, false],
    ["it does not prune", { prune: false }, { inventory: {} }, {}, false],
    ["it is suspended", { prune: true, suspend: true }, { inventory: {} }, {}, false],
    ["this one is not to be pruned", { prune: true }, { inventory: {} }, {
      "kustomize.toolkit.fluxcd.io/prune": "Disabled",
    }, false],
  ] as const
) {
  Deno.test(`flux: an object left behind a fence is ${want ? "forgotten" : "not forgotten"}: ${name}`, () => {
    const object: KubeObject = {
      ...BY_KUSTOMIZE,
      metadata: { ...BY_KUSTOMIZE.metadata, namespace: "prod", name: "shop", annotations },
    };
    assert.equal(engines.get("flux")?.forgotten(frozen(object), [kustomization(spec, status)]), want);
  });
}

Deno.test("flux: what another Kustomization applied, or nobody, is not forgotten by this one", () => {
  const owner = kustomization({ prune: true }, { inventory: {} });
  const other = labelled({
    "kustomize.toolkit.fluxcd.io/name": "infra",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
  });
  for (const object of [other, labelled({})]) assert.equal(engines.get("flux")?.forgotten(object, [owner]), false);
  for (const id of ["argocd", "flux-helm", "self"]) {
    assert.equal(engines.get(id)?.forgotten(BY_KUSTOMIZE, [owner]), false, id);
  }
});

/** An Application whose last sync was to prune, and told this of the Deployment "prod/shop". */
function synced(status: string, prune = true): KubeObject {
  const resources = [{ group: "apps", kind: "Deployment", namespace: "prod", name: "shop", status }];
  const operationState = { phase: "Succeeded", operation: { sync: { prune } }, syncResult: { resources } };
  return { ...kustomization({}, { operationState }), kind: "Application" };
}

const SYNC_OPTIONS = "argocd.argoproj.io/sync-options";

function withOptions(options?: string): KubeObject {
  const annotations = options === undefined ? {} : { [SYNC_OPTIONS]: options };
  return frozen(aDeployment({ name: "shop", namespace: "prod", annotations }));
}

for (
  const [name, before, during] of [
    ["none before", undefined, "Prune=false"],
    ["others stay", "Replace=true, ServerSideApply=true", "Replace=true, ServerSideApply=true,Prune=false"],
    ["a user's own is the user's", "Validate=false, Prune=false", "Validate=false, Prune=false"],
  ] as const
) {
  Deno.test(`argocd: the fence keeps the target from being pruned, and its sync options come back: ${name}`, () => {
    const engine = engines.get("argocd");
    assert.ok(engine !== undefined);
    const live = withOptions(before);
    const fenced = patched(live, engine.fence("shop/1", live) ?? {});
    assert.equal(fenced.metadata.annotations?.[SYNC_OPTIONS], during);
    assert.deepEqual([engine.keeps(fenced), engine.keeps(live)], [true, before === during]);
    assert.deepEqual(patched(fenced, engine.unfence(fenced) ?? {}), live);
    const isOurs = before !== during;
    assert.equal(
      engine.forgotten(fenced, [synced("PruneSkipped")]),
      isOurs,
      "only what our option kept is ours to delete",
    );
  });
}

Deno.test("argocd: sync options that somebody sets under a fence stay, and are not fought over", () => {
  const engine = engines.get("argocd");
  assert.ok(engine !== undefined);
  const live = withOptions("Replace=true");
  const healed = patched(patched(live, engine.fence("shop/1", live) ?? {}), {
    metadata: { annotations: { [SYNC_OPTIONS]: "Replace=true" } },
  });
  assert.equal(engine.keeps(healed), false);
  assert.equal(engine.forgotten(healed, [synced("PruneSkipped")]), false);
  assert.equal(
    patched(healed, engine.fence("shop/2", healed) ?? {}).metadata.annotations?.[SYNC_OPTIONS],
    "Replace=true",
  );
  assert.deepEqual(patched(healed, engine.unfence(healed) ?? {}), live);
  const edited = patched(healed, { metadata: { annotations: { [SYNC_OPTIONS]: "Force=true" } } });
  assert.deepEqual(patched(edited, engine.unfence(edited) ?? {}), withOptions("Force=true"));
});

Deno.test("argocd: an object is given up once a sync that was to prune has passed it over", () => {
  const engine = engines.get("argocd");
  assert.ok(engine !== undefined);
  const live = withOptions();
  const fenced = patched(live, engine.fence("shop/1", live) ?? {});
  assert.equal(engine.forgotten(fenced, [synced("PruneSkipped")]), true);
  assert.equal(engine.forgotten(fenced, [synced("PruneSkipped", false)]), false, "it was not to prune at all");
  assert.equal(engine.forgotten(fenced, [synced("Synced")]), false, "it was applied");
  assert.equal(engine.forgotten(fenced, []), false);
  assert.equal(engine.forgotten(live, [synced("PruneSkipped")]), false, "no fence of ours is on it");
  const other: KubeObject = { ...fenced, metadata: { ...fenced.metadata, name: "web" } };
  assert.equal(engine.forgotten(other, [synced("PruneSkipped")]), false);
});

Deno.test("seen() gives the commits that an engine looked at, and nothing that is no commit", () => {
  const seen = (id: string, status: JsonObject): readonly string[] | undefined =>
    engines.get(id)?.seen([{ ...kustomization({}, status), kind: id === "flux" ? "Kustomization" : "Application" }]);
  assert.deepEqual(seen("flux", { lastAttemptedRevision: `main@sha1:${COMMIT}` }), [COMMIT]);
  assert.deepEqual(seen("flux", { lastAttemptedRevision: "6.0.1@sha256:cafe" }), []);
  assert.deepEqual(seen("argocd", { sync: { status: "OutOfSync", revision: COMMIT } }), [COMMIT]);
  assert.deepEqual(seen("argocd", { sync: { revisions: ["1.2.3", COMMIT] } }), [COMMIT]);
  for (const engine of engines.values()) assert.deepEqual(engine.seen([]), []);
});

Deno.test("argocd: what later sync waves hold waits for a paused target, and is named", () => {
  const target: KubeObject = { ...BY_ARGO, metadata: { ...BY_ARGO.metadata, namespace: "prod", name: "shop" } };
  const resource = (kind: string, name: string, syncWave?: number): JsonObject => ({
    kind,
    name,
    namespace: "prod",
    ...(syncWave === undefined ? {} : { syncWave }),
  });
  const told = (...resources: readonly JsonObject[]): string | null | undefined =>
    engines.get("argocd")?.holdsUp(target, [kustomization({}, { resources })]);
  const own = resource("Deployment", "shop", 1);
  assert.equal(told(own, resource("ConfigMap", "a"), resource("Job", "b", 1)), null);
  assert.equal(told(resource("Job", "b", 2)), null, "the target is not among them");
  assert.match(told(own, resource("Job", "b", 2)) ?? "", /syncs Job "b" in later sync waves/);
  const many = ["a", "b", "c", "d", "e"].map((name) => resource("Job", name, 2));
  assert.match(told(own, ...many) ?? "", /Job "a", Job "b", Job "c" and 2 more in later/);
});
