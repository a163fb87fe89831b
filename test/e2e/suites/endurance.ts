/**
 * Twenty promotions and twenty rollbacks under load, on a few canaries side by side: no request is lost, and none is
 * answered by a version that was rolled back once that was reported. Of a canary's four rollbacks two are of versions
 * that fail their checks, one is asked for in the middle of an analysis, one of what users are on.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { CANARY, REPOSITORY } from "../../../src/demo/stage.ts";
import type { CanaryDetail } from "../../../src/ports/agent.ts";
import { appFiles, hostOf, manifestOf, METRICS } from "../../support/app_files.ts";
import { until } from "../../support/until.ts";
import type { Load } from "../../../src/sandbox/load/load_generator.ts";
import { served, toldOf } from "../shares.ts";
import type { Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

/** As slow as a real Prometheus needs it; see fleet.ts. */
const analysis = {
  interval: "6s",
  threshold: 2,
  stepWeights: [30, 60],
  metrics: METRICS.map((metric) => ({ ...metric, interval: "15s" })),
};
const NAMES = ["ada", "ben", "cleo", "dan", "eve"];
const ROLLBACKS = ["bad", "asked midway", "bad", "asked when promoted"] as const;
const RATE = 10;
const ROLLOUT_MS_MAX = 150_000;
/** Users go on for a while after the last rollback. */
const AFTER_MS = 3_000;

export const endurance: Suite = {
  name: "endurance",
  about: "20 promotions and 20 rollbacks under load, five canaries side by side",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  tier: "all",
  async run(run) {
    const { checks } = run;
    const apps = NAMES.map((name) => ({ name, analysis, spec: { promotion: { settle: "1s" } } }));
    const world = await openWorld(run, { files: appFiles(...apps), engine: "self", rights: RIGHTS });
    try {
      await Promise.all(
        NAMES.map((name) => world.seeOf(name, `${name} initialised`, (view) => view.last?.outcome === "initialised")),
      );
      await machineClock.sleep(1_000);
      const startMs = machineClock.now();
      const stories = NAMES.map((name) => ({
        name,
        load: world.load(RATE, { host: hostOf(name) }),
        left: [] as Left[],
      }));
      const commits = new Commits(world);
      await Promise.all(
        stories.map(({ name, load, left }) =>
          checks.check(`${name}: ${ROLLBACKS.length} promotions and as many rollbacks`, async () => {
            const told: string[] = [];
            for (const [turn, how] of ROLLBACKS.entries()) {
              told.push(await cycle({ world, commits, name, load, left }, turn, how));
            }
            return told.join("; ");
          })
        ),
      );
      const seconds = ((machineClock.now() - startMs) / 1000).toFixed(0);
      await machineClock.sleep(AFTER_MS);
      for (const { load } of stories) await load.stop();
      const log = stories.flatMap(({ load }) => load.log);
      await checks.check("no request was lost, and only bad versions failed", () => {
        deepStrictEqual(served(log).lost.slice(0, 5), []);
        deepStrictEqual(log.filter(({ status, version }) => status >= 500 && !version?.endsWith("-bad")), []);
        return `${toldOf(log)}, in ${seconds} s`;
      });
      await checks.check("none was answered by a version that was rolled back, once that was reported", () => {
        const all = stories.flatMap((story) => story.left.map((one) => ({ ...one, load: story.load })));
        strictEqual(all.length, NAMES.length * ROLLBACKS.length);
        const late = all.flatMap(({ version, reportedMs, load }) =>
          load.log.filter((entry) => entry.version === version && entry.atMs > reportedMs)
            .map(({ pod, atMs }) => `${pod} ${version} ${atMs - reportedMs} ms after`)
        );
        deepStrictEqual(late.slice(0, 10), []);
        const met = all.filter(({ version, load }) => load.log.some((entry) => entry.version === version));
        strictEqual(met.length, all.length, "users had met each of them before");
        return `${all.length} rollbacks`;
      });
    } finally {
      await world.close();
    }
  },
};

/** A version that was rolled back, and when that was first seen to be reported. */
interface Left {
  readonly version: string;
  readonly reportedMs: number;
}

interface Story {
  readonly world: World;
  readonly commits: Commits;
  readonly name: string;
  readonly load: Load;
  readonly left: Left[];
}

/** A promotion, then a rollback. */
async function cycle(story: Story, turn: number, how: typeof ROLLBACKS[number]): Promise<string> {
  const { world, commits, name } = story;
  const startMs = machineClock.now();
  const good = `1.${turn + 1}.0`;
  await commits.bump(name, good);
  await rests(
    story,
    `${good} promoted`,
    ({ last, lockImages }) => last?.outcome === "succeeded" && lockImages.some((image) => image.endsWith(`:${good}`)),
  );
  const promotedMs = machineClock.now();
  if (how === "asked when promoted") {
    strictEqual(await world.agent.command(CANARY.namespace, name, "rollback"), 200);
    await leaves(
      story,
      good,
      ({ last, lockImages }) =>
        last?.outcome === "rolled-back" && !lockImages.some((image) => image.endsWith(`:${good}`)),
    );
  } else {
    const next = `1.${turn + 1}.1${how === "bad" ? "-bad" : ""}`;
    await commits.bump(name, next);
    await world.seeOf(
      name,
      `${next} has a share`,
      ({ weight, candidateImages }) => weight > 0 && candidateImages.some((image) => image.endsWith(`:${next}`)),
      ROLLOUT_MS_MAX,
    );
    await until(`users meet ${next}`, () => story.load.log.some(({ version }) => version === next), 30_000);
    if (how === "asked midway") strictEqual(await world.agent.command(CANARY.namespace, name, "rollback"), 200);
    await leaves(
      story,
      next,
      ({ last, candidateImages }) =>
        last?.outcome === "failed" && candidateImages.every((image) => image.endsWith(`:${good}`)),
    );
  }
  const seconds = (ms: number): string => (ms / 1000).toFixed(0);
  return `${how} ${seconds(promotedMs - startMs)} + ${seconds(machineClock.now() - promotedMs)} s`;
}

async function leaves(story: Story, version: string, condition: (view: CanaryDetail) => boolean): Promise<void> {
  await rests(story, `${version} rolled back`, condition);
  story.left.push({ version, reportedMs: machineClock.now() });
}

async function rests(
  { world, name }: Story,
  what: string,
  condition: (view: CanaryDetail) => boolean,
): Promise<void> {
  await world.seeOf(name, `${name}: ${what}`, (view) => view.phase === "idle" && condition(view), ROLLOUT_MS_MAX);
}

/** One person at the repository: commits one after another, each on the tip. */
class Commits {
  readonly #world: World;
  #last: Promise<unknown> = Promise.resolve();

  constructor(world: World) {
    this.#world = world;
  }

  bump(name: string, to: string): Promise<void> {
    const done = this.#last.then(() => this.#bump(name, to));
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Anew where the agent pushed in between. */
  async #bump(name: string, to: string, tries = 3): Promise<void> {
    const { git } = this.#world;
    const text = await git.read(REPOSITORY, manifestOf(name)) ?? "";
    const bumped = text.replace(new RegExp(`/${name}:[\\w.-]+`), `/${name}:${to}`);
    if (bumped === text) throw new Error(`${manifestOf(name)} names no image that could become ${to}`);
    try {
      await git.commit(REPOSITORY, { [manifestOf(name)]: bumped }, { message: `Bump ${name} to ${to}` });
    } catch (error) {
      if (tries <= 1) throw error;
      await this.#bump(name, to, tries - 1);
    }
  }
}
