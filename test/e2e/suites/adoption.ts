/**
 * From a Deployment that serves to one that is looked after, and back, under load: an agent that only observes, the
 * adoption, a promotion, and the hand-back once the Canary left Git. Nobody who sends requests may notice any of it.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { numberAt, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import type { LoadEntry } from "../../../src/sandbox/load/load_generator.ts";
import { objectsIn } from "../../support/rbac.ts";
import { until } from "../../support/until.ts";
import { askedByAgent, tally, writes } from "../audit.ts";
import { fleetFiles } from "../fleet.ts";
import { served, toldOf } from "../shares.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";
import {
  DEPLOYMENT,
  marked,
  OWN_ROUTE,
  OWN_SERVICE,
  ownObjects,
  REPLICAS,
  ROUTE,
  SERVICE,
  type Sight,
  sight,
  writtenOf,
} from "./own_objects.ts";

const LOAD_PER_SECOND = 50;
const IMAGE = "registry.example/podinfo";
const CANARY_FILE = "apps/podinfo/canary.yaml";
const LOCK = ".serin/e2e/demo/podinfo/primary.yaml";
const LOOK_EVERY_MS = 200;

export const adoption: Suite = {
  name: "adoption",
  about: "a Service that serves is observed, adopted, promoted and handed back under load",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  async run(run) {
    const { [CANARY_FILE]: canary = "", ...files } = await fleetFiles();
    // Git is ahead of what runs: the first lock must not be what Git says.
    const ahead = replaced(files, ":6.0.0", ":6.0.1");
    const world = await openWorld(run, {
      files: ahead,
      engine: "self",
      rights: RIGHTS,
      settings: "mode: observe\n",
      async prepare({ cluster }) {
        for (const object of ownObjects(files, `${IMAGE}:6.0.0`)) await cluster.apply(object);
      },
    });
    try {
      await until("the user's pods are ready", async () => (await sight(world.plane)).targetReady === REPLICAS, 60_000);
      await stories(run, world, canary.replace("\nspec:\n", "\nspec:\n  revertOnDeletion: true\n"));
    } finally {
      await world.close();
    }
  },
};

function replaced(files: Readonly<Record<string, string>>, from: string, to: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [path, text.replace(from, to)]));
}

async function stories({ checks }: Run, world: World, canary: string): Promise<void> {
  const load = world.load(LOAD_PER_SECOND);
  await until("users are answered", () => load.log.some(({ status }) => status === 200), 30_000);
  const startMs = machineClock.now();
  await checks.check("mode observe: says what stands in the way and what it would do, and writes nothing", async () => {
    await world.git.commit(REPOSITORY, { [CANARY_FILE]: canary }, { message: "Add the Canary" });
    return await observes(world);
  });
  await checks.check("adoption is make-before-break; the first lock is what serves, not what Git says", async () => {
    await world.agent.running.kill();
    await world.startAgent();
    const order = watchOrder(world);
    await world.see("initialised", ({ last }) => last?.outcome === "initialised");
    const seen = await order.stop();
    const broken = seen.filter(({ target, primaryReady, apex }) =>
      (target < REPLICAS || apex === "podinfo-primary") && primaryReady < REPLICAS
    );
    deepStrictEqual(broken, []);
    deepStrictEqual(seen.filter(({ target, apex }) => target < REPLICAS && apex !== "podinfo-primary"), []);
    await world.clone.pull();
    const first = (await world.clone.git("log", "--format=%h %s", "--", LOCK)).trim().split("\n").at(-1) ?? "";
    match(first, /Initialise demo\/podinfo at podinfo:6\.0\.0/);
    match(await world.clone.git("show", `${first.split(" ")[0]}:${LOCK}`), /podinfo:6\.0\.0/);
    return `${first}; ${seen.length} looks`;
  });
  await checks.check("from the audit log: primary first, then the apex, the target's scale last", () => inOrder(world));
  await checks.check("what Git is ahead by is analysed and promoted", async () => {
    await world.see(
      "promoted",
      ({ phase, last, lockImages }) =>
        phase === "idle" && last?.outcome === "succeeded" && lockImages[0] === `${IMAGE}:6.0.1`,
      150_000,
    );
  });
  const promotedMs = machineClock.now();
  await checks.check("adoption and promotion: no request was lost, none failed", () => clean(load.log, startMs));
  await checks.check("the only Canary of a source leaves Git: held until a person confirms", async () => {
    await world.git.commit(REPOSITORY, { [CANARY_FILE]: null }, { message: "Remove the Canary" });
    const held = await world.see("held", ({ waitsFor }) => waitsFor?.includes("confirm-removal") === true);
    strictEqual(held.phase, "idle");
    const { target, apex } = await sight(world.plane);
    deepStrictEqual({ target, apex }, { target: 0, apex: "podinfo-primary" });
  });
  await checks.check("confirmed, it is handed back: the target serves before anything derived goes", async () => {
    const order = watchOrder(world);
    strictEqual(await world.agent.confirmRemoval(), 200);
    const isGone = async (): Promise<boolean> =>
      await world.agent.canary(CANARY.namespace, CANARY.name) === undefined ||
      (await machineClock.sleep(LOOK_EVERY_MS), false);
    await until("the agent has forgotten it", isGone, 60_000);
    const seen = await order.stop();
    deepStrictEqual(seen.filter(({ apex, targetReady }) => apex === "podinfo" && targetReady < REPLICAS), []);
    deepStrictEqual(seen.filter(({ apex, primaryReady }) => apex !== "podinfo" && primaryReady < REPLICAS), []);
    return `${seen.length} looks`;
  });
  const handedMs = machineClock.now();
  await checks.check("the user's objects are as they were, and nothing of ours is left", () => asTheyWere(world));
  await checks.check("nor is its lock left in Git", async () => {
    await world.clone.pull();
    strictEqual(await world.clone.git("ls-files", ".serin"), "");
    match(await world.clone.git("log", "-1", "--format=%B"), /^Remove the lock of demo\/podinfo\n[\s\S]*: hand-back\n/);
  });
  await until("users go on", () => load.log.filter(({ atMs }) => atMs > handedMs).length > 100, 30_000);
  const servedMs = machineClock.now();
  await checks.check(
    "a Canary that comes back finds a newer release serving: nobody is sent back to what it had promoted",
    () => comesBack(world, canary, load.log),
  );
  await load.stop();
  await checks.check("hand-back: no request was lost, none failed; the target alone serves", () => {
    const after = load.log.filter(({ atMs }) => atMs > handedMs + 500 && atMs < servedMs);
    deepStrictEqual(after.filter(({ pod }) => pod?.includes("-primary-") !== false).slice(0, 3), []);
    return clean(load.log, promotedMs);
  });
}

/** The user released 6.0.2 without a Canary, by hand and in Git. */
async function comesBack(world: World, canary: string, log: readonly LoadEntry[]): Promise<string> {
  const { cluster } = world.plane;
  const manifest = (await world.git.read(REPOSITORY, MANIFEST) ?? "").replace(":6.0.1", ":6.0.2");
  await world.git.commit(REPOSITORY, { [MANIFEST]: manifest }, { message: "Release 6.0.2" });
  for (const object of objectsIn(manifest)) await cluster.apply(object, { force: true });
  await until("all users are on 6.0.2", () => log.slice(-50).every(({ version }) => version === "6.0.2"), 30_000);
  const newMs = machineClock.now();
  await world.git.commit(REPOSITORY, { [CANARY_FILE]: canary }, { message: "Bring the Canary back" });
  const view = await world.see(
    "initialised again",
    ({ last, phase }) => phase === "idle" && last?.outcome === "initialised",
  );
  deepStrictEqual(view.lockImages, [`${IMAGE}:6.0.2`]);
  match(await world.git.read(REPOSITORY, LOCK) ?? "", /podinfo:6\.0\.2/);
  const { versions } = served(log, newMs);
  deepStrictEqual(Object.keys(versions), ["6.0.2"]);
  return `${versions["6.0.2"]} requests, all of them by 6.0.2`;
}

