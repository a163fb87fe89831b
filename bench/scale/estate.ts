/**
 * An estate of many canaries at rest, as an agent that ran before would have left it: manifests, locks and status files
 * in Git, and in the cluster everything that is derived from them. Made by the product's own pure code, so that an agent
 * that starts on it finds all of it in order. Does no I/O.
 */
import { capabilitiesOf, tables } from "../../src/compose.ts";
import type { CatalogueEntry } from "../../src/core/catalogue.ts";
import { type ClusterIdentity, type Decision, type Lock, lockDigest } from "../../src/core/decision.ts";
import type { KubeObject } from "../../src/core/kube_object.ts";
import { decisionId, remember } from "../../src/core/locks.ts";
import { MANAGED_BY_LABEL, MANAGER } from "../../src/core/names.ts";
import { REVISION_ALGORITHM } from "../../src/core/release.ts";
import { ALL_TO_PRIMARY } from "../../src/core/routes.ts";
import { newState, type State } from "../../src/core/state.ts";
import { BugError } from "../../src/errors.ts";
import { committedLock, lockPath, renderLockFile } from "../../src/ledger/lock_file.ts";
import { nextStatus } from "../../src/ledger/next_status.ts";
import { renderStatusFile, statusPath } from "../../src/ledger/status_file.ts";
import { choose } from "../../src/shell/facts.ts";
import { createStateStore } from "../../src/shell/store.ts";
import { buildCatalogue } from "../../src/spec/catalogue.ts";
import { parseFile } from "../../src/spec/parse_file.ts";
import { deployment, shopFiles, shopName } from "../../test/support/fleet_files.ts";

type CanaryEntry = Extract<CatalogueEntry, { type: "canary" }>;

/** Of the metric templates. */
const SHARED_NAMESPACE = "demo";
/** Controllers of Kubernetes look through a whole namespace for each object in it: one of thousands of each is nobody's. */
const CANARIES_A_NAMESPACE = 50;
/** Rounds every ten seconds by two metrics, ten steps up to half of the traffic: as Flagger was measured with. */
const ANALYSIS = `    interval: 10s
    threshold: 5
    stepWeight: 5
    maxWeight: 50
    metrics:
      - name: success-rate
        templateRef: { name: success-rate, namespace: ${SHARED_NAMESPACE} }
        thresholdRange: { min: 99 }
        interval: 1m
      - name: latency
        templateRef: { name: latency, namespace: ${SHARED_NAMESPACE} }
        thresholdRange: { max: 500 }
        interval: 1m`;

export function namespaceOf(index: number): string {
  return `team-${String(Math.floor(index / CANARIES_A_NAMESPACE)).padStart(3, "0")}`;
}

/** The namespaces of so many canaries. */
export function namespacesOf(canaries: number): readonly string[] {
  return [...new Set(Array.from({ length: canaries }, (_, index) => namespaceOf(index)))];
}

/** A shop's manifest in its team's namespace. */
function inTeam(text: string, index: number): string {
  return text.replaceAll("\n  namespace: demo\n", `\n  namespace: ${namespaceOf(index)}\n`);
}

/** A Deployment's manifest with another image's tag. */
export function deploymentOf(index: number, tag: string): string {
  return inTeam(deployment(shopName(index), tag), index);
}

/** Manifests of `canaries` canaries, three each (Deployment, Canary, ConfigMap), and two metric templates. */
export function manifestsOf(canaries: number, metricsUrl: string): Readonly<Record<string, string>> {
  const shops = Object.entries(shopFiles({ manifests: canaries * 4, canaries, analysis: ANALYSIS }));
  return {
    ...Object.fromEntries(
      shops.filter(([path]) => !path.endsWith("/service-account.yaml")).map(([path, text]) => [
        path,
        inTeam(text, Number(/shop-(\d+)\/[^/]*$/.exec(path)?.[1])),
      ]),
    ),
    "metrics/success-rate.yaml": template("success-rate", { metricsUrl, query: "vector(100)" }),
    "metrics/latency.yaml": template("latency", { metricsUrl, query: "vector(20)" }),
  };
}

function template(
  name: string,
  { metricsUrl, query }: { readonly metricsUrl: string; readonly query: string },
): string {
  return `apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: { name: ${name}, namespace: ${SHARED_NAMESPACE} }
spec:
  provider: { type: prometheus, address: "${metricsUrl}" }
  query: ${query}
`;
}

