/** What a notifier is told: Flagger's fields and sentences, from the canary that ran and what was announced. */
import type { Announcement, AnnouncementKind } from "../core/action.ts";
import type { AlertSpec, Canary, Severity, Strategy } from "../core/canary.ts";
import type { State } from "../core/state.ts";
import type { Notice } from "../ports/notifier.ts";

type NoticeField = Notice["fields"][number];

/** Announcements that describe the rollout too, as Flagger's first two alerts do. */
const DESCRIBING: readonly AnnouncementKind[] = ["initialised", "started", "restarted"];
const DETAILS_MAX = 10;

export function noticeOf(
  canary: Canary,
  state: Pick<State, "phase">,
  told: { readonly announcement: Announcement; readonly clusterName: string },
): Notice {
  const { announcement, clusterName } = told;
  const { namespace, name } = canary.id;
  const details = Object.entries(announcement.details).slice(0, DETAILS_MAX);
  return {
    subject: `${name}.${namespace}`,
    severity: announcement.severity,
    message: announcement.message,
    fields: [
      ...(clusterName === "" ? [] : [{ name: "Cluster", value: clusterName }]),
      ...(DESCRIBING.includes(announcement.kind) ? rolloutFields(canary) : []),
      ...details.map(([field, value]) => ({ name: field, value: String(value) })),
    ],
    id: announcement.id,
    canary: { namespace, name },
    phase: state.phase,
    revision: announcement.revision,
  };
}

function rolloutFields(canary: Canary): readonly NoticeField[] {
  const { target, analysis, progressDeadlineMs, id } = canary;
  return [
    { name: "Target", value: `${target.kind}/${target.name}.${id.namespace}` },
    { name: "Failed checks threshold", value: String(analysis.threshold) },
    { name: "Progress deadline", value: `${Math.round(progressDeadlineMs / 1_000)}s` },
    { name: "Traffic routing", value: routingOf(analysis.strategy) },
  ];
}

/** "Weight step: 10 max: 50", or the steps where they are not even. */
function routingOf(strategy: Strategy): string {
  switch (strategy.type) {
    case "ab":
      return "A/B Testing";
    case "blue-green":
      return "Blue/Green";
    case "weights": {
      const { steps } = strategy;
      const [first = 0] = steps;
      const max = steps.at(-1) ?? 0;
      const isEven = steps.every((step, index) => step === Math.min(max, first * (index + 1)));
      return isEven ? `Weight step: ${first} max: ${max}` : `Weight steps: ${steps.join(",")} max: ${max}`;
    }
  }
}

/** Alerts of the canary that want an announcement of this severity. */
export function alertsFor(alerts: readonly AlertSpec[], severity: Severity): readonly AlertSpec[] {
  const rank: Readonly<Record<Severity, number>> = { info: 0, warn: 1, error: 2 };
  return alerts.filter((alert) => rank[severity] >= rank[alert.severity]);
}
