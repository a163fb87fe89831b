/** Joins telemetry to the shell: what the agent tells becomes log lines, events, notices, hooks and metrics. */
import { emitEvent } from "../adapters/platform/kube/events.ts";
import type { AgentConfig } from "./config/agent_config.ts";
import type { ObjectRef } from "./core/kube_object.ts";
import { BugError } from "./errors.ts";
import type { Clock } from "./ports/clock.ts";
import type { Cluster } from "./ports/cluster.ts";
import type { Http } from "./ports/http.ts";
import { readSecret } from "./shell/answers.ts";
import type { Tables } from "./shell/tables.ts";
import type { Telling } from "./shell/telling.ts";
import { type Announcer, createAnnouncer } from "./telemetry/announce.ts";
import { targetNameOf } from "./telemetry/canary_reading.ts";
import type { Log } from "./telemetry/log.ts";
import type { Metrics } from "./telemetry/metrics.ts";

export interface TellingParts {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly http: Http;
  readonly tables: Tables;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly config: Pick<AgentConfig, "alerts" | "cluster">;
  /** The address of the global notifier, read from its file; null without one. */
  readonly alertUrl: string | null;
  readonly signal: AbortSignal;
}

/** From the cache; undefined also where nothing watches the kind, such as a Canary whose CRD is not installed. */
function uidOf(cluster: Cluster, ref: ObjectRef): string | undefined {
  try {
    return cluster.get(ref)?.metadata.uid;
  } catch (error) {
    if (error instanceof BugError) return undefined;
    throw error;
  }
}

export function createTelling(parts: TellingParts): { readonly telling: Telling; readonly announcer: Announcer } {
  const { clock, cluster, log, metrics, config } = parts;
  const { alerts } = config;
  const announcer = createAnnouncer({
    clock,
    log,
    http: parts.http,
    gate: parts.tables.gate,
    notifiers: parts.tables.notifiers,
    emitEvent: (note, signal) => emitEvent(cluster, note, signal).then(() => undefined),
    readSecret: (ref, signal) => readSecret(cluster, ref, signal),
    uidOf: (ref) => uidOf(cluster, ref),
    globalNotifier: alerts === null || parts.alertUrl === null ? null : {
      type: alerts.type,
      target: { url: parts.alertUrl, token: null, channel: alerts.channel, username: alerts.username, proxyUrl: null },
    },
    clusterName: config.cluster,
    metrics,
    signal: parts.signal,
  });
  const telling: Telling = {
    announce: (canary, state, announcement) => announcer.announce(canary, state, announcement),
    measured: (canary, check) => {
      metrics.check({ id: canary.id, targetName: canary.target.name }, check.name, check.value);
    },
    turned(state, tookMs) {
      const canary = state.run?.canary ?? state.canary;
      if (canary === null) return;
      const isAnalysis = state.phase === "progressing" || state.phase === "waiting-promotion";
      metrics.turn({ id: canary.id, targetName: targetNameOf(canary.target.name) }, {
        seconds: tookMs / 1000,
        isAnalysis,
      });
    },
    fetched: (source, tookMs) => metrics.gitFetched(source, tookMs / 1000),
    pushed: (source, outcome) => metrics.gitPushed(source, outcome),
    forgotten: (key) => announcer.forget(key),
    recent: (key) => announcer.recent(key),
    log: (level, event, fields) => log[level](event, fields),
  };
  return { telling, announcer };
}
