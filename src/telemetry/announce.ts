/**
 * Tells people what a step announced, after its state was stored: a log line, a Kubernetes event, the canary's event
 * webhooks and alerts. Nothing that fails here stops a rollout; what could not be told is in the log.
 */
import type { Announcement, AnnouncementKind } from "../core/action.ts";
import { type AlertProvider, type Canary, canaryKey } from "../core/canary.ts";
import type { ObjectRef } from "../core/kube_object.ts";
import { flaggerPhase, type State } from "../core/state.ts";
import type { Clock } from "../ports/clock.ts";
import type { GateAdapter } from "../ports/gate.ts";
import type { Http } from "../ports/http.ts";
import type { NotifierTarget } from "../ports/notifier.ts";
import type { CanaryMetrics } from "./canary_metrics.ts";
import { deliver, type NotifierRow, targetOf } from "./deliver.ts";
import { Lanes } from "./lane.ts";
import type { Log, LogLevel } from "./log.ts";
import { alertsFor, noticeOf } from "./notice.ts";
import { redactText } from "./redact.ts";

/** A Kubernetes event to be written; the platform's `emitEvent` takes it. */
export interface EventNote {
  readonly regarding: ObjectRef & { readonly uid?: string };
  readonly type: "Normal" | "Warning";
  /** PascalCase of the announcement's kind. */
  readonly reason: string;
  readonly message: string;
  readonly now: number;
}

/** An announcement as the API shows it; `at` in epoch milliseconds. */
export interface RecentEvent {
  readonly at: number;
  readonly kind: AnnouncementKind;
  readonly severity: string;
  readonly message: string;
}

export interface AnnouncerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly http: Http;
  readonly gate: GateAdapter;
  readonly notifiers: ReadonlyMap<string, NotifierRow>;
  readonly emitEvent: (note: EventNote, signal: AbortSignal) => Promise<void>;
  /** Decoded data of a Secret; undefined when there is none. */
  readonly readSecret: (
    ref: { readonly namespace: string; readonly name: string },
    signal: AbortSignal,
  ) => Promise<Readonly<Record<string, string>> | undefined>;
  /** UID of an object that is in the cluster, from the cache; kubectl finds an event only by it. */
  readonly uidOf?: (ref: ObjectRef) => string | undefined;
  /** For canaries without alerts of their own; null: none. */
  readonly globalNotifier: { readonly type: string; readonly target: NotifierTarget } | null;
  readonly clusterName: string;
  readonly metrics?: Pick<CanaryMetrics, "rolloutEnded">;
  /** Ends all background work. */
  readonly signal: AbortSignal;
}

export interface Announcer {
  /**
   * Resolves when the line and the event are written; webhooks and alerts follow in the background, in order.
   *
   * *Guarantees*: never throws, but for the abort; an announcement's id is told at most once in a process.
   */
  announce(canary: Canary, state: State, announcement: Announcement): Promise<void>;
  /** The last 50 announcements of a canary, newest first. */
  recent(key: string): readonly RecentEvent[];
  /** Drops what is remembered of a canary that is gone. */
  forget(key: string): void;
  /** Resolves when no webhook or alert waits or is under way. */
  idle(): Promise<void>;
}

const RECENT_MAX = 50;
const IDS_MAX = 20_000;

export function createAnnouncer(parts: AnnouncerParts): Announcer {
  return new PartsAnnouncer(parts);
}

class PartsAnnouncer implements Announcer {
  readonly #parts: AnnouncerParts;
  readonly #lanes: Lanes;
  readonly #told = new Set<string>();
  readonly #recent = new Map<string, readonly RecentEvent[]>();

