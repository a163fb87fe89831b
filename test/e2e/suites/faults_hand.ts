/**
 * Somebody edits or deletes an object by hand while half of the traffic is on the canary: what we own is put right, the
 * share in flight is kept, what was not analysed gets none, and the rollout ends as its checks say.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { at, type Json, stringAt } from "../../../src/core/kube_object.ts";
import { REPOSITORY } from "../../../src/demo/stage.ts";
import type { Load } from "../../../src/sandbox/load/load_generator.ts";
import { canaryFileOf } from "../../support/app_files.ts";
import { openGate } from "../../support/fault_stage.ts";
import { objectsIn } from "../../support/rbac.ts";
import { until } from "../../support/until.ts";
import {
  atHalf,
  byHand,
  decisionsOf,
  each,
  type FaultStage,
  holdAtHalf,
  live,
  lostOf,
  openFaultStage,
  PATHS,
  promotedTo,
  remembers,
  rests,
  stateOf,
  tagOf,
  usersOf,
  weightOf,
} from "../fault_stage.ts";
import type { Checks, Suite } from "../suite.ts";

/** How long what a hand did may last, and what it cost users may go on. */
const MENDED_MS_MAX = 10_000;

interface Row {
  readonly app: string;
  readonly what: string;
  readonly does: (stage: FaultStage, app: string) => Promise<unknown>;
  /** Whether it is put right. */
  readonly mended: (stage: FaultStage, app: string) => Promise<boolean>;
  /** Whether users may lose requests until then: what serves them is gone. */
  readonly felt: boolean;
  /** What was analysed is no longer what runs: the rollout begins again. */
  readonly again?: true;
}

const patch = (path: string, body: Json) => ({ method: "PATCH" as const, path, body });
const remove = (path: string) => ({ method: "DELETE" as const, path });
const isOn = (name: (app: string) => string, tag: string): Row["mended"] => async (stage, app) =>
  await tagOf(stage, name(app)) === tag;
const primaryOf = (app: string) => `${app}-primary`;
const targetOf = (app: string) => app;
const isAtHalf: Row["mended"] = async (stage, app) => await weightOf(stage, app) === 50;
/** Nothing is to be put right: a moment in which something could go wrong must pass. */
const staysAtHalf: Row["mended"] = async (stage, app) => {
  await machineClock.sleep(4_000);
  return await isAtHalf(stage, app);
};