/** With the user's route in the way at first, then without. */
async function observes(world: World): Promise<string> {
  const tip = await world.git.tip(REPOSITORY);
  const blocked = await world.see(
    "told of the user's route",
    ({ stalled, waitsFor }) => /HTTPRoute.*serin\.dev\/adopt/.test(`${stalled} ${waitsFor}`),
    30_000,
  );
  await world.plane.cluster.patch(ROUTE, { metadata: { annotations: { "serin.dev/adopt": "true" } } });
  const would = /commit the decision "initialise": .*apply the primary "podinfo-primary"/s;
  await until("it says what it would do", async () => {
    const log = await Deno.readTextFile(world.agent.running.logFile);
    return would.test(log.replaceAll('\\"', '"')) || (await machineClock.sleep(LOOK_EVERY_MS), false);
  }, 30_000);
  const asked = await askedByAgent(world.plane.auditLog);
  deepStrictEqual(tally(writes(asked)), "");
  strictEqual(await world.git.tip(REPOSITORY), tip);
  const rehearsed = asked.filter(({ dryRun }) => dryRun).length;
  return `${asked.length} requests, ${rehearsed} of them dry runs, 0 writes; first it said: ${
    blocked.stalled ?? blocked.waitsFor
  }`;
}

/** Looks at both workloads and the apex again and again. */
function watchOrder(world: World): { stop(): Promise<readonly Sight[]> } {
  const end = new AbortController();
  const seen: Sight[] = [];
  const looking = (async () => {
    while (!end.signal.aborted) {
      seen.push(await sight(world.plane));
      await machineClock.sleep(LOOK_EVERY_MS, end.signal).catch(() => {});
    }
  })();
  return {
    async stop() {
      end.abort();
      await looking;
      return seen;
    },
  };
}

