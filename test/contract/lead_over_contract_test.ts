/**
 * Routers whose proxies know only the backends that a route names: whatever has the share before a step is still named
 * after it, and whatever gets it was named before, from a user's route to ours and back.
 */
import assert from "node:assert/strict";
import { routers } from "../../adapters/routers/mod.ts";
import type { Canary } from "../../src/core/canary.ts";
import { type KubeObject, listAt, numberAt, stringAt } from "../../src/core/kube_object.ts";
import { ALL_TO_PRIMARY } from "../../src/core/routes.ts";
import type { RouterAdapter } from "../../src/ports/router.ts";
import { aCanary, frozen } from "../support/builders.ts";

const GATEWAY = {
  group: "gateway.networking.k8s.io",
  kind: "Gateway",
  name: "public",
  namespace: null,
  sectionName: null,
  port: null,
};
const STEPS_MAX = 5;

/** A route as a person wrote it, which leads to the apex, with a filter of theirs. */
const USERS: KubeObject = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "HTTPRoute",
  metadata: { name: "shop", namespace: "prod", annotations: { "serin.dev/adopt": "true" } },
  spec: {
    parentRefs: [{ name: "public" }],
    rules: [{
      filters: [{ type: "ExtensionRef", extensionRef: { name: "a-filter" } }],
      backendRefs: [{ name: "shop", port: 80 }],
    }],
  },
};

function canaryOf(router: RouterAdapter): Canary {
  const service = { gatewayRefs: [GATEWAY], hosts: ["shop.example.com"] };
  return frozen(aCanary({ provider: router.id, traits: router.traits, service }));
}

/** Named backends by their weight. */
function backends(route: KubeObject): ReadonlyMap<string, number> {
  const refs = listAt(route, "spec", "rules").flatMap((rule) => listAt(rule, "backendRefs"));
  return new Map(refs.map((ref) => [stringAt(ref, "name") ?? "", numberAt(ref, "weight") ?? 1]));
}

/** All that the route was on its way, from where it is. */
function led(router: RouterAdapter, from: KubeObject, to: "ours" | "apex"): readonly KubeObject[] {
  const canary = canaryOf(router);
  const seen = [from];
  const pending: unknown[] = [];
  for (let steps = 0; steps < STEPS_MAX; steps++) {
    const live = frozen(seen.slice(-1));
    const left = router.leadOver?.pending(canary, live, to) ?? null;
    pending.push(left);
    if (left === null) break;
    const [write] = router.leadOver?.step(canary, live, to) ?? [];
    assert.ok(write !== undefined, `step ${steps} writes nothing`);
    seen.push(write.object);
  }
  assert.deepEqual(pending, ["first", "next", "next", null]);
  return seen;
}

function assertOverlap(routes: readonly KubeObject[]): void {
  for (const [index, route] of routes.slice(1).entries()) {
    const [before, after] = [backends(routes[index] ?? route), backends(route)];
    for (const [name, weight] of before) if (weight > 0) assert.ok(after.has(name), `${name} is gone too early`);
    for (const [name, weight] of after) if (weight > 0) assert.ok(before.has(name), `${name} was not known before`);
  }
}

for (const router of [...routers.values()].filter(({ leadOver }) => leadOver !== undefined)) {
  Deno.test(`${router.id} leads a user's route over to ours and back to what it was`, () => {
    const canary = canaryOf(router);
    const there = led(router, USERS, "ours");
    assertOverlap(there);
    const ours = there.at(-1) ?? USERS;
    assert.deepEqual(router.render(canary, ALL_TO_PRIMARY, [ours]).map(({ object }) => object.spec), [ours.spec]);
    assert.deepEqual([...backends(ours)], [["shop-primary", 100], ["shop-canary", 0]]);
    const back = led(router, ours, "apex");
    assertOverlap(back);
    assert.deepEqual(back.at(-1)?.spec, USERS.spec);
    assert.deepEqual(router.release(canary, back.slice(-1)).restore, []);
  });

  Deno.test(`${router.id} leads nothing over where nothing leads elsewhere`, () => {
    const canary = canaryOf(router);
    assert.equal(router.leadOver?.pending(canary, [], "ours"), null);
    assert.equal(router.leadOver?.pending(canary, [], "apex"), null);
    const own = router.render(canary, ALL_TO_PRIMARY, []).map(({ object }) => object);
    assert.equal(router.leadOver?.pending(canary, own, "ours"), null);
    assert.equal(router.leadOver?.pending(canary, own, "apex"), "first");
  });
}
