/**
 * Puts an agent together from its configuration: clients, sources, ledgers, tables, election, telemetry. Used by the
 * program, by the sandbox and by tests; it is the only file beside `main.ts` that knows every adapter.
 */
import { engines, fluxSourceOf } from "../adapters/engines/mod.ts";
import { gates } from "../adapters/gates/mod.ts";
import { knownMetricProviders, metrics } from "../adapters/metrics/mod.ts";
import { planQuery } from "../adapters/metrics/plan.ts";
import { knownAlertTypes, notifiers } from "../adapters/notifiers/mod.ts";
import { InstallationTokens } from "../adapters/platform/git/github_app.ts";
import { openHttp } from "../adapters/platform/http.ts";
import { openKustomize } from "../adapters/platform/kustomize.ts";
import type { KubeEndpoint } from "../adapters/platform/kube/config.ts";
import { type Election, startElection } from "../adapters/platform/kube/lease.ts";
import { openCluster } from "../adapters/platform/kube.ts";
import { knownRouters, routers, routerTraits } from "../adapters/routers/mod.ts";
import { scalers } from "../adapters/scalers/mod.ts";
import { selectorOf, services, workloads } from "../adapters/workloads/mod.ts";
import type { AgentConfig, SourceConfig } from "./config/agent_config.ts";
import { byBranch } from "./config/by_branch.ts";
import type { ClusterIdentity } from "./core/decision.ts";
import type { KubeObject, ObjectRef } from "./core/kube_object.ts";
import { BugError, InvalidSpecError, RejectedError } from "./errors.ts";
import { readersAsOne, shareOf } from "./ledger/shared_branch.ts";
import { createLedger } from "./ledger/writer.ts";
import type { Clock } from "./ports/clock.ts";
import type { Cluster } from "./ports/cluster.ts";
import type { Http } from "./ports/http.ts";
import { type OpenedRemote, openRemote } from "./open_remote.ts";
import { readSecret } from "./shell/answers.ts";
import { ServingAgent } from "./shell/agent.ts";
import { kustomizeRelease } from "./shell/kustomize_release.ts";
import { liveRelease } from "./shell/live_release.ts";
import type { Branch } from "./shell/observer.ts";
import { PushRight } from "./shell/push_right.ts";
import { rootsOf } from "./shell/roots.ts";
import { createSource, type RunningSource } from "./shell/source.ts";
import { steadyStore } from "./shell/steady_store.ts";
import { createStateStore, STATE_SELECTOR } from "./shell/store.ts";
import type { Tables } from "./shell/tables.ts";
import type { Telling } from "./shell/telling.ts";
import { DETECT } from "./shell/undecided.ts";
import { BUILT_CHOICES, type Capabilities } from "./spec/capabilities.ts";
import { LiveStatus, progressIn } from "./telemetry/live_status.ts";

export interface Platform {
  readonly clock: Clock;
  readonly endpoint: KubeEndpoint;
  /** Unique among replicas: the pod's name. */
  readonly identity: string;
  readonly readText: (path: string) => Promise<string>;
  /** Bound on single requests to the API server; 15 s unless told otherwise. */
  readonly requestTimeoutMs?: number;
  /** The program that renders kustomizations, by path; "kustomize" on the PATH unless told otherwise. */
  readonly kustomize?: string;
  /** Makes telemetry once the clients are there. */
  readonly telling: (clients: { readonly cluster: Cluster; readonly http: Http; readonly tables: Tables }) => Telling;
}

export interface Composed {
  readonly agent: ServingAgent;
  readonly cluster: ReturnType<typeof openCluster>;
  readonly tables: Tables;
  readonly identity: ClusterIdentity;
  /** Follows Git, stands for election and runs turns until the signal is aborted; then gives everything back. */
  run(signal: AbortSignal): Promise<void>;
}

const TURNS_PARALLEL = 16;

export const tables: Tables = {
  routers,
  workloads,
  scalers,
  engines,
  engineSources: sourcesOf,
  metrics,
  notifiers,
  gate: gateOrBug(),
  planQuery,
  services,
  selector: selectorOf,
};

function sourcesOf(owner: KubeObject): readonly ObjectRef[] {
  const source = fluxSourceOf(owner);
  return source === null ? [] : [source];
}

function gateOrBug(): Tables["gate"] {
  const gate = gates.get("webhook");
  if (gate === undefined) throw new BugError("Cannot start: the table of gates has no webhook");
  return gate;
}

/** What this build can do, with a configuration's defaults. */
export function capabilitiesOf(config: Pick<AgentConfig, "provider" | "metricsServer" | "profiles">): Capabilities {
  return {
    routers: routerTraits,
    knownRouters,
    metricProviders: [...metrics.keys()],
    knownMetricProviders,
    alertTypes: [...notifiers.keys()],
    knownAlertTypes,
    targetKinds: [...workloads.keys()],
    scalerKinds: [...scalers.keys()],
    defaults: { provider: config.provider, metricsServer: config.metricsServer },
    profiles: config.profiles,
    built: BUILT_CHOICES,
  };
}

