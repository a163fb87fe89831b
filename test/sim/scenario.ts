/**
 * One world from its seed: shops are adopted, then bump after bump is pushed while faults happen and people meddle.
 * After each the faults stop, and everything must come to rest in bounded time, with every invariant kept on the way.
 */
import { type Dice, seededDice } from "./dice.ts";
import { Leadership } from "./leadership.ts";
import { CALM, drawMood, type Mood } from "./mood.ts";
import { actOut, bump, command, drawQuality, restoreLock, trouble } from "./people.ts";
import { newRecord, type ShopRecord } from "./records.ts";
import { restless, type Said } from "./settled.ts";
import { canaryPath, canaryText, drawShop, NAMESPACE, type Quality } from "./shop.ts";
import { lockPathOf, watchGit } from "./watch_git.ts";
import { checkTold, tell, watchRollouts } from "./watch_rollouts.ts";
import { watchTraffic } from "./watch_traffic.ts";
import { Violation, World } from "./world.ts";

/** Rollouts that one world goes through. */
export const ROLLOUTS_A_WORLD = 8;
/** After the last fault everything rests within this. */
const REST_MS = 90 * 60_000;
/** How long it must last to count as rest. */
const STILL_MS = 8_000;
/** A world at rest is watched this long for requests that nobody needs. */
const QUIET_MS = 20_000;

export interface Report {
  readonly seed: number;
  readonly rollouts: number;
  readonly violation: Violation | null;
  /** What ended how often. */
  readonly outcomes: ReadonlyMap<string, number>;
}

export async function simulate(
  seed: number,
  options: { readonly trace?: (line: string) => void; readonly rollouts?: number } = {},
): Promise<Report> {
  const play = new Play(seed, options.trace ?? null);
  const rollouts = options.rollouts ?? ROLLOUTS_A_WORLD;
  let done = 0;
  await play.adopt();
  for (; done < rollouts && play.world.violation === null; done += 1) await play.rollout();
  return { seed, rollouts: done, violation: play.world.violation, outcomes: play.outcomes };
}

class Play {
  readonly world: World;
  readonly outcomes = new Map<string, number>();
  readonly #dice: Dice;
  readonly #mood: Mood;
  readonly #first: Quality;
  readonly #leadership: Leadership;
  readonly #records: ReadonlyMap<string, ShopRecord>;

