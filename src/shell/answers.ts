/** Asks outside systems what `questions` wants to know. Nothing here throws for an outside fault: it is an answer. */
import type { Canary, MetricSpec, WebhookSpec, WebhookType } from "../core/canary.ts";
import { digestOf } from "../core/digest.ts";
import { judgeThreshold } from "../core/judge.ts";
import { at, isJsonObject, type KubeObject, refOf, stringAt } from "../core/kube_object.ts";
import {
  type Answers,
  type CheckResult,
  type ComparisonView,
  type HooksAnswer,
  NO_ANSWERS,
  type Question,
  type SeriesAnswer,
} from "../core/observation.ts";
import type { Release } from "../core/release.ts";
import { flaggerPhase, type State } from "../core/state.ts";
import { RejectedError, SerinError, UnavailableError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { Http } from "../ports/http.ts";
import type { Measurement, MetricLabels, PlannedQuery } from "../ports/metrics.ts";
import { configDifference } from "./config_difference.ts";
import { observedDigests } from "./digests.ts";
import { likelyCause } from "./engine_changes.ts";
import { choose, engineOf, ownersOf, refsOf } from "./facts.ts";
import { compareRendered } from "./rendered.ts";
import { secretCopies } from "./secrets.ts";
import type { Tables } from "./tables.ts";

export interface Askers {
  readonly cluster: Cluster;
  readonly http: Http;
  readonly clock: Clock;
  readonly tables: Tables;
  readonly metricLabels: MetricLabels;
  /** Key of the hashes that name copies of Secrets; null: Secrets are shared with the original. */
  readonly secretKey: string | null;
  readonly defaultEngine: string;
  /** Told of every metric value, for gauges. */
  readonly measured: (canary: Canary, check: CheckResult) => void;
}

export async function answer(
  askers: Askers,
  state: State,
  asked: readonly Question[],
  signal: AbortSignal,
): Promise<Answers> {
  let answers: Answers = NO_ANSWERS;
  const canary = state.run?.canary ?? state.canary;
  if (canary === null) return answers;
  for (const question of asked) {
    switch (question.type) {
      case "compare":
        answers = { ...answers, comparison: await compare(askers, canary, question.release, signal) };
        break;
      case "hooks": {
        const open = await askHooks(askers, { canary, state, type: question.hooks }, signal);
        answers = { ...answers, hooks: { ...answers.hooks, [question.hooks]: open } };
        break;
      }
      case "metrics":
        answers = { ...answers, metrics: await measureAll(askers, canary, signal) };
        break;
      case "series":
        answers = { ...answers, series: await lookForSeries(askers, canary, signal) };
        break;
    }
  }
  return answers;
}

/** A dry run of the primary made from the release, beside the live target; and its configs beside the live ones. */
async function compare(askers: Askers, canary: Canary, release: Release, signal: AbortSignal): Promise<ComparisonView> {
  const { cluster, tables, secretKey: key, defaultEngine } = askers;
  const { workload, scaler } = choose(tables, canary);
  const refs = refsOf(canary, scaler);
  if (release.rendering !== undefined && key !== null) {
    const engine = engineOf(tables, canary, cluster.get(refs.targetRef), defaultEngine);
    return await compareRendered(cluster, { canary, workload, release, key, ref: refs.targetRef, engine }, signal);
  }
  const secrets = key === null
    ? new Map<string, { readonly object: KubeObject; readonly suffix: string }>()
    : await secretCopies(cluster, { canary, release, key }, signal);
  const parts = workload.primary(canary, release, secrets);
  const dry = await cluster.apply(parts.workload, { dryRun: true, force: true, signal });
  const live = cluster.get(refs.targetRef);
  return {
    difference: live === undefined ? null : await differenceOf(askers, { canary, release, live, dry }, signal),
    templateDigest: live === undefined ? "" : digestOf(at(live, "spec", "template") ?? null),
    primary: parts.workload,
    configs: parts.configs.filter((config) => config.kind !== "Secret"),
    digests: live === undefined ? {} : await observedDigests(cluster, live, signal),
  };
}

interface Compared {
  readonly canary: Canary;
  readonly release: Release;
  readonly live: KubeObject;
  /** The primary as the server would have it. */
  readonly dry: KubeObject;
}

/** In words, with what the engine does to the target where that may be why; null: they are alike. */
async function differenceOf(
  { cluster, tables }: Askers,
  { canary, release, live, dry }: Compared,
  signal: AbortSignal,
): Promise<string | null> {
  const difference = await templateDifference({ cluster, tables }, { canary, live, dry }, signal) ??
    await configDifference(cluster, { namespace: canary.id.namespace, release }, signal);
  if (difference === null) return null;
  const owners = [...tables.engines.values()].flatMap((engine) => ownersOf(cluster, engine, live));
  return `${difference}${likelyCause(owners, canary, release)}`;
}

/** Where they differ it is looked up who wrote that, which watch caches do not keep. */
async function templateDifference(
  { cluster, tables }: Pick<Askers, "cluster" | "tables">,
  { canary, live, dry }: Omit<Compared, "release">,
  signal: AbortSignal,
): Promise<string | null> {
  const { difference } = choose(tables, canary).workload;
  const told = difference(canary, live, dry);
  if (told === null) return null;
  const owned = await cluster.live(refOf(live), signal);
  return owned === undefined ? told : difference(canary, owned, dry) ?? told;
}

interface HookTurn {
  readonly canary: Canary;
  readonly state: State;
  readonly type: WebhookType;
}

/** Hooks of a type in their order, up to the first that is not open. */
async function askHooks(askers: Askers, turn: HookTurn, signal: AbortSignal): Promise<HooksAnswer> {
  for (const hook of turn.canary.analysis.webhooks.filter((webhook) => webhook.type === turn.type)) {
    const said = await askHook(askers, hook, turn, signal);
    // One rollback hook that says yes is enough; of all others every one must.
    if (turn.type === "rollback" ? said.type === "open" : said.type !== "open") return said;
  }
  return turn.type === "rollback" ? { type: "closed", hook: "", reason: "", muteAlert: true } : { type: "open" };
}

async function askHook(askers: Askers, hook: WebhookSpec, turn: HookTurn, signal: AbortSignal): Promise<HooksAnswer> {
  const { gate } = askers.tables;
  const revision = turn.state.run?.release.revision ?? "";
  try {
    const request = gate.request({
      webhook: hook,
      canary: turn.canary.id,
      phase: flaggerPhase(turn.state),
      revision,
      event: null,
    });
    const said = gate.parse(await askers.http.send(request, signal), hook.type);
    if (said.type === "open") return said;
    return { type: said.type, hook: hook.name, reason: said.reason, muteAlert: hook.muteAlert };
  } catch (error) {
    return { type: "unknown", hook: hook.name, reason: reasonOf(error), muteAlert: hook.muteAlert };
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof SerinError) return error.message;
  throw error;
}

/** All metrics side by side: a slow one delays its own canary only. */
async function measureAll(askers: Askers, canary: Canary, signal: AbortSignal): Promise<readonly CheckResult[]> {
  const results = await Promise.all(canary.analysis.metrics.map((metric) => measure(askers, canary, metric, signal)));
  for (const result of results) askers.measured(canary, result);
  return results;
}

async function measure(askers: Askers, canary: Canary, metric: MetricSpec, signal: AbortSignal): Promise<CheckResult> {
  const flags = { name: metric.name, critical: metric.critical, dryRun: metric.dryRun };
  try {
    const planned = askers.tables.planQuery(canary, metric, askers.metricLabels);
    const measurement = await query(askers, planned, signal);
    const judged = judgeThreshold(metric, measurement, canary.api);
    return { ...flags, ...judged, noData: measurement.type === "no-data" };
  } catch (error) {
    const message = `Metric query failed for ${metric.name}: ${reasonOf(error)}`;
    return { ...flags, outcome: "inconclusive", value: null, message, noData: false };
  }
}

/** The first metric of which no series exists; one whose query is a user's own is taken to be right. */
async function lookForSeries(askers: Askers, canary: Canary, signal: AbortSignal): Promise<SeriesAnswer> {
  for (const metric of canary.analysis.metrics.filter((one) => one.source.type === "builtin" && !one.dryRun)) {
    const found = await seriesOf(askers, canary, metric, signal);
    if (found.type !== "there") return found;
  }
  return { type: "there" };
}

async function seriesOf(
  askers: Askers,
  canary: Canary,
  metric: MetricSpec,
  signal: AbortSignal,
): Promise<SeriesAnswer> {
  const { name } = metric;
  try {
    const planned = askers.tables.planQuery(canary, metric, askers.metricLabels);
    const { series } = planned;
    if (series === null) return { type: "there" };
    const asked = { ...planned, query: { ...planned.query, query: series }, factor: 1 };
    if ((await query(askers, asked, signal)).type === "value") return { type: "there" };
    const reason =
      `${planned.query.address} has no series for ${series}, of no workload. Either nobody scrapes it, or its labels have other names (metricLabels), or not one request was ever counted.`;
    return { type: "missing", metric: name, reason };
  } catch (error) {
    return { type: "unknown", metric: name, reason: reasonOf(error) };
  }
}

async function query(askers: Askers, planned: PlannedQuery, signal: AbortSignal): Promise<Measurement> {
  const adapter = askers.tables.metrics.get(planned.provider);
  if (adapter === undefined) {
    throw new RejectedError(`Cannot query provider "${planned.provider}": it is not supported`);
  }
  const secret = planned.secret === null ? {} : await readSecret(askers.cluster, planned.secret, signal);
  const full = { ...planned.query, secret, now: askers.clock.now() };
  const measured = adapter.parse(await askers.http.send(adapter.request(full), signal), full);
  return measured.type === "value" ? { type: "value", value: measured.value * planned.factor } : measured;
}

/** Keys of a Secret, decoded. Read when needed and never kept. */
export async function readSecret(
  cluster: Pick<Cluster, "live">,
  named: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const object = await cluster.live({ apiVersion: "v1", kind: "Secret", ...named }, signal);
  if (object === undefined) {
    throw new UnavailableError(`Cannot read Secret "${named.namespace}/${named.name}": it does not exist`);
  }
  const data = isJsonObject(object.data) ? object.data : {};
  return Object.fromEntries(Object.keys(data).map((key) => [key, decodeKey(stringAt(data, key) ?? "")]));
}

function decodeKey(encoded: string): string {
  const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
  return new TextDecoder().decode(bytes).trim();
}
