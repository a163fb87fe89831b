/**
 * What must hold in every turn whatever the story: each check names the sentence of the design that it stands for.
 * Kept as a fold over turns, with a small memory for what only two turns together can show.
 */
import assert from "node:assert/strict";
import type { Action, Announcement, AnnouncementKind } from "../../src/core/action.ts";
import { lockDigest } from "../../src/core/decision.ts";
import type { CheckResult, Observation } from "../../src/core/observation.ts";
import { PROXIES_FOLLOW_MS } from "../../src/core/readiness.ts";
import type { Phase, Run, State } from "../../src/core/state.ts";
import { step } from "../../src/core/step.ts";
import { saved, type Turned } from "./story.ts";

/** What earlier turns leave behind for later checks. */
export interface Memory {
  /** Whether the newest round of checks passed; null before the first of this rollout. */
  readonly passed: boolean | null;
  /** The traffic gate was seen open, or opened by a person, since the share last rose. */
  readonly opened: boolean;
  /** Since when routes are observed at 0, or null. */
  readonly zeroSince: number | null;
  /** Since when a pod of the canary is seen ready, and all of the primary with the lock's revision, or null. */
  readonly readySince: { readonly canary: number | null; readonly primary: number | null };
  readonly said: ReadonlyMap<string, string>;
}

export const NO_MEMORY: Memory = {
  passed: null,
  opened: false,
  zeroSince: 0,
  readySince: { canary: null, primary: null },
  said: new Map(),
};

/** Checks one turn. Throws an AssertionError that names the broken sentence. */
export function checkTurn(memory: Memory, turned: Turned): Memory {
  repeatable(turned);
  weights(turned);
  const judged = lookedAt(judge(memory, turned), turned);
  rises(judged, turned);
  primaryShare(turned);
  scaledDown(judged, turned);
  capacityFirst(turned);
  proxiesFollow(judged, turned);
  fencedFirst(turned);
  primaryFromLock(turned);
  reverts(turned);
  quarantine(turned);
  endings(turned);
  told(turned);
  return after(judged, turned);
}

function repeatable({ before, seen, after, actions, now }: Turned): void {
  const again = step(before, seen, now);
  assert.deepEqual(saved(again.state), after, "step() is deterministic");
  assert.deepEqual(again.actions, actions, "step() gives the same actions and ids when it is repeated");
  assert.deepEqual(JSON.parse(JSON.stringify(again.state)), again.state, "State survives a JSON round trip");
}

function routesIn(actions: readonly Action[]): readonly Extract<Action, { readonly type: "route" }>[] {
  return actions.filter((action) => action.type === "route");
}

function weights({ after, actions }: Turned): void {
  const all = [...routesIn(actions).map(({ routes }) => routes.weight), after.run?.weight ?? 0];
  for (const weight of all) {
    assert(Number.isInteger(weight) && weight >= 0 && weight <= 100, `Weights are whole percent, 0 to 100: ${weight}`);
  }
}

/** Judged here by other words than in the core: any check that counts and did not pass spoils the round. */
function roundPassed(run: Run, seen: Observation): boolean {
  const { onNoData, onInconclusive } = run.canary.analysis;
  const lenient = (check: CheckResult) => (check.noData ? onNoData : onInconclusive) === "pass";
  const { metrics, hooks } = seen.answers;
  const passed = (check: CheckResult) =>
    check.dryRun || check.outcome === "passed" || (check.outcome === "inconclusive" && lenient(check));
  const hookPassed = hooks.rollout === undefined || hooks.rollout.type === "open" ||
    (hooks.rollout.type === "unknown" && onInconclusive === "pass");
  return (metrics ?? []).every(passed) && hookPassed;
}

