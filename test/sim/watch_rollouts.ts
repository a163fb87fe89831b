/** Follows the states that the agents save, what they ask, and what they tell. */
import { refKey } from "../../src/core/kube_object.ts";
import type { State } from "../../src/core/state.ts";
import type { RunRecord, ShopRecord } from "./records.ts";
import type { Told } from "./replica.ts";
import type { Asked, World } from "./world.ts";

/** How the end of a rollout is told, by its outcome. */
const ENDS: Readonly<Record<string, readonly string[]>> = {
  succeeded: ["succeeded"],
  skipped: ["succeeded"],
  failed: ["failed", "held"],
  held: ["held"],
  cancelled: ["cancelled", "restarted"],
  initialised: ["initialised"],
  "rolled-back": [],
};

export function watchRollouts(
  world: World,
  records: ReadonlyMap<string, ShopRecord>,
  leader: () => string | null,
): void {
  world.server.onChange(({ ref, after, by }) => {
    for (const record of records.values()) {
      if (refKey(ref) !== refKey(record.shop.refs.state) || after === undefined || !by.startsWith("serin-")) continue;
      const state = world.state(record.shop);
      if (state !== null) saved(world, record, state);
    }
  });
  world.onAsked((process, asked) => {
    const record = records.get(asked.shop.name);
    if (record === undefined) return;
    const follows = leader() !== process.name && leader() !== null;
    record.askedByFollower = follows && asked.what !== "post-rollout" ? record.askedByFollower + 1 : 0;
    if (record.askedByFollower > 3) {
      world.violate("A replica that does not lead asks nobody", `${process.name} asks ${asked.what} again and again`);
    }
    answered(world, record, asked);
  });
}

function saved(world: World, record: ShopRecord, state: State): void {
  const { run } = state;
  world.trace("state", `${record.shop.name}: ${state.phase}${run === null ? "" : ` ${run.stage} ${run.weight} %`}`);
  if (run === null) return;
  if (run.release.images.length === 0 || record.runs.has(run.id)) return;
  record.runs.set(run.id, {
    id: run.id,
    revision: run.release.revision,
    image: run.release.images[0]?.image ?? "",
    granted: 0,
    mirrored: run.mirror,
    rounds: 0,
    openings: 0,
    analysed: false,
    told: new Set(),
    promotions: 0,
  });
}

function currentRun(world: World, record: ShopRecord): RunRecord | undefined {
  const state = world.state(record.shop);
  // While a person has deleted the state, the process goes by what it remembers.
  if (state === null) return [...record.runs.values()].at(-1);
  return state.run === null ? undefined : record.runs.get(state.run.id);
}

function answered(world: World, record: ShopRecord, asked: Asked): void {
  const run = currentRun(world, record);
  if (asked.what !== "metrics" && asked.answer !== "good" && asked.what !== "rollback") record.blame.add(asked.what);
  if (run === undefined) return;
  if (asked.what === "metrics" && asked.answer === "good") {
    run.rounds += 1;
    if (world.state(record.shop)?.run?.mirror === true) run.mirrored = true;
    const pods = world.controllers.readyPods(record.shop.refs.target);
    if (pods.length > 0 && pods.every(({ image }) => image === run.image)) run.analysed = true;
  }
  if (asked.what === "confirm-traffic-increase" && asked.answer === "good") run.openings += 1;
}

export function tell(records: ReadonlyMap<string, ShopRecord>, told: Told): void {
  const record = records.get(told.canary);
  const run = told.run === null ? undefined : record?.runs.get(told.run);
  run?.told.add(told.announcement.kind);
}

/** Asked when the world is quiet: the last rollout's end was told. */
export function checkTold(world: World, record: ShopRecord): void {
  const last = world.state(record.shop)?.last;
  if (last === null || last === undefined) return;
  const run = record.runs.get(last.run);
  const wanted = ENDS[last.outcome] ?? [];
  if (run === undefined || wanted.length === 0 || wanted.some((kind) => run.told.has(kind))) return;
  world.violate(
    "Each phase change is announced, after a crash too",
    `run ${run.id} ended as "${last.outcome}"; told was only ${[...run.told].join(", ") || "nothing"}`,
  );
}
