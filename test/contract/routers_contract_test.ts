/** What every router must do, run over the table: see style guide, section 9. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { knownRouters, routers, routerTraits } from "../../adapters/routers/mod.ts";
import type { Canary } from "../../src/core/canary.ts";
import { at, isJsonObject, type Json, type KubeObject, listAt, objectAt, refOf } from "../../src/core/kube_object.ts";
import { ALL_TO_PRIMARY, type Routes } from "../../src/core/routes.ts";
import { ForeignError, InvalidSpecError } from "../../src/errors.ts";
import type { RouterAdapter } from "../../src/ports/router.ts";
import { aCanary, aMatch, type DeepPartial, frozen } from "../support/builders.ts";
import { adapterFiles } from "../support/adapter_files.ts";

const WEIGHTS = [0, 1, 10, 50, 99, 100];
const COOKIES = { canary: "c=abcdefghij", previous: "c=previousxx", primary: "p=klmnopqrst" };
const AFFINITY = {
  cookieName: "c",
  primaryCookieName: "p",
  maxAgeSeconds: 60,
  domain: null,
  path: null,
  httpOnly: true,
  secure: false,
  partitioned: false,
  sameSite: null,
};

function canaryOf(router: RouterAdapter, overrides: DeepPartial<Canary> = {}): Canary {
  const service = { gatewayRefs: [{ ...GATEWAY }], hosts: ["shop.example.com"], gateways: ["infra/public"] };
  const base = aCanary({ provider: router.id, traits: router.traits, service });
  return frozen(aCanary({ ...base, ...overrides, service: { ...base.service, ...overrides.service } }));
}

const GATEWAY = {
  group: "gateway.networking.k8s.io",
  kind: "Gateway",
  name: "public",
  namespace: null,
  sectionName: null,
  port: null,
};

/** What a server would hold after the writes: objects merged, lists replaced, a newer version. */
function applied(
  live: readonly KubeObject[],
  writes: readonly { readonly object: KubeObject }[],
): readonly KubeObject[] {
  const objects = new Map(live.map((object) => [key(object), object]));
  for (const { object } of writes) {
    const merged = merge(toJson(objects.get(key(object))), toJson(object));
    assert.ok(isJsonObject(merged));
    objects.set(key(object), merged as unknown as KubeObject);
  }
  return frozen([...objects.values()]);
}

function key(object: KubeObject): string {
  return JSON.stringify(refOf(object));
}

function toJson(object: KubeObject | undefined): Json {
  return object === undefined ? {} : JSON.parse(JSON.stringify(object));
}

function merge(live: Json | undefined, over: Json): Json {
  if (!isJsonObject(live) || !isJsonObject(over)) return over;
  const result: Record<string, Json> = { ...live };
  for (const [name, value] of Object.entries(over)) result[name] = merge(live[name], value);
  return result;
}

function rendered(
  router: RouterAdapter,
  canary: Canary,
  routes: Routes,
  live: readonly KubeObject[] = [],
): readonly KubeObject[] {
  return applied(live, router.render(canary, frozen(routes), live));
}

const FOREIGN_RULE: Json = { name: "a-rule" };

/** A person's additions to a route, of either shape: a rule behind ours, and a match, a filter and a field in ours. */
function withForeignParts(object: KubeObject): KubeObject {
  const spec: Record<string, Json> = { ...object.spec };
  for (const list of ["rules", "http"]) {
    const rules = listAt(spec, list);
    if (rules.length === 0) continue;
    const [matches, match] = list === "rules"
      ? ["matches", { path: { type: "Exact", value: "/a-match" } }]
      : ["match", { uri: { exact: "/a-match" } }];
    const added = rules.map((rule): Json => ({
      ...objectAt(rule),
      [matches]: [...listAt(rule, matches), match],
      ...(list === "rules"
        ? { filters: [{ type: "ExtensionRef", extensionRef: { name: "a-filter" } }] }
        : { fault: "a-filter" }),
      sessionPersistence: { sessionName: "a-field" },
    }));
    spec[list] = [...added, FOREIGN_RULE];
  }
  return { ...object, spec };
}

const routing = [...routers.values()].filter(({ traits }) => traits.weights);