  constructor(parts: AnnouncerParts) {
    this.#parts = parts;
    this.#lanes = new Lanes(parts.signal, (lane, job) => {
      parts.log.warn("announcement-dropped", { lane, announcement: job.id });
    });
  }

  async announce(canary: Canary, state: State, announcement: Announcement): Promise<void> {
    if (this.#told.has(announcement.id)) return;
    this.#remember(canary, announcement);
    logLine(this.#parts.log, canary, state, announcement);
    this.#count(canary, announcement);
    this.#queueWebhooks(canary, state, announcement);
    this.#queueAlerts(canary, state, announcement);
    await this.#writeEvents(canary, announcement);
  }

  recent(key: string): readonly RecentEvent[] {
    return this.#recent.get(key) ?? [];
  }

  forget(key: string): void {
    this.#recent.delete(key);
  }

  idle(): Promise<void> {
    return this.#lanes.idle();
  }

  #remember(canary: Canary, { id, kind, severity, message }: Announcement): void {
    this.#told.add(id);
    if (this.#told.size > IDS_MAX) {
      // A Set keeps the order of insertion: the first is the oldest.
      for (const oldest of this.#told) {
        this.#told.delete(oldest);
        break;
      }
    }
    const key = canaryKey(canary.id);
    const event = { at: this.#parts.clock.now(), kind, severity, message: redactText(message) };
    this.#recent.set(key, [event, ...this.recent(key)].slice(0, RECENT_MAX));
  }

  #count(canary: Canary, { kind }: Announcement): void {
    switch (kind) {
      case "initialised":
      case "succeeded":
      case "failed":
      case "held":
      case "cancelled":
        return this.#parts.metrics?.rolloutEnded({
          id: canary.id,
          outcome: kind,
          strategy: canary.analysis.strategy.type,
          isSkipped: canary.skipAnalysis,
          targetName: canary.target.name,
        });
    }
  }

  /** On the target, and on the Canary object where one is in the cluster. */
  async #writeEvents(canary: Canary, announcement: Announcement): Promise<void> {
    const { uidOf, clock, signal, emitEvent, log } = this.#parts;
    const { namespace, name } = canary.id;
    const target: ObjectRef = { ...canary.target, namespace };
    const object: ObjectRef = { apiVersion: canary.api, kind: "Canary", namespace, name };
    const objectUid = uidOf?.(object);
    const targetUid = uidOf?.(target);
    const regarding = [
      targetUid === undefined ? target : { ...target, uid: targetUid },
      ...(objectUid === undefined ? [] : [{ ...object, uid: objectUid }]),
    ];
    for (const ref of regarding) {
      const note: EventNote = {
        regarding: ref,
        type: eventType(announcement),
        reason: pascalCase(announcement.kind),
        message: redactText(announcement.message),
        now: clock.now(),
      };
      try {
        await emitEvent(note, signal);
      } catch (error) {
        signal.throwIfAborted();
        log.warn("event-not-written", { canary: canaryKey(canary.id), announcement: announcement.id, error });
      }
    }
  }

  #queueWebhooks(canary: Canary, state: State, announcement: Announcement): void {
    const { clock, gate, http, log } = this.#parts;
    const key = canaryKey(canary.id);
    const event = {
      eventMessage: announcement.message,
      eventType: eventType(announcement),
      timestamp: String(clock.now()),
    };
    const phase = flaggerPhase(state);
    for (const webhook of canary.analysis.webhooks.filter(({ type }) => type === "event")) {
      const question = { webhook, canary: canary.id, phase, revision: announcement.revision, event };
      const run = async (signal: AbortSignal): Promise<void> => {
        try {
          const answer = gate.parse(await http.send(gate.request(question), signal));
          if (answer.type === "open") return;
          log.warn("event-webhook-refused", { canary: key, webhook: webhook.name, reason: answer.reason });
        } catch (error) {
          signal.throwIfAborted();
          log.warn("event-webhook-failed", { canary: key, webhook: webhook.name, error });
        }
      };
      this.#lanes.push(`${key} webhooks`, { id: announcement.id, run });
    }
  }

  #queueAlerts(canary: Canary, state: State, announcement: Announcement): void {
    if (!announcement.alert) return;
    const { globalNotifier, clusterName } = this.#parts;
    const { alerts } = canary.analysis;
    const notice = noticeOf(canary, state, { announcement, clusterName });
    if (alerts.length === 0 && globalNotifier !== null) {
      const { type, target } = globalNotifier;
      return this.#queueAlert(canary, { notice, type, name: "global", target: () => Promise.resolve(target) });
    }
    for (const { name, provider } of alertsFor(alerts, announcement.severity)) {
      const target = (signal: AbortSignal) => this.#targetOf(provider, signal);
      this.#queueAlert(canary, { notice, type: provider.type, name, target });
    }
  }

  async #targetOf(provider: AlertProvider, signal: AbortSignal): Promise<NotifierTarget> {
    const { secretName, id } = provider;
    const secret = secretName === null
      ? undefined
      : await this.#parts.readSecret({ namespace: id.namespace, name: secretName }, signal);
    return targetOf(provider, secret);
  }

  #queueAlert(
    canary: Canary,
    alert: {
      readonly notice: ReturnType<typeof noticeOf>;
      readonly type: string;
      readonly name: string;
      readonly target: (signal: AbortSignal) => Promise<NotifierTarget>;
    },
  ): void {
    const { clock, http, log, notifiers } = this.#parts;
    const key = canaryKey(canary.id);
    const run = async (signal: AbortSignal): Promise<void> => {
      try {
        const row = notifiers.get(alert.type);
        await deliver({ clock, http, row, type: alert.type }, alert.notice, { target: alert.target, signal });
      } catch (error) {
        signal.throwIfAborted();
        log.warn("alert-not-delivered", { canary: key, alert: alert.name, announcement: alert.notice.id, error });
      }
    };
    this.#lanes.push(`${key} alerts`, { id: alert.notice.id, run });
  }
}

function logLine(log: Log, canary: Canary, state: State, announcement: Announcement): void {
  const level: LogLevel = announcement.severity === "info" ? "info" : "warn";
  log[level](`canary-${announcement.kind}`, {
    canary: canaryKey(canary.id),
    revision: announcement.revision,
    phase: state.phase,
    severity: announcement.severity,
    message: announcement.message,
    weight: announcement.weight,
    details: announcement.details,
    announcement: announcement.id,
  });
}

function eventType({ severity }: Announcement): "Normal" | "Warning" {
  return severity === "info" ? "Normal" : "Warning";
}

/** "rolling-back" is "RollingBack". */
function pascalCase(kind: string): string {
  return kind.split("-").map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
}
