/** Invariants of what the agent writes to Git, asked at every commit. */
import { lockDigest } from "../../src/core/decision.ts";
import { parseLockFile } from "../../src/ledger/lock_file.ts";
import { trailerValues } from "../../src/ledger/trailers.ts";
import type { CommitInfo } from "../../src/ports/git.ts";
import type { ShopRecord } from "./records.ts";
import { CLUSTER, deploymentPath, imageOf, NAMESPACE } from "./shop.ts";
import type { World } from "./world.ts";

export function lockPathOf(shop: string): string {
  return `.serin/${CLUSTER.name}/${NAMESPACE}/${shop}/primary.yaml`;
}

/** The image that a manifest or a lock of a shop names first. */
export function imageIn(text: string | undefined, shop: string): string | null {
  const found = new RegExp(
    `image: "?(${imageOf(shop, "[0-9.]+").replaceAll(".", "\\.").replace("[0-9\\.]+", "[0-9.]+")})`,
  )
    .exec(text ?? "");
  return found?.[1] ?? null;
}

/** Locks by their text, since they are asked for again and again. */
const parsed = new Map<string, ReturnType<typeof parseLockFile>>();

/** The lock of a shop at a commit. */
export function lockAt(world: World, shop: string, commit?: string): ReturnType<typeof parseLockFile> {
  const text = world.git.text(lockPathOf(shop), commit);
  if (text === undefined) return { type: "absent" };
  const known = parsed.get(text);
  if (known !== undefined) return known;
  if (parsed.size > 100) parsed.clear();
  const view = parseLockFile(text);
  parsed.set(text, view);
  return view;
}

export function watchGit(world: World, records: ReadonlyMap<string, ShopRecord>): void {
  let known = new Set(world.git.log(10_000).map(({ oid }) => oid));
  const ids = new Set<string>();
  world.onGit(() => {
    const log = world.git.log(10_000);
    const fresh = log.filter(({ oid }) => !known.has(oid)).reverse();
    known = new Set(log.map(({ oid }) => oid));
    for (const commit of fresh) {
      for (const record of records.values()) noteLock(world, record, commit.oid);
      const [canary] = trailerValues(commit.message, "Serin-Canary");
      const record = records.get(canary?.split("/")[1] ?? "");
      if (record === undefined) continue;
      const [id = ""] = trailerValues(commit.message, "Serin-Run");
      if (ids.has(id)) world.violate("No decision is written twice", `${id} is committed again in ${commit.oid}`);
      ids.add(id);
      decided(world, record, commit, id);
    }
  });
}

function noteLock(world: World, record: ShopRecord, commit: string): void {
  const view = lockAt(world, record.shop.name, commit);
  if (view.type === "read") record.committed.add(view.value.lock.release.revision);
}

function decided(world: World, record: ShopRecord, commit: CommitInfo, id: string): void {
  const parent = commit.parents[0];
  if (parent === undefined) return;
  const { name } = record.shop;
  const kind = trailerValues(commit.message, "Serin-Decision")[0] ?? "";
  const revision = trailerValues(commit.message, "Serin-Revision")[0] ?? "";
  const manifest = deploymentPath(name);
  const folder = `.serin/${CLUSTER.name}/${NAMESPACE}/${name}/`;
  for (const path of world.git.paths()) {
    if (world.git.text(path, commit.oid) === world.git.text(path, parent)) continue;
    // Decisions of several canaries may share a push, each its own commit.
    if (path !== manifest && !path.startsWith(folder)) {
      world.violate("Nothing but the ledger and the release unit changes", `${id} changes ${path}`);
    }
  }
  const [before, after] = [world.git.text(manifest, parent), world.git.text(manifest, commit.oid)];
  if (before !== after) restored(world, record, { id, before, after, commit: commit.oid, kind });
  if (kind === "promotion") promoted(world, record, { id, revision });
  if (kind === "revert" || kind === "withdrawal" || kind === "rollback") {
    const { weight, mirror } = world.traffic(record.shop);
    if ((weight > 0 || mirror) && kind !== "rollback" && record.routeBy.startsWith("serin-")) {
      world.violate("Traffic is back before the revert is pushed", `${id} lands while the weight is ${weight}`);
    }
    record.failed.add(revision);
  }
  if (kind === "revert" && record.blame.size === 0) {
    const image = imageIn(before, name);
    const run = [...record.runs.values()].find((one) => one.revision === revision);
    const quality = world.qualityOf(run?.image ?? image ?? "");
    if (quality === "good" || quality === "slow") {
      world.violate(
        "An outage of Prometheus or Git never rewrites anybody's repository",
        `${id} reverts a ${quality} release`,
      );
    }
  }
  if (kind === "record") record.failed.delete(revision);
}

function restored(
  world: World,
  record: ShopRecord,
  edit: {
    readonly id: string;
    readonly kind: string;
    readonly commit: string;
    readonly before: string | undefined;
    readonly after: string | undefined;
  },
): void {
  const { name } = record.shop;
  const { before, after, id } = edit;
  const [from, to] = [imageIn(before, name), imageIn(after, name)];
  const lock = imageIn(world.git.text(lockPathOf(name), edit.commit), name);
  if (from === null || to === null || before?.replace(from, to) !== after) {
    world.violate(
      "A revert touches nothing but the release's own values",
      `${id} makes of\n${before}\nthis:\n${after}`,
    );
  }
  if (to !== lock) {
    world.violate("A revert restores exactly the lock's revision", `${id} sets ${to}, the lock has ${lock}`);
  }
  if (edit.kind === "promotion") world.violate("A promotion leaves manifests alone", `${id} edits the manifest`);
}

function promoted(
  world: World,
  record: ShopRecord,
  { id, revision }: { readonly id: string; readonly revision: string },
): void {
  const run = record.runs.get(id.split("/")[0] ?? "");
  if (run === undefined) return world.violate("No promotion without a rollout", `${id} is committed`);
  run.promotions += 1;
  if (run.promotions > 1) world.violate("Nothing is promoted twice", `${id} is committed ${run.promotions} times`);
  if (run.revision !== revision) {
    world.violate("What is promoted is what was analysed", `${id} promotes ${revision}, analysed was ${run.revision}`);
  }
  if (record.failed.has(revision)) {
    world.violate("A revision that failed is never promoted", `${id} promotes ${revision}, which is quarantined`);
  }
  const quality = world.qualityOf(run.image);
  const skips = record.shop.skipAnalysis;
  if (quality === "crashing" || (quality === "bad" && !skips)) {
    world.violate("A revision that failed is never promoted", `${id} promotes ${run.image}, which is ${quality}`);
  }
  if (!run.analysed && !skips) {
    world.violate("What is promoted is what was analysed", `${id} promotes ${run.image}, which no check looked at`);
  }
  const lock = lockAt(world, record.shop.name);
  if (lock.type === "read" && lock.value.lock.release.revision === revision) {
    const state = world.state(record.shop);
    if (state?.withdrawn.includes(lockDigest(lock.value.lock)) === true && state.decision?.id !== id) {
      world.violate("A withdrawn lock is never written again", `${id} writes a lock that was withdrawn`);
    }
  }
}
