/**
 * Stand-ins for kustomize-controller and Argo CD in a sandbox: they take manifests from the tip of its Git server, apply
 * them under the real engines' field managers, and report as the real ones do. They do what the notes of trials with
 * the real engines say, and nothing else.
 */
import { parseAllDocuments } from "yaml";
import {
  at,
  isJsonObject,
  type JsonObject,
  type KubeObject,
  objectAt,
  refKey,
  refOf,
  stringAt,
} from "../../src/core/kube_object.ts";
import { runGit } from "../../src/demo/clone.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { machineClock } from "../../adapters/platform/clock.ts";

export interface FakeEngine {
  /** Looks at the tip by itself; off: only when asked by an annotation, or by `sync`. On unless told otherwise. */
  polls: boolean;
  /** Why every apply fails; null: none does. */
  failure: string | null;
  /** Refresh requests that were met, one a token. */
  readonly asked: readonly string[];
  /** Looks at the tip now, and applies it. */
  sync(): Promise<void>;
  stop(): Promise<void>;
}

const TICK_MS = 100;

interface Engine {
  readonly manager: string;
  /** Whether an object may be applied and pruned. */
  readonly touches: (live: KubeObject) => boolean;
  readonly mark: (object: KubeObject) => KubeObject;
  /** A token of a request that was not met yet, or null. */
  readonly request: () => string | null;
  readonly suspended: () => boolean;
  readonly report: (
    outcome: {
      readonly commit: string;
      readonly failure: string | null;
      readonly token: string | null;
      /** What it holds, after the last apply. */
      readonly inventory: readonly KubeObject[];
      /** What it was to prune, and must not: it holds that still. */
      readonly passedOver: readonly KubeObject[];
    },
  ) => void;
  /** Also looks at what is live between commits. */
  readonly heals: boolean;
}

/** A Kustomization "apps" over the whole repository, fed by a GitRepository "fleet". */
export function startFakeFlux(sandbox: Sandbox): FakeEngine {
  const { store } = sandbox.api;
  const namespace = "flux-system";
  const kustomization = {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    namespace,
    name: "apps",
  };
  const source = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository", namespace, name: "fleet" };
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  store.create({
    apiVersion: source.apiVersion,
    kind: source.kind,
    metadata: { name: source.name, namespace },
    spec: { url: sandbox.git.urlOf(REPOSITORY), interval: "1m" },
  });
  store.create({
    apiVersion: kustomization.apiVersion,
    kind: kustomization.kind,
    metadata: { name: kustomization.name, namespace },
    spec: { interval: "1m", path: "./apps", prune: true, sourceRef: { kind: source.kind, name: source.name } },
  });
  const disabled = (object: KubeObject) =>
    object.metadata.annotations?.["kustomize.toolkit.fluxcd.io/reconcile"]?.toLowerCase() === "disabled";
  return startEngine(sandbox, {
    manager: "kustomize-controller",
    touches: (live) => !disabled(live),
    mark: (object) =>
      labelled(object, {
        "kustomize.toolkit.fluxcd.io/name": kustomization.name,
        "kustomize.toolkit.fluxcd.io/namespace": namespace,
      }),
    request() {
      const owner = store.get(kustomization);
      const token = owner?.metadata.annotations?.["reconcile.fluxcd.io/requestedAt"] ?? null;
      return token === (stringAt(owner, "status", "lastHandledReconcileAt") ?? null) ? null : token;
    },
    suspended: () => at(store.get(kustomization), "spec", "suspend") === true,
    report({ commit, failure, token, inventory }) {
      const entries = inventory.map(({ apiVersion, kind, metadata }) => {
        const group = apiVersion.includes("/") ? apiVersion.split("/")[0] : "";
        return {
          id: `${metadata.namespace ?? ""}_${metadata.name}_${group}_${kind}`,
          v: apiVersion.split("/").at(-1) ?? "",
        };
      });
      const revision = `main@sha1:${commit}`;
      const ready = failure === null
        ? { status: "True", reason: "ReconciliationSucceeded", message: `Applied revision: ${revision}` }
        : { status: "False", reason: "ReconciliationFailed", message: failure };
      store.patchStatus(kustomization, {
        status: {
          observedGeneration: store.get(kustomization)?.metadata.generation ?? 1,
          lastAttemptedRevision: revision,
          inventory: { entries },
          ...(failure === null ? { lastAppliedRevision: revision } : {}),
          ...(token === null ? {} : { lastHandledReconcileAt: token }),
          conditions: [{ type: "Ready", ...ready, lastTransitionTime: new Date().toISOString() }],
        },
      });
    },
    heals: false,
  });
}