function judge(memory: Memory, { before, seen, asked }: Turned): Memory {
  const { run } = before;
  if (run === null) return memory;
  const measured = asked.some(({ type }) => type === "metrics") && seen.answers.metrics !== null;
  const gate = seen.answers.hooks["confirm-traffic-increase"]?.type === "open" ||
    run.openGates.includes("confirm-traffic-increase");
  return {
    ...memory,
    passed: measured ? roundPassed(run, seen) : memory.passed,
    opened: memory.opened || gate,
  };
}

/** "Weights rise only after a passed analysis with gates open." */
function rises(memory: Memory, { before, after, seen }: Turned): void {
  const [from, to] = [before.run, after.run];
  if (from === null || to === null || from.id !== to.id || to.weight <= from.weight) return;
  const { analysis } = to.canary;
  if (before.phase === "promoting" || before.phase === "restoring") {
    const { primary } = seen.cluster;
    const relieved = to.weight === 100 && primary.available < Math.max(to.primaryReplicas, primary.replicas);
    const followed = to.weight === seen.cluster.routes.weight;
    assert(
      relieved || followed,
      "After a promotion the canary's share only rises when the primary cannot carry its own",
    );
    return;
  }
  assert(before.phase === "progressing", `The share only rises while progressing: ${before.phase}`);
  const first = from.weight === 0 && !from.mirror && from.iterations === 0 && analysis.strategy.type !== "blue-green";
  assert(first || memory.passed === true, "The share only rises after a round that passed");
  const gated = analysis.strategy.type === "weights" && !from.mirror &&
    analysis.webhooks.some(({ type }) => type === "confirm-traffic-increase");
  assert(!gated || memory.opened, "The share only rises with the traffic gate open");
}

function primaryReady(state: State, seen: Observation): boolean {
  const { primary } = seen.cluster;
  const percent = state.run?.canary.analysis.primaryReadyPercent ?? 100;
  return primary.exists && primary.observed && primary.revision === state.lock?.release.revision &&
    primary.ready >= Math.max(1, Math.ceil((primary.replicas * percent) / 100));
}

/** "Once promotion began, the primary's share never rises while it is not ready." */
function primaryShare({ before, after, seen, actions }: Turned): void {
  const promoting: readonly Phase[] = ["promoting", "restoring"];
  if (!promoting.includes(before.phase) || !promoting.includes(after.phase)) return;
  for (const { routes } of routesIn(actions)) {
    const rises = routes.weight < seen.cluster.routes.weight;
    assert(!rises || primaryReady(before, seen), "The primary's share rises though it is not ready");
  }
}

function atZero(seen: Observation): boolean {
  const { routes } = seen.cluster;
  return !routes.exists || (routes.weight === 0 && !routes.mirror && routes.accepted === "yes");
}

/** "Nothing is scaled down before traffic back was observed and settled." */
function scaledDown(memory: Memory, { before, seen, actions, now }: Turned): void {
  const canary = before.run?.canary ?? before.canary;
  const down = actions.some((action) => action.type === "scale-target" && action.replicas === 0);
  if (!down || canary === null || !canary.traits.weights) return;
  assert(atZero(seen), "The canary goes to zero though traffic is not seen to be back");
  const since = memory.zeroSince ?? now;
  assert(now - since >= canary.promotion.settleMs, "The canary goes to zero before the routes have settled");
}

/** "Before a share moves, the workload that receives it has the ready pods for it." */
function capacityFirst({ before, seen, actions }: Turned): void {
  const { run } = before;
  if (run === null) return;
  const { target, primary, routes: live } = seen.cluster;
  for (const { routes } of routesIn(actions)) {
    if (routes.weight <= live.weight) continue;
    const full = Math.max(1, run.primaryReplicas, primary.replicas);
    const wanted = Math.max(1, Math.ceil((routes.weight * full) / 100));
    const enough = Math.ceil((wanted * run.canary.analysis.canaryReadyPercent) / 100);
    assert(target.ready >= enough, "A share moves to pods that are not ready");
  }
}