  constructor(seed: number, trace: ((line: string) => void) | null) {
    this.#dice = seededDice(seed).fork("play");
    const names = this.#dice.chance(0.2) ? ["shop", "cart"] : ["shop"];
    const shops = names.map((name) => drawShop(name, this.#dice));
    this.#mood = drawMood(this.#dice);
    // A first release that never runs is replaced by the next; one that serves already does run.
    this.#first = this.#dice.chance(0.05) ? "crashing" : "good";
    this.world = new World(seed, { shops, trace, first: this.#first });
    this.#records = new Map(this.world.shops.map((shop) => [shop.name, newRecord(shop)]));
    this.#leadership = new Leadership(this.world, (told) => tell(this.#records, told));
    watchRollouts(this.world, this.#records, () => this.#leadership.leader?.process.name ?? null);
    watchTraffic(this.world, this.#records, () => this.#undisturbed());
    watchGit(this.world, this.#records);
    for (const shop of shops) this.world.trace("world", JSON.stringify(shop));
    this.world.trace("world", JSON.stringify(this.#mood));
  }

  /** Faults are on from the start: adopting must not hurt those who are served already. */
  async adopt(): Promise<void> {
    for (const { shop } of this.#records.values()) {
      if (this.#first === "good" && this.#dice.chance(0.5)) serveAlready(this.world, shop);
    }
    await this.#run(this.#dice.int(0, 5_000));
    this.#leadership.start();
    this.world.mood = { ...this.#mood, people: false };
    await this.#chaos(this.#dice.int(5_000, 60_000));
    await this.#rest();
  }

  async rollout(): Promise<void> {
    for (const record of this.#records.values()) {
      record.blame.clear();
      record.troubled = false;
      if (this.#dice.chance(this.#records.size > 1 ? 0.7 : 1)) {
        bump({ world: this.world, record }, drawQuality(this.#dice));
      }
    }
    this.world.mood = this.#mood;
    if (this.#mood.standby) this.#leadership.standBy();
    await this.#chaos(this.#dice.int(20_000, 150_000));
    await this.#rest();
    if (this.world.violation !== null) return;
    for (const record of this.#records.values()) {
      checkTold(this.world, record);
      const outcome = this.world.state(record.shop)?.last?.outcome ?? "none";
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    }
    if (this.#dice.chance(0.3)) await this.#quiet();
  }

  async #run(ms: number): Promise<void> {
    await this.world.timeline.runUntil(() => this.world.violation !== null, ms);
  }

  #undisturbed(): boolean {
    const leader = this.#leadership.leader;
    return leader !== null && !leader.process.isFrozen && this.world.mood === CALM;
  }

  /** Faults and people for a while. */
  async #chaos(ms: number): Promise<void> {
    const { world } = this;
    const dice = this.#dice;
    const mood = this.world.mood;
    const during = (work: () => void): void => world.timeline.after(dice.int(0, ms), () => work());
    const outage = (on: boolean, set: (down: boolean) => void): void => {
      if (!on || !dice.chance(0.7)) return;
      during(() => {
        set(true);
        world.timeline.after(dice.int(1_000, ms), () => set(false));
      });
    };
    outage(mood.gitOutages, (down) => world.gitDown = down);
    outage(mood.metricsOutages, (down) => world.metricsDown = down);
    outage(mood.gateOutages, (down) => world.gatesDown = down);
    for (const { shop } of this.#records.values()) {
      for (const hook of shop.hooks) {
        outage(dice.chance(0.5), (closed) => {
          if (closed) world.closedGates.add(`${shop.name}/${hook}`);
          else world.closedGates.delete(`${shop.name}/${hook}`);
        });
      }
    }
    if (mood.lostLeases && dice.chance(0.5)) during(() => this.#leadership.loseLease());
    for (const record of this.#records.values()) {
      const scene = { world, leadership: this.#leadership, record, dice };
      if (mood.people) { for (let acts = dice.int(0, 3); acts > 0; acts -= 1) during(() => actOut(scene)); }
      if (mood.podTrouble && dice.chance(0.5)) during(() => trouble(scene));
    }
    await this.#run(ms);
  }

  /** The faults stop, people mend what they broke, and everything comes to rest. */
  async #rest(): Promise<void> {
    const { world } = this;
    world.trace("world", "the faults stop");
    world.mood = CALM;
    world.gitDown = false;
    world.metricsDown = false;
    world.gatesDown = false;
    world.closedGates.clear();
    // What was under way when the faults stopped may still meet the end of an outage.
    const end = world.timeline.elapsed + REST_MS;
    for (let round = 0; world.timeline.elapsed < end; round += 1) {
      const rested = await world.timeline.runUntil(
        () => world.violation !== null || this.#restless() === null,
        Math.min(120_000, end - world.timeline.elapsed),
      );
      // What rests only between two turns does not rest.
      if (rested) await this.#run(STILL_MS);
      if (world.violation !== null || (rested && this.#restless() === null)) return;
      if (rested) continue;
      for (const record of this.#records.values()) this.#mend(record);
    }
    world.violate("With passed checks and open gates a rollout ends", this.#restless() ?? "");
  }

  #restless(): string | null {
    const leader = this.#leadership.leader;
    if (leader === null || this.#leadership.isFrozen) return "nobody leads, or somebody is frozen";
    const agent = leader.agent();
    if (agent === undefined || agent.sources().some(({ state }) => state !== "fresh")) {
      return "Git was not asked again yet";
    }
    for (const record of this.#records.values()) {
      const found = restless(this.world, record, this.#said(record));
      if (found !== null) return `${record.shop.name}: ${found}`;
    }
    return null;
  }

  #said(record: ShopRecord): Said {
    return this.#leadership.leader?.agent()?.canary({ namespace: NAMESPACE, name: record.shop.name });
  }

  /** What only a person can put right: a suspended or paused canary, an edited lock, a lost one. */
  #mend(record: ShopRecord): void {
    const { world } = this;
    const { shop } = record;
    const state = world.state(shop);
    if (world.git.text(canaryPath(shop.name))?.includes("suspend: true") === true) {
      world.push("robin", `Let ${shop.name} go on`, { [canaryPath(shop.name)]: canaryText(shop) });
    }
    const scene = { world, leadership: this.#leadership, record };
    if (state === null) return;
    if (state.paused !== null) command(scene, "resume");
    if (this.#said(record)?.stalled?.includes("was changed by someone else") === true) {
      world.push("robin", `Drop the edited lock of ${shop.name}`, { [lockPathOf(shop.name)]: null });
    }
    if (state.phase === "new" && state.lock === null) {
      restoreLock(scene);
      command(scene, "adopt");
    }
    // A first release that does not run is mended by the next one.
    if (state.phase === "initialising" && world.readyOf(shop.refs.primary) === 0) bump({ world, record }, "good");
    record.mended += 1;
  }

  /** A settled idle canary asks for nothing. */
  async #quiet(): Promise<void> {
    const { world } = this;
    await this.#run(10_000);
    const before = world.calls;
    await this.#run(QUIET_MS);
    if (world.violation === null && world.calls !== before) {
      world.violate("A settled idle canary asks for nothing", `${world.calls - before} requests in ${QUIET_MS} ms`);
    }
  }
}

/** The application was there before the agent: pods, and a Service that leads to them. */
function serveAlready(world: World, shop: Pick<ShopRecord["shop"], "name" | "replicas" | "refs">): void {
  const image = [...world.qualities.keys()].find((known) => known.includes(`/${shop.name}:`)) ?? "";
  const labels = { app: shop.name };
  world.server.create({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: shop.name, namespace: "prod" },
    spec: {
      replicas: shop.replicas,
      progressDeadlineSeconds: 60,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [{ name: "app", image, ports: [{ name: "http", containerPort: 8080 }] }],
        },
      },
    },
  }, "robin");
  world.server.create({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: shop.name, namespace: "prod" },
    spec: {
      type: "ClusterIP",
      selector: labels,
      ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 8080 }],
    },
  }, "robin");
}