async function inOrder(world: World): Promise<string> {
  const done = writes(await askedByAgent(world.plane.auditLog)).filter(({ code }) => code < 400);
  const first = (resource: string, name: string): number => {
    const index = done.findIndex((one) => one.resource === resource && one.name === name);
    ok(index >= 0, `nothing wrote ${resource} ${name}`);
    return index;
  };
  const places = [
    first("deployments", "podinfo-primary"),
    first("services", "podinfo"),
    first("deployments/scale", "podinfo"),
  ];
  deepStrictEqual(places, places.toSorted((a, b) => a - b));
  const between = ((done[places[2] ?? 0]?.atMs ?? 0) - (done[places[1] ?? 0]?.atMs ?? 0)) / 1000;
  return `the target stayed up for ${between.toFixed(1)} s after the apex had moved`;
}

async function asTheyWere({ plane }: World): Promise<string> {
  deepStrictEqual(await marked(plane), []);
  const service = await plane.cluster.live(SERVICE);
  const own = writtenOf(OWN_SERVICE);
  deepStrictEqual(writtenOf(service), { ...own, type: "ClusterIP" });
  const route = await plane.cluster.live(ROUTE);
  strictEqual(stringAt(route, "spec", "rules", 0, "backendRefs", 0, "name"), CANARY.name);
  strictEqual(stringAt(route, "spec", "rules", 0, "filters", 0, "type"), "ResponseHeaderModifier");
  deepStrictEqual(route?.metadata.labels, OWN_ROUTE.metadata.labels);
  const target = await plane.cluster.live(DEPLOYMENT);
  strictEqual(numberAt(target, "status", "readyReplicas"), REPLICAS);
  const image = stringAt(target, "spec", "template", "spec", "containers", 0, "image");
  strictEqual(image, `${IMAGE}:6.0.1`);
  return `${REPLICAS} pods of ${image}`;
}

function clean(log: readonly LoadEntry[], fromMs: number): string {
  const part = log.filter(({ atMs }) => atMs >= fromMs);
  const { lost, errors } = served(part);
  deepStrictEqual({ lost: lost.slice(0, 5), errors }, { lost: [], errors: 0 }, toldOf(part));
  return toldOf(part);
}