export async function compose(config: AgentConfig, platform: Platform): Promise<Composed> {
  const { clock } = platform;
  if (config.shard !== null) {
    throw new InvalidSpecError('Cannot start: "shard" is understood but not supported yet', { fix: "Leave shard out" });
  }
  const { requestTimeoutMs } = platform;
  const cluster = openCluster({
    endpoint: platform.endpoint,
    clock,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  });
  const http = openHttp({ clock });
  const remotes: OpenedRemote[] = [];
  const giveBack = () => closeAll([...remotes, http, cluster]);
  try {
    const telling = platform.telling({ cluster, http, tables });
    const { namespace } = platform.endpoint;
    const installations = new InstallationTokens(clock);
    const parts = { clock, cluster, telling, namespace, readText: platform.readText, installations };
    const groups = byBranch(config.sources);
    for (const [first] of groups) remotes.push(openRemote(first, parts));
    const identity = await identify(config, cluster);
    const readOnly = config.mode === "observe";
    const secretKey = config.secrets.copy && !readOnly
      ? await secretKeyOrShare(cluster, platform.endpoint.namespace, telling)
      : null;
    const shared = {
      config,
      platform,
      cluster,
      identity,
      telling,
      isLeader: () => election.isLeader(),
      agent: () => agent,
    };
    const made = openBranches(groups, remotes, shared);
    for (const scope of stateScopes(config)) await cluster.watch(scope);
    const store = steadyStore(createStateStore({ cluster, epoch: () => election.epoch(), readOnly }), clock);
    const election = electionOf(config, platform, { cluster, telling, lead: () => agent.lead() });
    const agent = new ServingAgent({
      clock,
      cluster,
      http,
      tables,
      identity,
      branches: made.flatMap(({ branches }) => branches),
      store,
      telling,
      election: { ...election, leader: () => null },
      metricLabels: config.metricLabels,
      defaultEngine: config.engine ?? DETECT,
      secretKey,
      promotionDeadlineMs: config.promotionDeadlineMs,
      namespaces: config.kubernetes.namespaces,
      mode: config.mode,
      parallel: TURNS_PARALLEL,
    });
    return {
      agent,
      cluster,
      tables,
      identity,
      async run(signal) {
        election.start();
        try {
          await Promise.all([
            agent.run(signal),
            ...made.flatMap(({ runs }) => runs.map((one) => one.run(signal))),
          ]);
        } finally {
          await election.stop();
          await giveBack();
        }
      },
    };
  } catch (error) {
    await giveBack();
    throw error;
  }
}

/** One after the other. */
async function closeAll(held: readonly { close(): Promise<void> | void }[]): Promise<void> {
  for (const one of held) await one.close();
}

function stateScopes(config: AgentConfig): readonly Parameters<Cluster["watch"]>[0][] {
  const scope = { apiVersion: "v1", kind: "ConfigMap", labelSelector: STATE_SELECTOR };
  const { namespaces } = config.kubernetes;
  return namespaces.length === 0 ? [scope] : namespaces.map((namespace) => ({ ...scope, namespace }));
}

/** Who this cluster is: its name in the configuration, and the UID of kube-system, which a rebuilt one does not share. */
async function identify(config: AgentConfig, cluster: Cluster): Promise<ClusterIdentity> {
  const system = await cluster.live({ apiVersion: "v1", kind: "Namespace", name: "kube-system" });
  const uid = system?.metadata.uid;
  if (uid === undefined) {
    throw new RejectedError('Cannot tell which cluster this is: namespace "kube-system" has no UID', {
      fix: 'Allow the agent to get the namespace "kube-system"',
    });
  }
  return { name: config.cluster, uid };
}

/** Without the right to Secrets, both workloads share the original, and the log says so. */
async function secretKeyOrShare(cluster: Cluster, namespace: string, telling: Telling): Promise<string | null> {
  try {
    return await secretKeyOf(cluster, namespace);
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    telling.log("warn", "secrets-shared", {
      error: error.message,
      fix: "Apply deploy/rbac/secrets_copy.yaml, or set secrets.copy to false",
    });
    return null;
  }
}

/** The agent's own Secret `serin-key`, made once; its value names copies of Secrets and is never shown. */
async function secretKeyOf(cluster: Cluster, namespace: string): Promise<string> {
  const ref = { apiVersion: "v1", kind: "Secret", namespace, name: "serin-key" };
  const found = await cluster.live(ref);
  if (found === undefined) {
    const value = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
    await cluster.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: ref.name, namespace, labels: { "app.kubernetes.io/managed-by": "serin" } },
      data: { key: value },
    });
  }
  const secret = await readSecret(cluster, { namespace, name: ref.name }, AbortSignal.timeout(30_000));
  return secret["key"] ?? "";
}