for (const router of routing) {
  for (const weight of WEIGHTS) {
    for (const mirror of router.traits.mirror === "none" ? [false] : [false, true]) {
      Deno.test(`${router.id} reads back weight ${weight}, mirror ${mirror}`, () => {
        const canary = canaryOf(router);
        const view = router.read(canary, rendered(router, canary, { ...ALL_TO_PRIMARY, weight, mirror }));
        assert.deepEqual([view.exists, view.weight, view.mirror, view.drifted], [true, weight, mirror, false]);
      });
    }
  }

  Deno.test(`${router.id} reads back A/B, affinity and mirrors on any live route, and finds no drift`, () => {
    const overrides: readonly DeepPartial<Canary>[] = [
      {},
      { analysis: { strategy: { type: "blue-green", iterations: 3 } } },
      {
        analysis: {
          strategy: { type: "ab", iterations: 3, match: [aMatch({ headers: { x: { type: "exact", value: "1" } } })] },
        },
      },
      { analysis: { sessionAffinity: AFFINITY } },
      {
        service: {
          match: [
            aMatch({ uri: { type: "prefix", value: "/shop" } }),
            aMatch({ method: { type: "exact", value: "GET" } }),
          ],
        },
      },
    ];
    fc.assert(fc.property(
      fc.array(
        fc.record({
          canary: fc.constantFrom(...overrides),
          weight: fc.integer({ min: 0, max: 100 }),
          mirror: fc.boolean(),
          cookies: fc.constantFrom(COOKIES, { ...COOKIES, previous: null }, {
            canary: null,
            previous: null,
            primary: null,
          }),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      (steps) => {
        let live: readonly KubeObject[] = [];
        for (const { canary: part, ...routes } of steps) {
          const canary = canaryOf(router, part);
          live = rendered(router, canary, routes, live);
          const view = router.read(canary, live);
          assert.deepEqual([view.weight, view.mirror, view.drifted], [routes.weight, routes.mirror, false]);
          assert.deepEqual(rendered(router, canary, routes, live), live, "rendered again it must be the same");
        }
      },
    ));
  });

  Deno.test(`${router.id} keeps a user's metadata, and repairs without touching the weights`, () => {
    const canary = canaryOf(router);
    const live = rendered(router, canary, { ...ALL_TO_PRIMARY, weight: 30 });
    const edited = frozen(live.map((object): KubeObject => ({
      ...object,
      metadata: {
        ...object.metadata,
        labels: { ...object.metadata.labels, "app.kubernetes.io/managed-by": "someone", team: "web" },
        annotations: { note: "by hand" },
      },
    })));
    assert.equal(router.read(canary, edited).drifted, true);
    assert.equal(router.read(canary, edited).weight, 30);
    const repaired = rendered(router, canary, { ...ALL_TO_PRIMARY, weight: 30 }, edited);
    assert.equal(router.read(canary, repaired).weight, 30);
    assert.equal(router.read(canary, repaired).drifted, false);
    for (const { metadata } of repaired) {
      assert.equal(metadata.labels?.["team"], "web");
      assert.equal(metadata.annotations?.["note"], "by hand");
    }
  });

  Deno.test(`${router.id} keeps what a person added to its route, once, through any rollout`, () => {
    const share = fc.record({ weight: fc.constantFrom(...WEIGHTS), mirror: fc.boolean(), affinity: fc.boolean() });
    fc.assert(fc.property(fc.array(share, { minLength: 1, maxLength: 6 }), (steps) => {
      const first = canaryOf(router);
      let live: readonly KubeObject[] = frozen(rendered(router, first, ALL_TO_PRIMARY).map(withForeignParts));
      for (const { weight, mirror, affinity } of steps) {
        const canary = canaryOf(router, affinity ? { analysis: { sessionAffinity: AFFINITY } } : {});
        live = rendered(router, canary, { weight, mirror, cookies: COOKIES }, live);
        const rules = live.flatMap(({ spec }) => [...listAt(spec, "rules"), ...listAt(spec, "http")]);
        assert.deepEqual(rules.at(-1), FOREIGN_RULE);
        assert.equal(rules.filter((rule) => JSON.stringify(rule) === JSON.stringify(FOREIGN_RULE)).length, 1);
        const base = JSON.stringify(rules.at(-2));
        for (const part of ["a-match", "a-filter", "a-field"]) {
          assert.equal(base.split(part).length, 2, `${part} in ${base}`);
        }
        assert.equal(router.read(canary, live).weight, weight);
      }
    }));
  });

  Deno.test(`${router.id} writes labels, leaves no owner and asks for the live version where lists are atomic`, () => {
    const canary = canaryOf(router);
    const first = router.render(canary, ALL_TO_PRIMARY, []);
    for (const { object, precondition } of first) {
      assert.equal(precondition, "none");
      assert.equal(object.metadata.labels?.["app.kubernetes.io/managed-by"], "serin");
      assert.equal(object.metadata.labels?.["serin.dev/canary-name"], "shop");
      assert.equal(object.metadata.ownerReferences, undefined);
      assert.equal(object.metadata.resourceVersion, undefined);
    }
    const again = router.render(canary, { ...ALL_TO_PRIMARY, weight: 10 }, applied([], first));
    assert.deepEqual(again.map(({ precondition }) => precondition), ["live-version"]);
  });

  Deno.test(`${router.id} refuses objects of a user or of another canary, and takes Flagger's of the same name`, () => {
    const canary = canaryOf(router);
    const made = rendered(router, canary, ALL_TO_PRIMARY);
    const owned = (metadata: Partial<KubeObject["metadata"]>): readonly KubeObject[] =>
      frozen(made.map((object) => ({
        ...object,
        metadata: { name: object.metadata.name, namespace: "prod", ...metadata },
      })));
    const flagger = (name: string): Partial<KubeObject["metadata"]> => ({
      ownerReferences: [{ apiVersion: "flagger.app/v1beta1", kind: "Canary", name, uid: "1" }],
    });
    const render = (live: readonly KubeObject[]) => () => router.render(canary, ALL_TO_PRIMARY, live);
    assert.throws(
      render(owned({})),
      (error) => error instanceof ForeignError && (error.fix ?? "").includes("serin.dev/adopt"),
    );
    assert.throws(render(owned(flagger("other"))), ForeignError);
    assert.throws(render(owned({ labels: { "serin.dev/canary-name": "other" } })), ForeignError);
    render(owned(flagger("shop")))();
    render(owned({ annotations: { "serin.dev/adopt": "true" } }))();
    assert.equal(
      router.read(canary, owned({})).drifted,
      true,
      "a foreign route is reported by the render that refuses it",
    );
  });

  Deno.test(`${router.id} hands back: traffic to the apex alone, without our labels, and a second time nothing is left`, () => {
    const canary = canaryOf(router);
    const live = rendered(router, canary, { ...ALL_TO_PRIMARY, weight: 20, mirror: router.traits.mirror !== "none" });
    const { restore, remove } = router.release(canary, live);
    assert.deepEqual(remove.map(({ name }) => name).sort(), live.map(({ metadata }) => metadata.name).sort());
    for (const { object } of restore) {
      assert.equal(object.metadata.labels, undefined);
      const text = JSON.stringify(object.spec);
      assert.ok(!text.includes("shop-primary") && !text.includes("shop-canary"), text);
      assert.ok(text.includes('"shop"'), text);
    }
    const restored = restore.map(({ object }) => object);
    assert.deepEqual(router.release(canary, frozen(restored)), { restore: [], remove: [] });
  });

  Deno.test(`${router.id} gives a user's route back as it was`, () => {
    const canary = canaryOf(router);
    const [route] = rendered(router, canary, ALL_TO_PRIMARY).filter(({ metadata }) => metadata.name === "shop");
    assert.ok(route !== undefined);
    const metadata = { name: "shop", namespace: "prod", annotations: { "serin.dev/adopt": "true" } };
    const users: KubeObject = frozen({ ...route, metadata });
    const live = rendered(router, canary, { ...ALL_TO_PRIMARY, weight: 40 }, [users]);
    const again = rendered(router, canary, { ...ALL_TO_PRIMARY, weight: 50 }, live);
    const { restore } = router.release(canary, again);
    assert.deepEqual(restore.map(({ object }) => object.spec), [users.spec]);
  });
}

for (const router of routers.values()) {
  Deno.test(`${router.id} needs objects of the kinds that it has watched`, () => {
    const watched = router.watches.map(([apiVersion, kind]) => `${apiVersion}/${kind}`);
    const needs = router.needs(canaryOf(router));
    assert.ok(needs.every(({ apiVersion, kind }) => watched.includes(`${apiVersion}/${kind}`)));
    assert.equal(router.read(canaryOf(router), []).exists, needs.length === 0);
  });
}

Deno.test("the table of routers equals its folder, is in order, and knows only providers of Flagger's", () => {
  const ids = [...routers.keys()];
  assert.deepEqual(ids.map((id) => id.replaceAll(":", "_")), adapterFiles("routers"));
  assert.deepEqual(ids, [...routers.values()].map(({ id }) => id));
  assert.deepEqual([...routerTraits.keys()], ids);
  assert.deepEqual(ids.filter((id) => !knownRouters.includes(id)), []);
  assert.deepEqual([...knownRouters], [...knownRouters].sort());
});

Deno.test("gatewayapi:v1 reads what the parents' controllers say of this generation", () => {
  const router = routers.get("gatewayapi:v1");
  assert.ok(router !== undefined);
  const canary = canaryOf(router);
  const [route] = rendered(router, canary, ALL_TO_PRIMARY);
  assert.ok(route !== undefined);
  const condition = (type: string, status: string, observedGeneration: number): Json => ({
    type,
    status,
    observedGeneration,
    reason: "Because",
    message: "no such Service",
  });
  const withStatus = (conditions: readonly Json[], parentRef: Json = { name: "public" }): KubeObject => ({
    ...route,
    metadata: { ...route.metadata, generation: 4 },
    status: { parents: [{ parentRef, conditions }] },
  });
  const rows: readonly (readonly [string, KubeObject, string])[] = [
    ["no status", { ...route, metadata: { ...route.metadata, generation: 4 } }, "unknown"],
    ["both true", withStatus([condition("Accepted", "True", 4), condition("ResolvedRefs", "True", 4)]), "yes"],
    [
      "an older generation",
      withStatus([condition("Accepted", "True", 3), condition("ResolvedRefs", "True", 3)]),
      "unknown",
    ],
    ["refused at an older generation", withStatus([condition("Accepted", "False", 3)]), "unknown"],
    ["one missing", withStatus([condition("Accepted", "True", 4)]), "unknown"],
    ["refused", withStatus([condition("Accepted", "False", 4), condition("ResolvedRefs", "True", 4)]), "no"],
    ["unresolved", withStatus([condition("Accepted", "True", 4), condition("ResolvedRefs", "False", 4)]), "no"],
    [
      "another parent",
      withStatus([condition("Accepted", "True", 4), condition("ResolvedRefs", "True", 4)], { name: "other" }),
      "unknown",
    ],
  ];
  for (const [name, object, accepted] of rows) {
    const view = router.read(canary, frozen([object]));
    assert.equal(view.accepted, accepted, name);
    assert.equal(view.reason === null, accepted === "yes", name);
  }
});

Deno.test("gatewayapi:v1 refuses what an HTTPRoute cannot say, naming it", () => {
  const router = routers.get("gatewayapi:v1");
  assert.ok(router !== undefined);
  const rows: readonly (readonly [DeepPartial<Canary>, RegExp])[] = [
    [{ service: { match: [aMatch({ port: 80 })] } }, /port/],
    [{ service: { match: [aMatch({ uri: { type: "suffix", value: "/x" } })] } }, /suffix/],
    [{ service: { match: [aMatch({ headers: { a: { type: "prefix", value: "x" } } })] } }, /prefix/],
    [{ service: { gatewayRefs: [] } }, /gatewayRefs/],
    [{ service: { corsPolicy: { allowOrigins: [{ regex: ".*" }] } } }, /allowOrigins/],
    [{ service: { corsPolicy: { maxAge: "1d" } } }, /maxAge/],
  ];
  for (const [part, message] of rows) {
    const render = () => router.render(canaryOf(router, part), ALL_TO_PRIMARY, []);
    assert.throws(
      render,
      (error) => error instanceof InvalidSpecError && message.test(error.message) && error.fix !== undefined,
    );
  }
});

Deno.test("istio keeps foreign rules where they stand when one rule of ours becomes three and one again", () => {
  const router = routers.get("istio");
  assert.ok(router !== undefined);
  const canary = canaryOf(router, { analysis: { sessionAffinity: AFFINITY } });
  const made = rendered(router, canary, ALL_TO_PRIMARY).map((object): KubeObject => {
    const http = listAt(object, "spec", "http");
    if (object.kind !== "VirtualService") return object;
    const foreign = (name: string): Json => ({ name, route: [{ destination: { host: name } }] });
    return { ...object, spec: { ...object.spec, http: [foreign("before"), ...http, foreign("after")] } };
  });
  const shape = (live: readonly KubeObject[]): readonly Json[] => {
    const service = live.find(({ kind }) => kind === "VirtualService");
    return listAt(service, "spec", "http").map((rule) => at(rule, "name") ?? "ours");
  };
  const three = rendered(router, canary, { weight: 10, mirror: false, cookies: COOKIES }, frozen(made));
  assert.deepEqual(shape(three), ["before", "ours", "ours", "ours", "after"]);
  const one = rendered(router, canary, ALL_TO_PRIMARY, three);
  assert.deepEqual(shape(one), ["before", "ours", "after"]);

  // Somebody put a rule between ours: our last rule takes all requests, so nothing of ours may overtake it.
  const moved = three.map((object): KubeObject => {
    const [before, sticky, held, base, after] = listAt(object, "spec", "http");
    if (
      before === undefined || sticky === undefined || held === undefined || base === undefined || after === undefined
    ) return object;
    return { ...object, spec: { ...object.spec, http: [sticky, before, held, after, base] } };
  });
  const again = rendered(router, canary, { weight: 20, mirror: false, cookies: COOKIES }, frozen(moved));
  assert.deepEqual(shape(again), ["ours", "ours", "before", "after", "ours"]);
});

Deno.test("istio refuses over TCP what it does for HTTP only", () => {
  const router = routers.get("istio");
  assert.ok(router !== undefined);
  for (const analysis of [{ mirror: true }, { sessionAffinity: AFFINITY }]) {
    const canary = canaryOf(router, { service: { appProtocol: "TCP" }, analysis });
    assert.throws(() => router.render(canary, ALL_TO_PRIMARY, []), InvalidSpecError);
  }
});
