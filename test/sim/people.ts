/** What people do to a canary while the agent is at work: in Git, at the cluster, and through the agent's commands. */
import type { Command } from "../../src/core/command.ts";
import type { ObjectRef } from "../../src/core/kube_object.ts";
import { trailerValues } from "../../src/ledger/trailers.ts";
import type { Dice } from "./dice.ts";
import type { Leadership } from "./leadership.ts";
import type { ShopRecord } from "./records.ts";
import {
  canaryPath,
  canaryText,
  CLUSTER,
  deploymentPath,
  deploymentText,
  imageOf,
  NAMESPACE,
  type Quality,
  type ShopOptions,
} from "./shop.ts";
import { imageIn, lockPathOf } from "./watch_git.ts";
import type { World } from "./world.ts";

export interface Scene {
  readonly world: World;
  readonly leadership: Leadership;
  readonly record: ShopRecord;
  readonly dice: Dice;
}

type Act = (scene: Scene) => void;

export function drawQuality(dice: Dice): Quality {
  return dice.pick(["good", "good", "good", "good", "slow", "bad", "bad", "crashing", "primary-crashing"]);
}

/** The shop's file at a tag, with the words that the team added since. */
export function bump({ world, record }: Pick<Scene, "world" | "record">, quality: Quality): void {
  const { shop } = record;
  const path = deploymentPath(shop.name);
  const text = world.git.text(path) ?? deploymentText(shop, "0.0.0");
  const image = imageIn(text, shop.name) ?? "";
  const next = imageOf(shop.name, world.newTag(shop.name, quality));
  world.push("robin", `Bump ${shop.name} to a ${quality} ${next.split(":")[1]}`, { [path]: text.replace(image, next) });
}

function backToLock({ world, record }: Scene): void {
  const { name } = record.shop;
  const lock = imageIn(world.git.text(lockPathOf(name)), name);
  const path = deploymentPath(name);
  const text = world.git.text(path);
  const image = imageIn(text, name);
  if (lock === null || text === undefined || image === null || image === lock) return;
  world.push("robin", `Take the bump of ${name} back`, { [path]: text.replace(image, lock) });
}

/** As `git revert` of the last promotion does it. */
function revertPromotion({ world, record }: Scene): void {
  const { name } = record.shop;
  const promotion = world.git.log(50).find(({ message }) =>
    trailerValues(message, "Serin-Decision")[0] === "promotion" &&
    trailerValues(message, "Serin-Canary")[0] === `${NAMESPACE}/${name}`
  );
  const parent = promotion?.parents[0];
  if (promotion === undefined || parent === undefined) return;
  const files: Record<string, string | null> = {};
  for (const file of ["primary.yaml", "status.yaml"]) {
    const path = `.serin/${CLUSTER.name}/${NAMESPACE}/${name}/${file}`;
    if (world.git.text(path) !== world.git.text(path, promotion.oid)) return;
    files[path] = world.git.text(path, parent) ?? null;
  }
  record.blame.add("a person reverted");
  world.push("robin", `Revert "${promotion.message.split("\n")[0]}"`, files);
}

function editLock({ world, record }: Scene): void {
  const { name } = record.shop;
  const text = world.git.text(lockPathOf(name));
  const image = imageIn(text, name);
  if (text === undefined || image === null) return;
  const strange = imageOf(name, world.newTag(name, "bad"));
  world.push("mallory", `Edit the lock of ${name}`, { [lockPathOf(name)]: text.replaceAll(image, strange) });
}

function deleteLock({ world, record }: Scene): void {
  const path = lockPathOf(record.shop.name);
  if (world.git.text(path) !== undefined) {
    world.push("mallory", `Delete the lock of ${record.shop.name}`, { [path]: null });
  }
}

/** What an operator does who lost lock and state: the lock's last content is taken from Git's history. */
export function restoreLock({ world, record }: Pick<Scene, "world" | "record">): void {
  const path = lockPathOf(record.shop.name);
  if (world.git.text(path) !== undefined) return;
  for (const { oid } of world.git.log(1_000)) {
    const text = world.git.text(path, oid);
    if (text !== undefined) {
      return void world.push("robin", `Bring the lock of ${record.shop.name} back`, { [path]: text });
    }
  }
}

function toggleSuspend({ world, record }: Scene): void {
  const path = canaryPath(record.shop.name);
  const suspended = world.git.text(path)?.includes("suspend: true") === true;
  const shop: ShopOptions = record.shop;
  world.push("robin", suspend(suspended, shop.name), { [path]: canaryText(shop, !suspended) });
}

