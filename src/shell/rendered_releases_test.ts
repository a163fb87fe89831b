/** Which writes on a target are a new release of its engine's, and which are not. */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { JsonObject, KubeObject } from "../core/kube_object.ts";
import type { Release } from "../core/release.ts";
import { fluxHelm } from "../../adapters/engines/flux.ts";
import { self } from "../../adapters/engines/self.ts";
import { aCanary } from "../../test/support/builders.ts";
import { aLock } from "../../test/support/ledger_builders.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { type RenderedAnswer, RenderedReleases } from "./rendered_releases.ts";

const REF = { apiVersion: "apps/v1", kind: "Deployment", namespace: "prod", name: "shop" };
const TIP = "a".repeat(40);

/** A target as Helm wrote it, and what others wrote into it. */
class World {
  readonly clock = new ManualClock();
  readonly gets: string[] = [];
  target: KubeObject | undefined;
  digest: string | undefined;
  releases = this.agent();
  lock: Release | null = null;

  agent(key: string | null = "key"): RenderedReleases {
    const cluster = {
      get: () => this.#cached(),
      live: (ref: { readonly name: string }) => {
        this.gets.push(ref.name);
        return Promise.resolve(this.target);
      },
    };
    return new RenderedReleases({ cluster, clock: this.clock, key });
  }

  #cached(): KubeObject | undefined {
    if (this.target === undefined) return undefined;
    const { managedFields: _none, ...metadata } = this.target.metadata;
    return { ...this.target, metadata };
  }

  /** What Helm owns: a container with its image and one variable. */
  write(
    image: string,
    more: { readonly env?: string; readonly annotations?: JsonObject; readonly taken?: boolean } = {},
  ): void {
    const owned = { ".": {}, "f:name": {}, "f:env": {}, ...(more.taken === true ? {} : { "f:image": {} }) };
    this.target = {
      ...REF,
      metadata: {
        name: "shop",
        namespace: "prod",
        managedFields: [{
          manager: "helm-controller",
          fieldsV1: { "f:spec": { "f:template": { "f:spec": { "f:containers": { 'k:{"name":"app"}': owned } } } } },
        }],
      },
      spec: {
        selector: { matchLabels: { app: "shop" } },
        template: {
          ...(more.annotations === undefined ? {} : { metadata: { annotations: more.annotations } }),
          spec: { containers: [{ name: "app", image, env: [{ name: "TOKEN", value: more.env ?? "secret" }] }] },
        },
      },
    };
  }

  /** What Helm says that it has released. */
  say(digest: string | undefined): void {
    this.digest = digest;
  }

  ask(engine: typeof fluxHelm | typeof self = fluxHelm): Promise<RenderedAnswer> {
    const owner = {
      apiVersion: "helm.toolkit.fluxcd.io/v2",
      kind: "HelmRelease",
      metadata: { name: "shop", namespace: "prod" },
      status: this.digest === undefined ? {} : { history: [{ chartVersion: "1.0.0", configDigest: this.digest }] },
    };
    const lock = this.lock === null ? null : aLock({ release: this.lock });
    const input = { canary: aCanary({ render: "live" }), state: { lock, run: null }, ref: REF, engine, tip: TIP };
    return this.releases.candidate({ ...input, owners: [owner] }, new AbortController().signal);
  }

  async candidate(): Promise<Release> {
    const { candidate, complaint } = await this.ask();
    equal(complaint, null);
    if (candidate === null) throw new Error("there is no candidate");
    return candidate;
  }
}

async function installed(): Promise<{ readonly world: World; readonly first: Release }> {
  const world = new World();
  world.write("registry.example.com/shop:1");
  world.say("one");
  const first = await world.candidate();
  world.lock = first;
  return { world, first };
}

Deno.test("a candidate is told by keyed hashes, and holds nothing of what was rendered but names and images", async () => {
  const { world, first } = await installed();
  equal(first.commit, TIP);
  equal(first.revision, first.rendering?.template);
  equal(first.rendering?.owner, "helm.toolkit.fluxcd.io/HelmRelease prod/shop");
  deepEqual(first.images, [{ container: "app", image: "registry.example.com/shop:1" }]);
  equal(JSON.stringify(first).includes("secret"), false);
  world.releases = world.agent("another key");
  world.lock = null;
  const other = await world.candidate();
  equal(other.revision === first.revision || other.rendering?.source === first.rendering?.source, false);
});

Deno.test("another template from another source is a candidate; the same rest tells that only images differ", async () => {
  const { world, first } = await installed();
  world.write("registry.example.com/shop:2");
  world.say("two");
  const second = await world.candidate();
  equal(second.revision === first.revision, false);
  equal(second.rendering?.rest, first.rendering?.rest);
  world.write("registry.example.com/shop:3", { env: "rotated" });
  world.say("three");
  const third = await world.candidate();
  equal(third.rendering?.rest === first.rendering?.rest, false);
});

Deno.test("the target may be seen before or after the engine says what it rendered it from", async () => {
  const { world, first } = await installed();
  world.write("registry.example.com/shop:2");
  equal((await world.candidate()).revision, first.revision);
  world.say("two");
  const second = await world.candidate();
  equal(second.images[0]?.image, "registry.example.com/shop:2");
  world.say("three");
  equal((await world.candidate()).revision, second.revision);
  world.write("registry.example.com/shop:3");
  equal((await world.candidate()).images[0]?.image, "registry.example.com/shop:3");
});

Deno.test("what others write is none of the engine's, whatever it renders from by then", async () => {
  const { world, first } = await installed();
  world.write("registry.example.com/shop:1", { annotations: { "kubectl.kubernetes.io/restartedAt": "now" } });
  world.say("two");
  equal((await world.candidate()).revision, first.revision);
  await world.clock.advance(31_000);
  equal((await world.candidate()).rendering?.source === first.rendering?.source, false);
  // An edit long after: the engine has rendered nothing since.
  world.write("registry.example.com/shop:1", { env: "by hand" });
  equal((await world.candidate()).revision, first.revision);
});

Deno.test("an image that somebody else has written is no candidate, nor after a restart of the agent", async () => {
  const { world, first } = await installed();
  world.say("two");
  world.write("registry.example.com/shop:9", { taken: true });
  equal((await world.candidate()).revision, first.revision);
  world.releases = world.agent();
  equal((await world.candidate()).revision, first.revision);
});

Deno.test("a canary that was read from manifests until now goes on at the release that its lock has", async () => {
  const { world, first } = await installed();
  const { rendering: _rendering, ...read } = first;
  world.lock = { ...read, revision: "of-manifests" };
  world.releases = world.agent();
  equal((await world.candidate()).revision, "of-manifests");
  world.write("registry.example.com/shop:2");
  world.say("two");
  equal((await world.candidate()).images[0]?.image, "registry.example.com/shop:2");
});

Deno.test("at rest no request is made", async () => {
  const { world } = await installed();
  world.gets.length = 0;
  await world.candidate();
  await world.candidate();
  deepEqual(world.gets, []);
});

Deno.test("where nothing can be told, a sentence says why", async () => {
  const world = new World();
  match((await world.ask()).complaint ?? "", /target "shop" is not in the cluster/);
  world.write("registry.example.com/shop:1");
  match((await world.ask()).complaint ?? "", /has not said yet what it rendered/);
  await rejects(world.ask(self), /carries the marks of neither/);
  world.releases = world.agent(null);
  await rejects(world.ask(), /reads no Secrets here/);
});