/** As `kubectl set image` does; a strategic merge finds the container by its name. */
function setImage(name: string, image: string) {
  const path = PATHS.deployment(name);
  return async (stage: FaultStage): Promise<void> => {
    const workload = await live(stage, "apps/v1", "Deployment", name);
    const text = JSON.stringify(at(workload, "spec", "template", "spec", "containers"));
    const containers: Json = JSON.parse(text.replace(/"image":"[^"]+"/, `"image":"${image}"`));
    await byHand(stage, patch(path, { spec: { template: { spec: { containers } } } }));
  };
}

/** Rewrites the weights of a route, as `kubectl edit` does. @param canary its share in percent */
export async function setWeight(stage: FaultStage, app: string, canary: number): Promise<void> {
  const route = await live(stage, "gateway.networking.k8s.io/v1", "HTTPRoute", app);
  const text = JSON.stringify(at(route, "spec", "rules"));
  const edited = text.replace(
    /("name":"[^"]+-(canary|primary)"[^}]*"weight":)\d+/g,
    (_, start, which) => `${start}${which === "canary" ? canary : 100 - canary}`,
  );
  if (edited === text) throw new Error(`no weight is in ${text}`);
  const rules: Json = JSON.parse(edited);
  await byHand(stage, patch(PATHS.route(app), { spec: { rules } }));
}

async function selectorOf(stage: FaultStage, name: string): Promise<string | undefined> {
  return stringAt(await live(stage, "v1", "Service", name), "spec", "selector", "app");
}

export const HAND_ROWS: readonly Row[] = [
  {
    app: "primary-deleted",
    what: "the primary's Deployment deleted",
    does: (stage, app) => byHand(stage, remove(PATHS.deployment(primaryOf(app)))),
    mended: isOn(primaryOf, "1.0.0"),
    felt: true,
  },
  {
    app: "primary-edited",
    what: "the primary's image edited",
    does: (stage, app) => setImage(primaryOf(app), `registry.example/${app}:6.6.6`)(stage),
    mended: isOn(primaryOf, "1.0.0"),
    felt: false,
  },
  {
    app: "primary-scaled",
    what: "the primary scaled to nothing",
    does: (stage, app) => byHand(stage, patch(PATHS.deployment(primaryOf(app)), { spec: { replicas: 0 } })),
    mended: async (stage, app) =>
      Number(at(await live(stage, "apps/v1", "Deployment", primaryOf(app)), "spec", "replicas")) >= 2,
    felt: true,
  },
  {
    app: "canary-service-deleted",
    what: "the canary's Service deleted",
    does: (stage, app) => byHand(stage, remove(PATHS.service(`${app}-canary`))),
    mended: async (stage, app) => await selectorOf(stage, `${app}-canary`) === app,
    felt: true,
  },
  {
    app: "apex-edited",
    what: "the apex Service's selector edited",
    does: (stage, app) => byHand(stage, patch(PATHS.service(app), { spec: { selector: { app: "nobody" } } })),
    mended: async (stage, app) => await selectorOf(stage, app) === primaryOf(app),
    felt: false,
  },
  {
    app: "apex-deleted",
    what: "the apex Service deleted",
    does: (stage, app) => byHand(stage, remove(PATHS.service(app))),
    mended: async (stage, app) => await selectorOf(stage, app) === primaryOf(app),
    felt: false,
  },
  {
    app: "route-edited",
    what: "the route's weights edited",
    does: (stage, app) => setWeight(stage, app, 1),
    mended: isAtHalf,
    felt: false,
  },
  {
    app: "route-deleted",
    what: "the route deleted",
    does: (stage, app) => byHand(stage, remove(PATHS.route(app))),
    mended: isAtHalf,
    felt: true,
  },
  {
    app: "canary-edited",
    what: "the Canary in the cluster edited: wishes come from Git alone",
    does: (stage, app) => byHand(stage, patch(PATHS.canary(app), { spec: { analysis: { stepWeights: [1] } } })),
    mended: staysAtHalf,
    felt: false,
  },
  {
    app: "canary-deleted",
    what: "the Canary in the cluster deleted: it goes on without",
    does: (stage, app) => byHand(stage, remove(PATHS.canary(app))),
    mended: staysAtHalf,
    felt: false,
  },
  {
    app: "target-edited",
    what: "the target's image edited",
    does: (stage, app) => setImage(app, `registry.example/${app}:6.6.6`)(stage),
    mended: isOn(targetOf, "2.0.0"),
    felt: false,
    again: true,
  },
  {
    app: "target-deleted",
    what: "the target deleted",
    does: (stage, app) => byHand(stage, remove(PATHS.deployment(app))),
    mended: isOn(targetOf, "2.0.0"),
    felt: true,
    again: true,
  },
];

export const faultsHand: Suite = {
  name: "faults-hand",
  about: "objects edited and deleted by hand in the middle of a rollout",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  tier: "all",
  async run(run) {
    const stage = await openFaultStage(run, HAND_ROWS.map(({ app }) => app));
    try {
      await handStories(stage, run.checks, HAND_ROWS);
    } finally {
      await stage.close();
    }
  },
};

/** Each row on an application of its own, of which the stage must have one by that name. */
export async function handStories(stage: FaultStage, checks: Checks, rows: readonly Row[]): Promise<void> {
  const names = rows.map(({ app }) => app);
  await each(names.filter((name) => name.startsWith("canary-")), (name) => applyCanary(stage, name));
  await holdAtHalf(stage, "2.0.0", ...names);
  const loads = new Map(names.map((name) => [name, usersOf(stage, name)]));
  await machineClock.sleep(2_000);
  for (const row of rows) {
    await checks.check(`by hand: ${row.what}`, () => story(stage, row, loads.get(row.app)));
  }
}

async function story(stage: FaultStage, row: Row, load: Load | undefined): Promise<string> {
  const { app } = row;
  const before = await stateOf(stage, app);
  const fromMs = machineClock.now();
  await row.does(stage, app);
  await until(`${app} is put right`, async () => {
    return await row.mended(stage, app) || (await machineClock.sleep(50), false);
  }, MENDED_MS_MAX);
  const mendedMs = machineClock.now();
  const again = await remembers(stage, app, "is at half", atHalf);
  if (row.again !== true) {
    strictEqual(again.run?.id, before?.run?.id, "the same rollout goes on");
    strictEqual(await weightOf(stage, app), 50);
  }
  openGate(stage, app);
  await remembers(stage, app, "is promoted", promotedTo("2.0.0"));
  deepStrictEqual((await decisionsOf(stage, app)).slice(1), [`Promote demo/${app} to ${app}:2.0.0`]);
  await rests(stage, app, "2.0.0");
  const cost = load === undefined ? "" : await costOf(load, row, fromMs);
  const seconds = ((mendedMs - fromMs) / 1000).toFixed(1);
  return `${row.mended === staysAtHalf ? "nothing changed within" : "put right after"} ${seconds} s${cost}`;
}

/** What users lost: nothing where nothing that serves them went, and otherwise not for long. */
async function costOf(load: Load, row: Row, fromMs: number): Promise<string> {
  await load.stop();
  const lost = lostOf(load);
  const last = Math.max(fromMs, ...lost.map(({ atMs }) => atMs));
  if (!row.felt) deepStrictEqual(lost.slice(0, 3), []);
  ok(lost.every(({ atMs }) => atMs >= fromMs) && last - fromMs < MENDED_MS_MAX, `lost until ${last - fromMs} ms later`);
  return `; ${lost.length} of ${load.log.length} requests lost${
    lost.length === 0 ? "" : `, the last ${((last - fromMs) / 1000).toFixed(1)} s after it`
  }`;
}

/** As an engine that syncs the repository would bring it. */
async function applyCanary(stage: FaultStage, app: string): Promise<void> {
  const text = await stage.world.git.read(REPOSITORY, canaryFileOf(app)) ?? "";
  for (const object of objectsIn(text)) await stage.world.plane.cluster.apply(object);
}