/** An Application "apps" with automated sync, self-heal and prune. */
export function startFakeArgo(sandbox: Sandbox): FakeEngine {
  const { store } = sandbox.api;
  const application = { apiVersion: "argoproj.io/v1alpha1", kind: "Application", namespace: "argocd", name: "apps" };
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "argocd" } });
  store.create({
    apiVersion: application.apiVersion,
    kind: application.kind,
    metadata: { name: application.name, namespace: application.namespace },
    spec: {
      project: "default",
      source: { repoURL: sandbox.git.urlOf(REPOSITORY), path: "apps", targetRevision: "main" },
      destination: { namespace: "demo", server: "https://kubernetes.default.svc" },
      syncPolicy: { automated: { prune: true, selfHeal: true } },
    },
  });
  return startEngine(sandbox, {
    manager: "argocd-controller",
    touches: () => true,
    mark: (object) => ({
      ...object,
      metadata: {
        ...object.metadata,
        annotations: {
          ...object.metadata.annotations,
          "argocd.argoproj.io/tracking-id": `apps:${
            object.apiVersion.split("/").length > 1 ? object.apiVersion.split("/")[0] : ""
          }/${object.kind}:${object.metadata.namespace ?? ""}/${object.metadata.name}`,
        },
      },
    }),
    request: () => store.get(application)?.metadata.annotations?.["argocd.argoproj.io/refresh"] ?? null,
    suspended: () => store.get(application)?.metadata.annotations?.["argocd.argoproj.io/skip-reconcile"] === "true",
    report({ commit, failure, token, passedOver }) {
      const resources = passedOver.map(({ kind, metadata: { name, namespace = "" } }) => {
        return { kind, name, namespace, status: "PruneSkipped", message: "ignored (no prune)" };
      });
      if (token !== null) {
        store.patch(application, { metadata: { annotations: { "argocd.argoproj.io/refresh": null } } });
      }
      store.patch(application, {
        status: {
          sync: { status: failure === null && resources.length === 0 ? "Synced" : "OutOfSync", revision: commit },
          operationState: {
            phase: failure === null ? "Succeeded" : "Failed",
            message: failure ?? "successfully synced",
            operation: { sync: { revision: commit, prune: true } },
            syncResult: { revision: commit, resources },
          },
          health: { status: "Healthy" },
        },
      });
    },
    heals: true,
  });
}

function labelled(object: KubeObject, labels: Readonly<Record<string, string>>): KubeObject {
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...labels } } };
}

