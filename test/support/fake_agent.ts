/**
 * An agent for tests of the server, page and command line: canaries that a test sets, and commands decided by the rules
 * a test can predict. An approval opens a gate once; everything else is taken as it is.
 */
import type { CanaryId } from "../../src/core/canary.ts";
import { canaryKey } from "../../src/core/canary.ts";
import type { Complaint } from "../../src/core/catalogue.ts";
import type { Command } from "../../src/core/command.ts";
import type { Agent, CanaryDetail, CanarySummary, CommandAnswer, SourceSummary } from "../../src/ports/agent.ts";
import { MANUAL_CLOCK_START_MS } from "./manual_clock.ts";

const MINUTE_MS = 60_000;

/** A canary that waits for the promotion of "abc123" at 50 %; every field has a default. */
export function aCanaryDetail(overrides: Partial<CanaryDetail> = {}): CanaryDetail {
  const now = MANUAL_CLOCK_START_MS;
  return {
    namespace: "prod",
    name: "shop",
    phase: "waiting-promotion",
    flaggerPhase: "WaitingPromotion",
    provider: "istio",
    target: "Deployment/shop",
    weight: 50,
    iterations: 5,
    failedChecks: 0,
    threshold: 3,
    candidate: "abc123",
    candidateImages: ["registry.example.com/team/shop:1.1.0"],
    lock: "def456",
    lockImages: ["registry.example.com/team/shop:1.0.0"],
    waitsFor: "Canary promotion is waiting for approval.",
    gate: "confirm-promotion",
    stalled: null,
    paused: null,
    phaseSince: now - 3 * MINUTE_MS,
    last: { outcome: "succeeded", revision: "def456", reason: "", at: now - 600 * MINUTE_MS },
    strategy: "Weight steps: 10, 20, 30, 40, 50",
    evidence: [],
    approvals: [],
    complaints: [],
    events: [],
    source: { name: "main", file: "apps/shop/canary.yaml", commit: "3f786850e387550fdab836ed7e6dc881de23001b" },
    ...overrides,
  };
}

/** What happened to an agent. */
export interface FakeAgent extends Agent {
  /** Commands that were taken, in order. */
  readonly taken: readonly { readonly key: string; readonly command: Command }[];
  /** Sources that were hinted at. */
  readonly hints: readonly string[];
  readonly confirmedBy: readonly string[];
  set(canary: CanaryDetail): void;
  remove(id: CanaryId): void;
  leading: boolean;
  notReady: readonly string[];
}

export interface FakeAgentOptions {
  readonly canaries?: readonly CanaryDetail[];
  readonly sources?: readonly SourceSummary[];
  readonly complaints?: readonly Complaint[];
}

export function fakeAgent(options: FakeAgentOptions = {}): FakeAgent {
  const canaries = new Map((options.canaries ?? [aCanaryDetail()]).map((canary) => [canaryKey(canary), canary]));
  const taken: { readonly key: string; readonly command: Command }[] = [];
  const hints: string[] = [];
  const confirmedBy: string[] = [];
  const agent: FakeAgent = {
    taken,
    hints,
    confirmedBy,
    leading: true,
    notReady: [],
    set: (canary) => void canaries.set(canaryKey(canary), canary),
    remove: (id) => void canaries.delete(canaryKey(id)),
    canaries: () => [...canaries.values()].map(summaryOf),
    canary: (id) => canaries.get(canaryKey(id)),
    sources: () => options.sources ?? [],
    complaints: () => options.complaints ?? [],
    command(id, command) {
      if (!agent.leading) return Promise.resolve({ type: "not-leader", leader: "serin-0" });
      const key = canaryKey(id);
      const canary = canaries.get(key);
      if (canary === undefined) return Promise.resolve({ type: "unknown-canary" });
      const answer = decide(canary, command);
      if (answer.type === "done") {
        taken.push({ key, command });
        if (command.type === "approve" || command.type === "reject") {
          canaries.set(key, { ...canary, gate: null, waitsFor: null, phase: "promoting" });
        }
      }
      return Promise.resolve(answer);
    },
    confirmRemoval(by) {
      confirmedBy.push(by);
      return Promise.resolve({ type: "done", message: "The removals are confirmed." });
    },
    hint(source) {
      hints.push(source);
      return true;
    },
    readiness: () => ({ ready: agent.notReady.length === 0, reasons: agent.notReady }),
  };
  return agent;
}

function decide(canary: CanaryDetail, command: Command): CommandAnswer {
  const isDecision = command.type === "approve" || command.type === "reject";
  if (isDecision && canary.gate === null) {
    return { type: "refused", reason: `It does not wait for an approval: its phase is "${canary.phase}".` };
  }
  if (isDecision && command.revision !== canary.candidate) {
    return { type: "refused", reason: `It waits for revision ${canary.candidate}, not for ${command.revision}.` };
  }
  if (isDecision && command.gate !== null && command.gate !== canary.gate) {
    return { type: "refused", reason: `It waits at "${canary.gate}", not at "${command.gate}".` };
  }
  return { type: "done", message: `Done: ${command.type}.` };
}

function summaryOf(canary: CanaryDetail): CanarySummary {
  const { strategy: _1, evidence: _2, approvals: _3, complaints: _4, events: _5, source: _6, ...summary } = canary;
  return summary;
}
