/** States and catalogue entries as the API and the page show them. */
import type { CatalogueEntry, Complaint } from "../core/catalogue.ts";
import type { CanaryId } from "../core/canary.ts";
import { waitsAtGate } from "../core/command.ts";
import { isSame } from "../core/same.ts";
import { flaggerPhase, type State } from "../core/state.ts";
import type { CanaryDetail, CanarySummary } from "../ports/agent.ts";
import type { RecentEvent } from "./telling.ts";

/** What is shown of a state between two turns: of a canary at rest little more than what its lock is called. */
export interface Shown
  extends Pick<State, "phase" | "phaseSince" | "run" | "waitsFor" | "stalled" | "paused" | "canary"> {
  readonly flaggerPhase: string;
  readonly lock: { readonly revision: string; readonly images: readonly string[] } | null;
  readonly last: CanarySummary["last"];
}

/** @param entry what Git declares: its Canary is shown where the state's says the same, so that one of them is kept */
export function shownOf(state: State, entry?: CatalogueEntry): Shown {
  const { phase, phaseSince, run, waitsFor, stalled, paused, lock, last } = state;
  const declared = entry?.type === "canary" ? entry.canary : null;
  const canary = isSame(state.canary, declared) ? declared : state.canary;
  return {
    phase,
    phaseSince,
    run,
    waitsFor,
    stalled,
    paused,
    canary,
    flaggerPhase: flaggerPhase(state),
    lock: lock === null ? null : { revision: lock.release.revision, images: namesOf(lock.release.images) },
    last: last === null ? null : { outcome: last.outcome, revision: last.revision, reason: last.reason, at: last.at },
  };
}

function namesOf(images: readonly { readonly image: string }[]): readonly string[] {
  return images.map(({ image }) => image);
}

export interface ViewInput {
  readonly id: CanaryId;
  readonly state: Shown;
  readonly entry: CatalogueEntry | undefined;
  /** What the last turn failed of, or null. */
  readonly trouble: string | null;
}

export function summaryOf(input: ViewInput): CanarySummary {
  const { state, entry, id } = input;
  const declared = entry?.type === "canary" ? entry : null;
  const canary = state.run?.canary ?? declared?.canary ?? state.canary;
  const complaint = entry?.type === "broken" ? entry.complaints[0] : undefined;
  // What an engine renders is no candidate before it has a rollout.
  const isKnown = declared !== null && declared.release.rendering === undefined;
  const candidate = state.run?.release ?? (isKnown ? declared.release : null);
  return {
    namespace: id.namespace,
    name: id.name,
    phase: state.phase,
    flaggerPhase: state.flaggerPhase,
    provider: canary?.provider ?? "",
    target: canary === null ? "" : `${canary.target.kind}/${canary.target.name}`,
    weight: state.run?.weight ?? 0,
    iterations: state.run?.iterations ?? 0,
    failedChecks: state.run?.failedChecks ?? 0,
    threshold: canary?.analysis.threshold ?? 0,
    candidate: candidate?.revision ?? null,
    candidateImages: namesOf(candidate?.images ?? []),
    lock: state.lock?.revision ?? null,
    lockImages: state.lock?.images ?? [],
    waitsFor: state.waitsFor,
    gate: waitsAtGate(state),
    stalled: input.trouble ?? (complaint === undefined ? state.stalled : sentence(complaint)),
    paused: state.paused,
    phaseSince: state.phaseSince,
    last: state.last,
  };
}

export function sentence(complaint: Complaint): string {
  const place = complaint.line > 0 ? `${complaint.file}:${complaint.line}` : complaint.file;
  const field = complaint.field === "" ? "" : ` ${complaint.field}:`;
  return `${place}:${field} ${complaint.message}${complaint.fix === "" ? "" : ` (${complaint.fix})`}`;
}

export function detailOf(
  input: ViewInput,
  more: {
    readonly complaints: readonly Complaint[];
    readonly events: readonly RecentEvent[];
    readonly source: { readonly name: string; readonly commit: string | null };
  },
): CanaryDetail {
  const { state, entry } = input;
  const declared = entry?.type === "canary" ? entry.canary : null;
  const canary = state.run?.canary ?? declared ?? state.canary;
  return {
    ...summaryOf(input),
    strategy: canary?.analysis.strategy.type ?? "",
    evidence: state.run?.evidence ?? [],
    approvals: (state.run?.approvals ?? []).map(({ gate, by, verdict, reason, at }) => ({
      gate,
      by,
      verdict,
      reason,
      at,
    })),
    complaints: more.complaints,
    events: more.events,
    source: { name: more.source.name, file: canary?.source.file ?? "", commit: more.source.commit },
  };
}