function startEngine(sandbox: Sandbox, engine: Engine): FakeEngine {
  const { store } = sandbox.api;
  const end = new AbortController();
  const asked: string[] = [];
  const inventory = new Map<string, KubeObject>();
  let applied: string | undefined;
  let reported = "";
  let read: { readonly commit: string; readonly objects: readonly KubeObject[] } | undefined;
  let turn: Promise<void> = Promise.resolve();

  async function apply(commit: string, failure: string | null, token: string | null): Promise<void> {
    if (read?.commit !== commit) {
      read = { commit, objects: await manifestsAt(sandbox.git.path(REPOSITORY), commit) };
    }
    const wanted = read.objects;
    let failed = failure;
    let passedOver: readonly KubeObject[] = [];
    try {
      if (failure === null) {
        for (const object of wanted) applyOne(engine.mark(object));
        passedOver = prune(wanted);
      }
    } catch (error) {
      // As the real ones do, the whole sync fails with what the API server said.
      failed = error instanceof Error ? error.message : String(error);
    }
    const told = `${commit} ${failed ?? "applied"} but ${passedOver.length}`;
    if (told === reported && token === null) return;
    reported = told;
    applied = failed === null ? commit : applied;
    engine.report({ commit, failure: failed, token, inventory: [...inventory.values()], passedOver });
  }

  function applyOne(object: KubeObject): void {
    const live = store.get(refOf(object));
    if (live !== undefined && !engine.touches(live)) {
      // A fenced object drops out of the inventory when it leaves Git; while it is there, it is only left alone.
      return;
    }
    store.apply(object, { manager: engine.manager, force: true });
    inventory.set(refKey(refOf(object)), object);
  }

  function prune(wanted: readonly KubeObject[]): readonly KubeObject[] {
    const keys = new Set(wanted.map((object) => refKey(refOf(object))));
    const passedOver: KubeObject[] = [];
    for (const [key, object] of inventory) {
      if (keys.has(key)) continue;
      const live = store.get(refOf(object));
      const kept = live?.metadata.annotations?.["argocd.argoproj.io/sync-options"]?.includes("Prune=false") === true;
      if (kept) {
        passedOver.push(object);
        continue;
      }
      inventory.delete(key);
      if (live !== undefined && engine.touches(live)) store.remove(refOf(object));
    }
    return passedOver;
  }

  async function look(forced: boolean): Promise<void> {
    if (engine.suspended()) return;
    const token = engine.request();
    if (token !== null) asked.push(token);
    const isDue = forced || token !== null || fake.polls;
    const tip = isDue ? await sandbox.git.tip(REPOSITORY) : applied;
    if (tip === undefined || (tip === applied && token === null && !forced && !engine.heals)) return;
    await apply(tip, fake.failure, token);
  }

  const next = (forced: boolean): Promise<void> => {
    turn = turn.then(() => look(forced));
    return turn;
  };

  async function run(): Promise<void> {
    while (!end.signal.aborted) {
      await next(false);
      await machineClock.sleep(TICK_MS, end.signal).catch(() => {});
    }
  }

  const fake: FakeEngine = {
    polls: true,
    failure: null,
    asked,
    sync: () => next(true),
    async stop() {
      end.abort();
      await running;
    },
  };
  const running = run();
  return fake;
}

/** Objects below apps/ at a commit, as kustomize gives them: those that are only local configuration are left out. */
async function manifestsAt(repository: string, commit: string): Promise<readonly KubeObject[]> {
  const names = await runGit(repository, ["ls-tree", "-r", "--name-only", commit, "apps"]);
  const objects: KubeObject[] = [];
  for (const name of names.trim().split("\n").filter((path) => path.endsWith(".yaml"))) {
    const text = await runGit(repository, ["show", `${commit}:${name}`]);
    for (const document of parseAllDocuments(text)) {
      const object = asObject(document.toJS());
      const isLocal = object?.metadata.annotations?.["config.kubernetes.io/local-config"] === "true";
      if (object !== undefined && !isLocal) objects.push(object);
    }
  }
  return objects;
}

function asObject(value: unknown): KubeObject | undefined {
  if (!isJsonObject(value)) return undefined;
  const [apiVersion, kind, name] = [
    stringAt(value, "apiVersion"),
    stringAt(value, "kind"),
    stringAt(value, "metadata", "name"),
  ];
  if (apiVersion === undefined || kind === undefined || name === undefined) return undefined;
  const metadata: JsonObject = objectAt(value, "metadata");
  return { ...value, apiVersion, kind, metadata: { ...metadata, name } };
}
