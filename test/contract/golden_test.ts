/** Golden cases of routers, workloads, derived Services and scalers: see `test/support/golden.ts`. */
import assert from "node:assert/strict";
import { routers } from "../../adapters/routers/mod.ts";
import { scalers } from "../../adapters/scalers/mod.ts";
import { services, workloads } from "../../adapters/workloads/mod.ts";
import { at, type Json, numberAt, stringAt } from "../../src/core/kube_object.ts";
import { ALL_TO_PRIMARY, type Routes } from "../../src/core/routes.ts";
import { aRelease } from "../support/builders.ts";
import { type GoldenCase, goldenCases, goldenFolders } from "../support/golden.ts";

/** File stem of a router's id: "gatewayapi:v1" is in gatewayapi_v1.ts. */
function stem(id: string): string {
  return id.replaceAll(":", "_");
}

for (const [id, router] of routers) {
  // Without objects there is nothing to render.
  if (router.watches.length === 0) continue;
  for (const golden of goldenCases(`routers/${stem(id)}`)) {
    Deno.test(`render() of ${golden.name}`, () => {
      const writes = router.render(golden.canary(), routesOf(golden), golden.objects("live.yaml"));
      golden.check(writes.map(({ object }) => object));
    });
  }
}

function routesOf(golden: GoldenCase): Routes {
  const [routes] = golden.documents("routes.yaml");
  const cookie = (name: string): string | null => stringAt(routes, "cookies", name) ?? null;
  return {
    weight: numberAt(routes, "weight") ?? ALL_TO_PRIMARY.weight,
    mirror: at(routes, "mirror") === true,
    cookies: { canary: cookie("canary"), previous: cookie("previous"), primary: cookie("primary") },
  };
}

for (const golden of goldenCases("workloads/deployment")) {
  Deno.test(`primary() of ${golden.name}`, () => {
    const [target, ...configs] = golden.objects("manifests.yaml");
    const adapter = workloads.get("apps/v1/Deployment");
    assert.ok(target !== undefined && adapter !== undefined);
    const secrets = new Map(
      golden.objects("secrets.yaml").map((object) => [object.metadata.name, { object, suffix: "5ec2e7" }]),
    );
    const release = aRelease({ target, configs });
    const parts = adapter.primary(golden.canary(), { ...release, revision: "0123456789ab" }, secrets);
    golden.check([...parts.configs, parts.workload]);
  });
}

for (const golden of goldenCases("workloads/services")) {
  Deno.test(`services() of ${golden.name}`, () => {
    const [target] = golden.objects("manifests.yaml");
    assert.ok(target !== undefined);
    golden.check(services(golden.canary(), { apexSelects: "primary", target, live: golden.objects("live.yaml") }));
  });
}

for (const golden of goldenCases("scalers/hpa")) {
  Deno.test(`primary() of ${golden.name}`, () => {
    const [scaler] = golden.objects("live.yaml");
    const [options] = golden.documents("options.yaml");
    const adapter = scalers.get("autoscaling/v2/HorizontalPodAutoscaler");
    assert.ok(scaler !== undefined && adapter !== undefined);
    const floor: Json | undefined = at(options, "floor");
    golden.check([adapter.primary(golden.canary(), scaler, typeof floor === "number" ? floor : null)]);
  });
}

Deno.test("golden cases stand in a folder of an adapter that exists", () => {
  const ids = [...routers.keys()].map(stem);
  assert.deepEqual(goldenFolders("routers").filter((name) => !ids.includes(name)), []);
});