function lookedAt(memory: Memory, { before, seen, now }: Turned): Memory {
  const { canary, primary } = memory.readySince;
  const all = primaryReady(before, seen) && seen.cluster.primary.old === 0;
  const readySince = {
    canary: seen.cluster.target.ready > 0 ? canary ?? now : null,
    primary: all ? primary ?? now : null,
  };
  return { ...memory, readySince };
}

/** "Before a share relies on pods, they have been seen ready for as long as proxies take to learn of them." */
function proxiesFollow({ readySince }: Memory, { before, after, seen, actions, now }: Turned): void {
  const live = seen.cluster.routes;
  const long = (since: number | null) => since !== null && now - since >= PROXIES_FOLLOW_MS;
  const takesBack = [before.phase, after.phase].every((phase) => phase === "promoting" || phase === "restoring");
  for (const { routes } of routesIn(actions)) {
    const isFirst = live.weight === 0 && !live.mirror && (routes.weight > 0 || routes.mirror);
    assert(!isFirst || takesBack || long(readySince.canary), "The first share meets pods that proxies may not know");
    const isBack = takesBack && routes.weight < live.weight && before.run?.weight !== routes.weight;
    assert(!isBack || long(readySince.primary), "Traffic goes back to pods that proxies may not know");
  }
}

/** "While a share is on, the target is fenced"; "nothing unanalysed gets a share". */
function fencedFirst({ before, seen, actions }: Turned): void {
  const { cluster } = seen;
  const { run } = before;
  if (run === null) return;
  for (const { routes } of routesIn(actions)) {
    const rises = routes.weight > cluster.routes.weight || (routes.mirror && !cluster.routes.mirror);
    const fenced: boolean = !cluster.fenceNeeded || (cluster.fence === "ours" && cluster.fenceRun === run.id);
    assert(!rises || fenced, "A share is put on a target that is not fenced");
    const analysed: boolean = run.templateDigest !== null && cluster.target.templateDigest === run.templateDigest;
    assert(!rises || analysed, "A share is put on a target that was not analysed");
  }
}

/** "The primary is applied from the commit"; "a lock that our state calls withdrawn is never applied". */
function primaryFromLock({ before, after, seen, actions }: Turned): void {
  for (const action of actions) {
    if (action.type !== "apply-primary") continue;
    const digest = lockDigest(action.lock);
    assert(!after.withdrawn.includes(digest), "A withdrawn lock is applied");
    const known = [before.lock, after.lock].some((lock) => lock !== null && lockDigest(lock) === digest);
    assert(known, "The primary is applied from something that is not the lock");
  }
  const changed = after.lock !== null && (before.lock === null || lockDigest(after.lock) !== lockDigest(before.lock));
  if (!changed || before.lock === null || after.lock === null) return;
  const { lock } = seen.git;
  const inGit = lock.type === "read" && lockDigest(lock.value) === lockDigest(after.lock);
  const back = before.run?.previous ?? before.decision?.lock ?? null;
  const restored = back !== null && lockDigest(back) === lockDigest(after.lock);
  assert(inGit || seen.decision?.type === "committed" || restored, "A lock that Git does not hold becomes the lock");
}

/** "Failure: traffic back, and observed, then canary to zero, then the revert is written." */
function reverts({ before, after, seen, actions }: Turned): void {
  for (const action of actions) {
    if (action.type !== "submit") continue;
    const { kind } = action.decision;
    if (kind !== "revert" && kind !== "withdrawal") continue;
    const { routes } = seen.cluster;
    const back = before.run === null ? routes.weight === 0 && !routes.mirror : atZero(seen);
    assert(
      back || before.run?.canary.traits.weights === false,
      `A ${kind} is written though traffic is not seen to be back`,
    );
    const fresh = before.decision?.id !== after.decision?.id;
    assert(
      !fresh || before.run === null || seen.cluster.target.replicas === 0,
      `A ${kind} is written before the canary is at zero`,
    );
  }
}

