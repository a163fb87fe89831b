/** Whether a world has come to rest: Git, lock, primary, routes and replicas agree, or somebody is told why not. */
import { lockDigest } from "../../src/core/decision.ts";
import type { CanarySummary } from "../../src/ports/agent.ts";
import { committedLock } from "../../src/ledger/lock_file.ts";
import type { ShopRecord } from "./records.ts";
import { deploymentPath } from "./shop.ts";
import { imageIn, lockAt } from "./watch_git.ts";
import { revisionIn } from "./watch_traffic.ts";
import type { World } from "./world.ts";

/** What the agent says of itself, which the saved state may lag behind in words. */
export type Said = Pick<CanarySummary, "waitsFor" | "stalled"> | undefined;

/** Null when the canary is at rest, else what is not as it should be. */
export function restless(world: World, record: ShopRecord, said: Said): string | null {
  const { shop } = record;
  const { refs } = shop;
  const state = world.state(shop);
  if (state === null) return "no state is saved";
  if (state.phase !== "idle") return `the phase is "${state.phase}" (${state.waitsFor ?? state.stalled ?? "busy"})`;
  if (state.decision !== null) return "a decision is on its way";
  const { lock } = state;
  if (lock === null) return "no lock is remembered";
  const primary = world.server.get(refs.primary);
  if (revisionIn(primary) !== lock.release.revision) return `the primary is not the lock (${revisionIn(primary)})`;
  const wanted = world.replicasOf(refs.primary);
  if (wanted < 1 || world.readyOf(refs.primary) !== wanted) return `the primary wants ${wanted} pods`;
  const traffic = world.traffic(shop);
  if (traffic.apex !== "primary") return `the apex leads to the ${traffic.apex}`;
  if (traffic.weight > 0 || traffic.mirror) return `the weight is ${traffic.weight}`;
  if (refs.route !== null && world.server.get(refs.route) === undefined) return "there is no route";
  if (world.replicasOf(refs.target) > 0) return `the target has ${world.replicasOf(refs.target)} replicas`;
  const view = lockAt(world, shop.name);
  if (view.type !== "read") return `the lock in Git is ${view.type}`;
  if (lockDigest(view.value.lock) !== lockDigest(committedLock(lock))) {
    return "the lock in Git is not the one remembered";
  }
  const declared = imageIn(world.git.text(deploymentPath(shop.name)), shop.name);
  const locked = lock.release.images[0]?.image;
  if (declared === locked) return null;
  return isExcused(world, record, { declared, said }) ? null : `Git declares ${declared}, the lock has ${locked}`;
}

/** A tip that is not the lock is fine where the agent says why, and waits for a person. */
function isExcused(
  world: World,
  record: ShopRecord,
  { declared, said }: { readonly declared: string | null; readonly said: Said },
): boolean {
  const state = world.state(record.shop);
  if (state === null || said === undefined) return false;
  const run = [...record.runs.values()].find(({ image }) => image === declared);
  if (run !== undefined && (state.held?.revision === run.revision || state.quarantined.includes(run.revision))) {
    return true;
  }
  return said.stalled !== null;
}
