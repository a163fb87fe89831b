/**
 * Two clusters on one repository, each a control plane, a proxy, a Prometheus and an agent of its own. Git is all that
 * they share: each promotes on its own evidence into a lock of its own, and what fails in one is not undone for the other.
 */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import { stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import type { CanaryDetail } from "../../../src/ports/agent.ts";
import { fleetFiles } from "../fleet.ts";
import { served, toldOf } from "../shares.ts";
import { SECOND_SITE } from "../site.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

const LOAD_PER_SECOND = 25;
const IMAGE = "registry.example/podinfo";
/** A version that its tag does not give away: it fails in the west alone. */
const BAD_IN_WEST = "6.0.2";
/** The Git server takes a push this slowly, so that two which are sent together are under way together. */
const HOOK = "#!/bin/sh\nsleep 1\n";

interface Cluster {
  readonly name: "east" | "west";
  readonly world: World;
}

export const twoClusters: Suite = {
  name: "two-clusters",
  about: "two control planes and two agents on one repository",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  async run(run) {
    const common = { files: await fleetFiles(), engine: "self", rights: RIGHTS } as const;
    const east = await openWorld(run, { ...common, cluster: "east" });
    try {
      const behaviours = { [`${IMAGE}:${BAD_IN_WEST}`]: { errorRate: 0.5 } };
      const west = await openWorld(run, { ...common, cluster: "west", site: SECOND_SITE, git: east.git, behaviours });
      try {
        await stories(run, { name: "east", world: east }, { name: "west", world: west });
      } finally {
        await west.close();
      }
    } finally {
      await east.close();
    }
  },
};

async function stories({ checks }: Run, east: Cluster, west: Cluster): Promise<void> {
  const both = [east, west];
  await checks.check("each cluster commits a lock of its own, with its own identity", async () => {
    for (const { world } of both) {
      await world.see("initialised", (view) => view.phase === "idle" && view.last?.outcome === "initialised");
    }
    const uids = await Promise.all(both.map(uidOf));
    ok(uids[0] !== uids[1]);
    for (const [index, cluster] of both.entries()) ok((await lockOf(cluster)).includes(uids[index] ?? "no identity"));
  });
  const hook = `${east.world.git.path(REPOSITORY)}/hooks/pre-receive`;
  await Deno.writeTextFile(hook, HOOK, { mode: 0o755 });
  const loads = both.map(({ world }) => world.load(LOAD_PER_SECOND));
  await checks.check("one bump, two promotions, each on its own evidence", async () => {
    await bump(east.world, "6.0.0", "6.0.1");
    await Promise.all(both.map(({ world }) => world.see("promoted", promoted("6.0.1"), 150_000)));
    for (const cluster of both) match(await lockOf(cluster), /podinfo:6\.0\.1/);
    deepStrictEqual(await decisions(east.world, 2), [
      "east Promote demo/podinfo to podinfo:6.0.1",
      "west Promote demo/podinfo to podinfo:6.0.1",
    ]);
  });
  await checks.check(
    "a version that fails in the west is quarantined there alone, and the shared manifest stays",
    () => badInWest(east, west),
  );
  await checks.check("both agents push at once: one is refused, plans again, and nothing is lost", () => atOnce(both));
  await checks.check("the next bump finds both ready, and is promoted in both", async () => {
    await bump(east.world, BAD_IN_WEST, "6.0.3");
    await Promise.all(both.map(({ world }) => world.see("promoted", promoted("6.0.3"), 150_000)));
    for (const cluster of both) match(await lockOf(cluster), /podinfo:6\.0\.3/);
  });
  for (const [index, { name }] of both.entries()) {
    await checks.check(`${name}: no request was lost, and only what is bad there failed`, async () => {
      const load = loads[index];
      await load?.stop();
      const log = load?.log ?? [];
      deepStrictEqual(served(log).lost.slice(0, 5), []);
      const bad = name === "west" ? BAD_IN_WEST : "none";
      deepStrictEqual(log.filter(({ status, version }) => status >= 500 && version !== bad).slice(0, 5), []);
      return toldOf(log);
    });
  }
}

async function badInWest(east: Cluster, west: Cluster): Promise<string> {
  await bump(east.world, "6.0.1", BAD_IN_WEST);
  await Promise.all([
    east.world.see("promoted", promoted(BAD_IN_WEST), 150_000),
    west.world.see("failed", ({ phase, last }) => phase === "idle" && last?.outcome === "failed", 150_000),
  ]);
  const { git } = east.world;
  match(await git.read(REPOSITORY, MANIFEST) ?? "", /podinfo:6\.0\.2 /);
  match(await lockOf(east), /podinfo:6\.0\.2/);
  match(await lockOf(west), /podinfo:6\.0\.1/);
  match(await git.read(REPOSITORY, statusOf(west)) ?? "", /quarantine:\n/);
  ok(!(await git.read(REPOSITORY, statusOf(east)) ?? "").includes("quarantine:\n"), "the east quarantined it too");
  const said = await decisions(east.world, 2);
  deepStrictEqual(said, [
    "east Promote demo/podinfo to podinfo:6.0.2",
    "west Quarantine podinfo:6.0.2 of demo/podinfo",
  ]);
  const { stalled } = await west.world.see("told why it rests", (view) => view.stalled !== null);
  match(stalled ?? "", /is quarantined .* left alone/);
  const why = (await east.world.clone.git("log", "-3", "--grep=Quarantine", "--format=%b")).trim();
  match(why, /cluster "east" depends on them too/);
  return stalled ?? "";
}

/** Two rollbacks of idle canaries, commanded in the same moment: each is one commit, made at once. */
async function atOnce(both: readonly Cluster[]): Promise<string> {
  const before = await Promise.all(both.map(conflictsOf));
  const answers = await Promise.all(
    both.map(({ world }) => world.agent.command(CANARY.namespace, CANARY.name, "rollback")),
  );
  deepStrictEqual(answers, [200, 200]);
  const rolledBack = ({ phase, last }: CanaryDetail): boolean => phase === "idle" && last?.outcome === "rolled-back";
  await Promise.all(both.map(({ world }) => world.see("rolled back", rolledBack)));
  deepStrictEqual(await decisions(both[0]?.world, 2), [
    "east Roll back demo/podinfo to podinfo:6.0.1",
    "west Roll back demo/podinfo to podinfo:6.0.0",
  ]);
  const after = await Promise.all(both.map(conflictsOf));
  const lostRaces = after.map((count, index) => count - (before[index] ?? 0));
  ok(lostRaces.some((count) => count > 0), "the two pushes did not meet");
  return `lost races: ${both.map(({ name }, index) => `${name} ${lostRaces[index]}`).join(", ")}`;
}

const promoted = (version: string) => ({ phase, last, lockImages }: CanaryDetail): boolean =>
  phase === "idle" && last?.outcome === "succeeded" && lockImages[0] === `${IMAGE}:${version}`;

async function bump(world: World, from: string, to: string): Promise<void> {
  await world.clone.bump(MANIFEST, { from: `:${from}`, to: `:${to}`, message: `Bump podinfo to ${to}` });
}

function statusOf({ name }: Cluster): string {
  return `.serin/${name}/${CANARY.namespace}/${CANARY.name}/status.yaml`;
}

async function lockOf({ name, world }: Cluster): Promise<string> {
  return await world.git.read(REPOSITORY, `.serin/${name}/${CANARY.namespace}/${CANARY.name}/primary.yaml`) ?? "";
}

async function uidOf({ world }: Cluster): Promise<string> {
  const live = await world.plane.cluster.live({ apiVersion: "v1", kind: "Namespace", name: "kube-system" });
  return stringAt(live, "metadata", "uid") ?? "";
}

/** The newest decisions, by cluster: which of two pushed first is chance. */
async function decisions(world: World | undefined, count: number): Promise<readonly string[]> {
  await world?.clone.pull();
  const format = "--format=%(trailers:key=Serin-Cluster,valueonly,separator=) %s";
  return (await world?.clone.git("log", `-${count}`, format) ?? "").trim().split("\n").sort();
}

/** Pushes that came too late, as the agent counts them. */
async function conflictsOf({ world }: Cluster): Promise<number> {
  const line = (await world.agent.metrics()).split("\n").find((text) =>
    text.startsWith("serin_git_pushes_total{") && text.includes('outcome="conflict"')
  );
  return Number(line?.split(" ").at(-1) ?? 0);
}