/** "A quarantined or held revision gets no rollout." */
function quarantine({ before, after, seen }: Turned): void {
  if (before.run !== null || after.run === null) return;
  if (after.phase !== "waiting" && after.phase !== "starting") return;
  const { revision } = after.run.release;
  const { status } = seen.git;
  const listed = status.type === "read" && status.value.quarantine.some((entry) => entry.revision === revision);
  assert(!listed && !before.quarantined.includes(revision), "A quarantined revision gets a rollout");
  assert(before.held?.revision !== revision, "A held revision gets a rollout");
}

/** "Succeeded only when the primary was seen running the revision." */
function endings({ before, after, seen }: Turned): void {
  const ended = after.last?.run !== before.last?.run ? after.last : null;
  if (ended === null || (ended.outcome !== "succeeded" && ended.outcome !== "skipped")) return;
  const { primary } = seen.cluster;
  assert.equal(primary.revision, ended.revision, "Succeeded without the primary seen running the revision");
  assert(primary.ready > 0, "Succeeded with no pod of the primary ready");
  assert(atZero(seen) || before.run?.canary.traits.weights === false, "Succeeded with traffic on the canary");
}

/** Announcements of which one must come with a change of phase; what is not listed is told by what follows it. */
const TOLD: readonly (readonly [from: RegExp, to: RegExp, kinds: readonly AnnouncementKind[]])[] = [
  [/^(idle|waiting)$/, /^starting$/, ["started"]],
  [/^(waiting|starting|progressing|waiting-promotion|pushing)$/, /^rolling-back$/, [
    "rolling-back",
    "cancelled",
    "restarted",
  ]],
  [/^progressing$/, /^waiting-promotion$/, ["waiting"]],
  [/^(pushing|rolling-back)$/, /^promoting$/, ["promoting"]],
  [/^(promoting|finalising)$/, /^restoring$/, ["rolling-back"]],
  [/^finalising$/, /^idle$/, ["succeeded"]],
  [/^(rolling-back|restoring)$/, /^reverting$/, ["failed"]],
  [/^initialising$/, /^idle$/, ["initialised"]],
  [/^handing-back$/, /^released$/, ["removed"]],
];

export function announcements(actions: readonly Action[]): readonly Announcement[] {
  return actions.flatMap((action) => action.type === "announce" ? [action.announcement] : []);
}

/** "Each phase change is announced, a deadline too." */
function told({ before, after, actions }: Turned): void {
  checkTold(before, after, actions);
}

/** The same for a change of phase that a command made. */
export function checkTold(before: State, after: State, actions: readonly Action[]): void {
  const kinds = announcements(actions).map(({ kind }) => kind);
  if (before.phase !== after.phase) {
    for (const [from, to, wanted] of TOLD) {
      if (!from.test(before.phase) || !to.test(after.phase)) continue;
      const some = wanted.some((kind) => kinds.includes(kind));
      assert(some, `${before.phase} to ${after.phase} is not announced: ${kinds.join() || "nothing"} was said`);
    }
  }
  const held = before.phase === "rolling-back" && after.phase === "idle" && after.last?.outcome === "held";
  assert(!held || kinds.includes("held"), "A held rollout is not announced");
}

function after(memory: Memory, { before, after, seen, actions, now }: Turned): Memory {
  const said = new Map(memory.said);
  for (const { id, message } of announcements(actions)) {
    const known = said.get(id);
    assert(known === undefined || known === message, `One id says two things: ${known} and ${message}`);
    said.set(id, message);
  }
  const fresh = after.run?.id !== before.run?.id;
  const rose = (after.run?.weight ?? 0) > (before.run?.weight ?? 0);
  return {
    passed: fresh ? null : memory.passed,
    opened: fresh || rose ? false : memory.opened,
    zeroSince: atZero(seen) ? memory.zeroSince ?? now : null,
    readySince: memory.readySince,
    said,
  };
}
