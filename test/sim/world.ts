/**
 * A fake world around real agents: cluster, repository, metrics server and gates, all in virtual time and all told by
 * one seed. It knows the truth (what images are like, who is served by what), which the agents must find out.
 */
import { at, listAt, numberAt, type ObjectRef, stringAt } from "../../src/core/kube_object.ts";
import type { State } from "../../src/core/state.ts";
import { MemoryGit } from "../support/memory_git.ts";
import { Controllers } from "./controllers.ts";
import { type Dice, seededDice } from "./dice.ts";
import { KubeServer } from "./kube_server.ts";
import { CALM, type Mood } from "./mood.ts";
import type { Process } from "./process.ts";
import {
  canaryPath,
  canaryText,
  deploymentPath,
  deploymentText,
  imageOf,
  type Quality,
  refsOfShop,
  type ShopOptions,
  type ShopRefs,
} from "./shop.ts";
import { Timeline } from "./timeline.ts";

export interface Shop extends ShopOptions {
  readonly refs: ShopRefs;
}

/** What an invariant of the design says, and how it was broken. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}\n  ${detail}`);
    this.name = "Violation";
    this.invariant = invariant;
  }
}

export interface Asked {
  readonly shop: Shop;
  /** "metrics", or the hook's type. */
  readonly what: string;
  readonly answer: "good" | "bad" | "no data" | "down";
}

/** Shares of traffic of one canary, as its users see them. */
export interface Traffic {
  /** Percent of users, or of the requests that match, that reach the canary Service. */
  readonly weight: number;
  readonly mirror: boolean;
  readonly apex: "primary" | "target" | "none";
}

export class World {
  readonly timeline = new Timeline();
  readonly dice: Dice;
  readonly server = new KubeServer();
  readonly git: MemoryGit;
  readonly controllers: Controllers;
  readonly shops: readonly Shop[];
  readonly qualities = new Map<string, Quality>();
  readonly trace: (who: string, what: string) => void;
  /** The first invariant that did not hold. */
  violation: Violation | null = null;
  /** Faults happen only while this is not calm. */
  mood: Mood = CALM;
  /** Calls to the cluster's API, to metrics and to gates. */
  calls = 0;
  gitDown = false;
  metricsDown = false;
  gatesDown = false;
  readonly closedGates = new Set<string>();
  readonly #gitListeners: (() => void)[] = [];
  readonly #askedListeners: ((process: Process, asked: Asked) => void)[] = [];
  readonly #states = new Map<string, { readonly version: string; readonly state: State | null }>();
  #tags = 0;

  constructor(
    seed: number,
    options: {
      readonly shops: readonly ShopOptions[];
      readonly trace: ((line: string) => void) | null;
      /** What the first release of each shop is like. */
      readonly first?: Quality;
    },
  ) {
    this.dice = seededDice(seed);
    const { trace } = options;
    this.trace = trace === null ? () => undefined : (who, what) => {
      const ms = this.timeline.elapsed;
      const stamp = `${String(Math.floor(ms / 60_000)).padStart(3)}:${
        ((ms % 60_000) / 1000).toFixed(3).padStart(6, "0")
      }`;
      trace(`${stamp}  ${who.padEnd(10)} ${what}`);
    };
    this.shops = options.shops.map((shop) => ({ ...shop, refs: refsOfShop(shop) }));
    this.controllers = new Controllers({
      server: this.server,
      timeline: this.timeline,
      dice: this.dice.fork("controllers"),
      readyAfterMs: (image, deployment) => this.#readyAfterMs(image, deployment),
    });
    const files: Record<string, string> = { "README.md": "# Shops\n" };
    for (const shop of this.shops) {
      files[canaryPath(shop.name)] = canaryText(shop);
      files[deploymentPath(shop.name)] = deploymentText(shop, this.newTag(shop.name, options.first ?? "good"));
    }
    this.git = new MemoryGit(files);
  }

  /** Remembers the first violation; the run stops soon after. */
  violate(invariant: string, detail: string): void {
    if (this.violation !== null) return;
    this.violation = new Violation(invariant, detail);
    this.trace("VIOLATION", this.violation.message);
  }

  newTag(shop: string, quality: Quality): string {
    const tag = `1.${this.#tags++}.0`;
    this.qualities.set(imageOf(shop, tag), quality);
    return tag;
  }

