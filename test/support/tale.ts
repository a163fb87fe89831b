/** What the users of several applications met while those were rolled out, and what their routes said meanwhile. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { Load, LoadEntry } from "../../src/sandbox/load/load_generator.ts";
import { imageOf, manifestOf } from "./app_files.ts";
import { chiSquared, type RouteHistory, type RouteSpan, within } from "./route_history.ts";
import type { TestStage } from "./stage.ts";
import { until } from "./until.ts";

export interface Told {
  readonly load: Load;
  readonly route: RouteHistory;
}

/** Requests of a canary's users, and the route they went by. */
export type Tale = ReadonlyMap<string, Told>;

/** Waits until every application is promoted and its users are answered by the new release, then ends the requests. */
export async function untilPromoted(stage: TestStage, tale: Tale, tag: string): Promise<void> {
  await Promise.all(
    [...tale.keys()].map((name) =>
      stage.of(name).see(
        "promoted",
        (view) => view.phase === "idle" && ["succeeded", "skipped"].includes(view.last?.outcome ?? ""),
        90_000,
      )
    ),
  );
  await until(
    "users are answered by the promoted release",
    () => [...tale.values()].every(({ load }) => load.log.slice(-20).every(({ version }) => version === tag)),
  );
  for (const { load, route } of tale.values()) {
    await load.stop();
    route.stop();
  }
}

/** Puts every application of the tale on another tag, in one commit. */
export async function bumpAll(stage: TestStage, names: readonly string[], tag: string): Promise<void> {
  const files: Record<string, string> = {};
  for (const name of names) {
    const text = await stage.sandbox.git.read(REPOSITORY, manifestOf(name)) ?? "";
    files[manifestOf(name)] = text.replace(imageOf(name, "1.0.0"), imageOf(name, tag));
  }
  await stage.sandbox.git.commit(REPOSITORY, files, { message: `Bump everything to ${tag}` });
}

function toldOf(tale: Tale, name: string): Told {
  const told = tale.get(name);
  ok(told !== undefined, name);
  return told;
}

export function logOf(tale: Tale, name: string): readonly LoadEntry[] {
  return toldOf(tale, name).load.log;
}

export function routeOf(tale: Tale, name: string): RouteHistory {
  return toldOf(tale, name).route;
}

export function lost(log: readonly LoadEntry[]): readonly LoadEntry[] {
  return log.filter(({ status }) => status !== 200);
}

export function shares(tale: Tale, name: string): readonly string[] {
  return routeOf(tale, name).spans.map(({ weight, mirror }) => `${weight}${mirror ? " mirrored" : ""}`);
}

/** Each span's share of the canary's pods, measured at the client, is what the route said. */
export function sharesHold(tale: Tale, name: string): void {
  let measured = 0;
  const spans = routeOf(tale, name).spans;
  for (const span of spans.slice(0, -1)) {
    const answered = within(span, logOf(tale, name));
    if (answered.length < 10) continue;
    measured++;
    const hits = answered.filter(isCanary).length;
    const stray = chiSquared(hits, answered.length, span.weight / 100);
    ok(stray < 20, `${name} at ${span.weight}: ${hits} of ${answered.length}, chi-squared ${stray}`);
  }
  ok(measured >= spans.length - 2, `${name}: only ${measured} spans were long enough to be measured`);
}
/** While an A/B test runs, users that do not match are on the primary. */
export function pinned(tale: Tale, name: string): RouteSpan {
  deepStrictEqual(shares(tale, name), ["0", "100", "0"]);
  const [span] = routeOf(tale, name).spans.filter(({ weight }) => weight === 100);
  ok(span !== undefined);
  const answered = within(span, logOf(tale, name));
  ok(answered.length > 15, `${answered.length} requests`);
  deepStrictEqual(workloadsIn(answered), ["primary"]);
  return span;
}

export function versionsIn(log: readonly LoadEntry[]): readonly string[] {
  return [...new Set(log.map(({ version }) => version ?? "none"))].sort();
}

export function workloadsIn(log: readonly LoadEntry[]): readonly string[] {
  return [...new Set(log.map((entry) => isCanary(entry) ? "canary" : "primary"))].sort();
}

export function isCanary({ pod = "" }: LoadEntry): boolean {
  return !pod.includes("-primary-");
}

/** Users who met the canary while it had a share, and what each was answered by from then on, in the same span. */
export function staysAfterFirst(span: RouteSpan, log: readonly LoadEntry[]): ReadonlyMap<number, readonly LoadEntry[]> {
  const stays = new Map<number, LoadEntry[]>();
  const knowsAtMs = new Map<number, number>();
  for (const entry of within(span, log).toSorted((a, b) => a.atMs - b.atMs)) {
    const user = entry.user ?? -1;
    const known = stays.get(user);
    // What was sent before the first answer with the cookie had come was sent without it.
    if (known !== undefined && entry.atMs > (knowsAtMs.get(user) ?? 0)) known.push(entry);
    if (known !== undefined || !isCanary(entry)) continue;
    stays.set(user, []);
    knowsAtMs.set(user, entry.atMs + entry.ms);
  }
  return stays;
}