function suspend(suspended: boolean, name: string): string {
  return suspended ? `Let ${name} go on` : `Suspend ${name}`;
}

/** Another image on the live target, past Git. */
function editTarget({ world, record }: Scene): void {
  const live = world.server.get(record.shop.refs.target);
  if (live === undefined) return;
  record.blame.add("a person edited the target");
  const image = imageOf(record.shop.name, world.newTag(record.shop.name, "good"));
  world.trace("mallory", `edits the live target to ${image}`);
  const spec = JSON.parse(JSON.stringify(live.spec ?? {}));
  spec.template.spec.containers[0].image = image;
  world.server.patch(record.shop.refs.target, { spec }, "mallory");
}

function scaleTarget({ world, record, dice }: Scene): void {
  if (world.server.get(record.shop.refs.target) === undefined) return;
  record.troubled = true;
  record.blame.add("a person scaled");
  const replicas = dice.int(0, 3);
  world.trace("mallory", `scales the target to ${replicas}`);
  world.server.scale(record.shop.refs.target, replicas, "mallory");
}

function deleting(which: "target" | "primary" | "route" | "apex" | "primaryService" | "canaryService" | "state"): Act {
  return ({ world, record }) => {
    const ref: ObjectRef | null = record.shop.refs[which];
    if (ref === null || world.server.get(ref) === undefined) return;
    // FIXME: a committed promotion whose primary never gets ready cannot go back once the state that knew the lock
    // before it is lost. It stalls and says so; until Git's history is asked for that lock, such worlds are left out.
    const declared = imageIn(world.git.text(deploymentPath(record.shop.name)), record.shop.name) ?? "";
    if (which === "state" && world.qualityOf(declared) === "primary-crashing") return;
    record.blame.add(`a person deleted the ${which}`);
    if (which !== "state") record.troubled = true;
    world.trace("mallory", `deletes ${ref.kind} ${ref.name}`);
    world.server.remove(ref, "mallory");
  };
}

function restartPods({ world, record, dice }: Scene): void {
  record.troubled = true;
  record.blame.add("pods restarted");
  const which = dice.pick(["target", "primary"] as const);
  world.trace("fault", `the pods of the ${which} of ${record.shop.name} restart`);
  world.controllers.restartPods(record.shop.refs[which], dice.int(1_000, 20_000));
}

function commanding(type: Command["type"]): Act {
  return (scene) => command(scene, type);
}

/** Through the leader's API, as a person at the page does. */
export function command({ world, leadership, record }: Omit<Scene, "dice">, type: Command["type"]): void {
  const agent = leadership.leader?.agent();
  if (agent === undefined) return;
  const run = world.state(record.shop)?.run ?? null;
  const id = { namespace: NAMESPACE, name: record.shop.name };
  if (type === "rollback" || type === "reject") record.blame.add(`a person said ${type}`);
  if (type === "retry") record.failed.clear();
  const asked: Command = { type, by: "robin", reason: "", revision: run?.release.revision ?? null, gate: null };
  world.trace("robin", `asks for "${type}" of ${record.shop.name}`);
  agent.command(id, asked).then((answer) => {
    world.trace("robin", `is told: ${JSON.stringify(answer)}`);
    const opened = run === null ? undefined : record.runs.get(run.id);
    if (answer.type === "done" && type === "approve" && opened !== undefined) opened.openings += 1;
  }).catch((error) => world.violate("A command is always answered", String(error)));
}

const ACTS: readonly (readonly [number, Act])[] = [
  [4, (scene) => bump(scene, drawQuality(scene.dice))],
  [3, backToLock],
  [3, revertPromotion],
  [2, editLock],
  [2, deleteLock],
  [1, toggleSuspend],
  [3, editTarget],
  [1, scaleTarget],
  [1, deleting("target")],
  [1, deleting("primary")],
  [2, deleting("route")],
  [1, deleting("apex")],
  [1, deleting("primaryService")],
  [1, deleting("canaryService")],
  [2, deleting("state")],
  [2, commanding("approve")],
  [2, commanding("reject")],
  [1, commanding("pause")],
  [1, commanding("resume")],
  [2, commanding("retry")],
  [3, commanding("rollback")],
];

/** One thing that somebody does, drawn by weight. */
export function actOut(scene: Scene): void {
  const total = ACTS.reduce((sum, [weight]) => sum + weight, 0);
  let left = scene.dice.next() * total;
  for (const [weight, act] of ACTS) {
    left -= weight;
    if (left < 0) return act(scene);
  }
}

export const trouble: Act = restartPods;