  qualityOf(image: string): Quality {
    return this.qualities.get(image) ?? "good";
  }

  #readyAfterMs(image: string, deployment: string): number {
    const quality = this.qualityOf(image);
    if (quality === "crashing") return Infinity;
    if (quality === "primary-crashing" && deployment.endsWith("-primary")) return Infinity;
    return quality === "slow" ? 8_000 : 2_000;
  }

  onGit(listener: () => void): void {
    this.#gitListeners.push(listener);
  }

  gitMoved(): void {
    for (const listener of this.#gitListeners) listener();
  }

  /** What befalls a push at the server. */
  mischief(): "none" | "refuse" | "race" {
    if (this.mood === CALM || !this.mood.gitOutages) return "none";
    return this.dice.chance(0.1) ? "refuse" : this.dice.chance(0.2) ? "race" : "none";
  }

  onAsked(listener: (process: Process, asked: Asked) => void): void {
    this.#askedListeners.push(listener);
  }

  /** A metrics server or a gate was asked. */
  asked(process: Process, asked: Asked): void {
    for (const listener of this.#askedListeners) listener(process, asked);
  }

  /** A person's commit. */
  push(who: string, message: string, files: Readonly<Record<string, string | null>>): void {
    this.trace(who, `pushes: ${message}`);
    this.git.commit({ files, message: `${message}\n`, author: who, timeMs: this.timeline.now });
    this.gitMoved();
  }

  /** What users of a canary are served by, from the live objects alone. */
  traffic(shop: Shop): Traffic {
    const apexValue = stringAt(this.server.get(shop.refs.apex), "spec", "selector", "app");
    const apex = apexValue === `${shop.name}-primary` ? "primary" : apexValue === shop.name ? "target" : "none";
    const route = shop.refs.route === null ? undefined : this.server.get(shop.refs.route);
    if (route === undefined) return { weight: 0, mirror: false, apex };
    return { ...routeShares(shop, route), apex };
  }

  /** Image of the pods of a Deployment's newest template. */
  imageIn(ref: ObjectRef): string | undefined {
    return stringAt(this.server.get(ref), "spec", "template", "spec", "containers", 0, "image");
  }

  replicasOf(ref: ObjectRef): number {
    return numberAt(this.server.get(ref), "spec", "replicas") ?? 0;
  }

  readyOf(ref: ObjectRef): number {
    return this.controllers.readyPods(ref).length;
  }

  /** The state as the cluster has it. */
  state(shop: Shop): State | null {
    const live = this.server.get(shop.refs.state);
    const version = live?.metadata.resourceVersion ?? "";
    const known = this.#states.get(shop.name);
    if (known?.version === version) return known.state;
    const text = stringAt(live, "data", "state");
    const state = text === undefined ? null : JSON.parse(text) as State;
    this.#states.set(shop.name, { version, state });
    return state;
  }

  /** The success rate that a metrics server would report, in percent; null without any request. */
  successRate(shop: Shop): number | null {
    const pods = this.controllers.readyPods(shop.refs.target);
    if (pods.length === 0) return null;
    return pods.some(({ image }) => this.qualityOf(image) === "bad") ? 40 : 100;
  }
}

function routeShares(shop: Shop, route: { readonly spec?: unknown }): { weight: number; mirror: boolean } {
  const canary = `${shop.name}-canary`;
  const isIstio = shop.router === "istio";
  let weight = 0;
  let mirror = false;
  for (const rule of listAt(route, "spec", isIstio ? "http" : "rules")) {
    const backends = listAt(rule, isIstio ? "route" : "backendRefs");
    const host = (backend: unknown): string | undefined =>
      isIstio ? stringAt(backend, "destination", "host")?.split(".")[0] : stringAt(backend, "name");
    const share = (backend: unknown): number => backends.length === 1 ? 100 : numberAt(backend, "weight") ?? 0;
    for (const backend of backends) if (host(backend) === canary) weight = Math.max(weight, share(backend));
    const mirrored = isIstio
      ? stringAt(rule, "mirror", "host")?.split(".")[0] === canary
      : listAt(rule, "filters").some((filter) =>
        stringAt(at(filter, "requestMirror", "backendRef"), "name") === canary
      );
    mirror ||= mirrored;
  }
  return { weight, mirror };
}