export interface EstateOptions {
  readonly files: Readonly<Record<string, string>>;
  /** Of these files, 40 hex digits. */
  readonly commit: string;
  readonly identity: ClusterIdentity;
  readonly metricsUrl: string;
  /** Epoch milliseconds at which all of it was promoted. */
  readonly now: number;
}

/** One canary's part. */
export interface Plot {
  readonly name: string;
  /** Files of the ledger. */
  readonly ledger: Readonly<Record<string, string>>;
  /** In the order in which they may be made; the route last. */
  readonly objects: readonly KubeObject[];
  /** Pods of these are needed before anything starts. */
  readonly primary: KubeObject;
}

/** All canaries, by name. */
export async function estateOf(options: EstateOptions): Promise<readonly Plot[]> {
  const encoder = new TextEncoder();
  const parsed = new Map(
    Object.entries(options.files).map(([path, text]) => [path, parseFile(path, encoder.encode(text))]),
  );
  const capabilities = capabilitiesOf({
    provider: "gatewayapi:v1",
    metricsServer: options.metricsUrl,
    profiles: new Map(),
  });
  const catalogue = buildCatalogue(options.commit, parsed, capabilities);
  const plots: Plot[] = [];
  for (const [key, entry] of catalogue.entries) {
    if (entry.type === "broken") throw new BugError(`Cannot lay out "${key}": ${JSON.stringify(entry.complaints)}`);
    plots.push(await plotOf(entry, options));
  }
  return plots;
}

async function plotOf(entry: CanaryEntry, { identity, now }: EstateOptions): Promise<Plot> {
  const { canary, release } = entry;
  const { router, workload } = choose(tables, canary);
  const parts = workload.primary(canary, release, new Map());
  const lock: Lock = {
    algorithm: REVISION_ALGORITHM,
    cluster: identity,
    canary: canary.id,
    decision: decisionId(release.revision.slice(0, 10), "initialise"),
    release,
    primary: parts.workload,
    configs: parts.configs,
    digests: {},
  };
  const committed = committedLock(lock);
  const reason = "New Deployment detected, initialization completed.";
  const decision: Decision = {
    id: lock.decision,
    canary: canary.id,
    kind: "initialise",
    at: now,
    release,
    lock,
    manifests: null,
    quarantine: null,
    lift: null,
    evidence: [],
    approvals: [],
    reason,
  };
  const status = nextStatus(null, decision, { cluster: identity, lockDigest: lockDigest(committed), reverted: false });
  const fresh = newState(canary.id, now);
  const state: State = {
    ...fresh,
    ...remember(fresh, committed),
    phase: "idle",
    canary,
    last: {
      run: decision.id,
      revision: release.revision,
      images: release.images,
      outcome: "initialised",
      reason,
      at: now,
    },
  };
  const live = workload.target(canary, release);
  const configs = release.configs.flatMap(({ declared }) => declared === null ? [] : [declared]);
  const routes = router.render(canary, ALL_TO_PRIMARY, []);
  return {
    name: canary.id.name,
    ledger: {
      [lockPath(identity.name, canary.id)]: renderLockFile(lock, {
        canary: canary.source.file,
        target: entry.target.place.file,
      }),
      [statusPath(identity.name, canary.id)]: renderStatusFile(status),
    },
    objects: [
      ...[...configs, ...parts.configs],
      withReplicas(live, 0),
      withReplicas(parts.workload, 1),
      ...tables.services(canary, { apexSelects: "primary", target: release.target, live: [] }),
      await savedState(state),
      ...routes.map(({ object }) => object),
    ],
    primary: parts.workload,
  };
}

function withReplicas(object: KubeObject, replicas: number): KubeObject {
  return { ...object, spec: { ...object.spec, replicas } };
}

/** The ConfigMap that the state store writes for it. */
async function savedState(state: State): Promise<KubeObject> {
  let saved: KubeObject | null = null;
  const store = createStateStore({
    epoch: () => 1,
    cluster: {
      derived: () => [],
      get: () => undefined,
      create(object) {
        saved = object;
        return Promise.resolve({ ...object, metadata: { ...object.metadata, resourceVersion: "1" } });
      },
      replace: (object) => Promise.resolve(object),
      remove: () => Promise.resolve(),
    },
  });
  await store.load(state.id, state.phaseSince);
  await store.save(state);
  if (saved === null) throw new BugError(`Cannot lay out "${state.id.name}": its state was not saved`);
  return saved;
}

/** Whether an object is one that the agent made, and so is written under its name. */
export function isDerived(object: KubeObject): boolean {
  return object.metadata.labels?.[MANAGED_BY_LABEL] === MANAGER;
}