interface Shared {
  readonly config: AgentConfig;
  readonly platform: Platform;
  readonly cluster: Cluster;
  readonly identity: ClusterIdentity;
  readonly isLeader: () => boolean;
  readonly telling: Telling;
  /** Once it is made. */
  readonly agent: () => ServingAgent;
}

/** One branch of one remote: as many sources as name it, and one writer. */
interface Made {
  readonly branches: readonly Branch[];
  /** Followers, writer and whatever else goes on until the end. */
  readonly runs: readonly { run(signal: AbortSignal): Promise<void> }[];
}

type Group = readonly [SourceConfig, ...SourceConfig[]];

/** @param remotes one a group, in their order */
function openBranches(groups: readonly Group[], remotes: readonly OpenedRemote[], shared: Shared): readonly Made[] {
  return groups.flatMap((group, index) => {
    const remote = remotes[index];
    return remote === undefined ? [] : [openBranch(group, remote, shared)];
  });
}

/** @param group the sources of one branch; credentials and author are those of the first */
function openBranch(
  group: Group,
  { source: first, remote, measured }: OpenedRemote,
  shared: Shared,
): Made {
  const { config, platform, identity } = shared;
  const { clock, kustomize } = platform;
  const renderer = openKustomize({ clock, ...(kustomize === undefined ? {} : { program: kustomize }) });
  const follow = (source: SourceConfig): RunningSource =>
    createSource({
      name: source.name,
      remote: measured,
      clock,
      pollMs: source.pollIntervalMs,
      paths: source.paths,
      cluster: config.cluster,
      capabilities: capabilitiesOf(config),
      renderer,
    });
  const [follower, ...others] = [follow(first), ...group.slice(1).map(follow)] as const;
  const sources = [follower, ...others];
  const ledger = createLedger({
    remote: measured,
    reader: readersAsOne([follower, ...others]),
    cluster: identity,
    clock,
    author: { name: first.authorName, email: first.authorEmail },
    isLeader: shared.isLeader,
    renderer: liveRelease(
      { cluster: config.cluster, roots: group.flatMap(({ paths }) => rootsOf(paths)) },
      kustomizeRelease({
        renderer,
        cluster: config.cluster,
        reaches: () => sources.flatMap(({ reaches }) => reaches),
      }),
    ),
  });
  const right = new PushRight(remote, clock);
  const listeners: (() => void)[] = [];
  right.onChange(() => listeners.forEach((listener) => listener()));
  const branches = sources.map((source): Branch => ({
    source,
    ledger: others.length === 0 ? ledger : shareOf(ledger),
    url: first.url,
    branch: first.branch,
    cannotPush: () => right.problem,
    onPushRight: (listener) => void listeners.push(listener),
  }));
  const live = openLiveStatus(group, remote, shared);
  return { branches, runs: [...sources, ledger, right, ...live] };
}

/** None unless it is asked for, and who writes nothing tells nothing there. */
function openLiveStatus(
  group: Group,
  remote: OpenedRemote["remote"],
  { config, platform, isLeader, telling, agent }: Shared,
): readonly LiveStatus[] {
  const [first] = group;
  if (!first.statusRef || config.mode === "observe") return [];
  const names = new Set(group.map(({ name }) => name));
  const live = new LiveStatus({
    clock: platform.clock,
    cluster: config.cluster,
    branch: first.branch,
    author: { name: first.authorName, email: first.authorEmail },
    canaries: () => progressIn(agent(), names),
    isLeader,
    push: (signal) => remote.pushAside(signal),
    log: (level, event, fields) => telling.log(level, event, fields),
  });
  remote.keepAside(live);
  return [live];
}

interface Standing extends Pick<Election, "isLeader" | "epoch" | "stop"> {
  start(): void;
}

/** A candidacy on the Lease; without one the single replica always leads. */
function electionOf(
  config: AgentConfig,
  platform: Platform,
  parts: { readonly cluster: Cluster; readonly telling: Telling; readonly lead: () => void },
): Standing {
  const { enabled, namespace, lease } = config.leaderElection;
  // Who writes nothing needs no Lease, and must not hold one that a writer needs.
  if (!enabled || config.mode === "observe") {
    return { isLeader: () => true, epoch: () => 1, stop: () => Promise.resolve(), start: () => parts.lead() };
  }
  let election: Election | null = null;
  return {
    isLeader: () => election?.isLeader() ?? false,
    epoch: () => election?.epoch() ?? 0,
    stop: () => election?.stop() ?? Promise.resolve(),
    start() {
      election = startElection({
        cluster: parts.cluster,
        namespace: namespace ?? platform.endpoint.namespace,
        name: lease,
        identity: platform.identity,
        clock: platform.clock,
        onLead: (epoch) => {
          parts.telling.log("info", "leading", { epoch });
          parts.lead();
        },
        onLose: () => parts.telling.log("info", "not-leading", {}),
        onTrouble: (error) => parts.telling.log("warn", "lease-trouble", { error: String(error) }),
      });
    },
  };
}
