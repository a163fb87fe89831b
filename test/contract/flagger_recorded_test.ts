/**
 * Compares what is rendered with what Flagger was recorded to write, by meaning. The recordings are not part of the
 * project: they are looked for at SERIN_SHARED, or in ../shared, and the test says so when they are absent.
 */
import assert from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { routers } from "../../adapters/routers/mod.ts";
import { services, workloadFor } from "../../adapters/workloads/mod.ts";
import type { Canary } from "../../src/core/canary.ts";
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from "../../src/core/kube_object.ts";
import { ALL_TO_PRIMARY } from "../../src/core/routes.ts";
import { aRelease, frozen } from "../support/builders.ts";
import { asObject, readCanary } from "../support/golden.ts";

const CASES = ["istio-w", "istio-ab", "istio-mir", "gw-w", "gw-ab", "k8s-bg"];

const folder = recordings();

function recordings(): string | null {
  try {
    const shared = Deno.env.get("SERIN_SHARED") ?? new URL("../../../shared", import.meta.url).pathname;
    Deno.statSync(`${shared}/flagger-recorded`);
    return `${shared}/flagger-recorded`;
  } catch (error) {
    // Not there, or outside of what this run may read.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return null;
    throw error;
  }
}

if (folder === null) {
  Deno.test("LEFT OUT: Flagger's recordings are not here; set SERIN_SHARED to compare with them", () => {});
}

for (const name of folder === null ? [] : CASES) {
  const text = Deno.readTextFileSync(`${folder}/${name}.yaml`);
  const recorded: JsonObject = JSON.parse(Deno.readTextFileSync(`${folder}/${name}.json`));
  const documents = parseAllDocuments(text).map((document): Json => document.toJS());
  const target = frozen(asObject(documents.find((document) => stringAt(document, "kind") === "Deployment") ?? null));
  const canary = readCanary(text.split("---\n").find((part) => part.includes("kind: Canary")) ?? "", `${name}.yaml`);
  const states = (key: string): readonly Json[] => listAt(recorded, key);

  Deno.test(`services() of ${name} mean what Flagger's do`, () => {
    for (const service of services(canary, { apexSelects: "primary", target, live: [] })) {
      const [theirs] = states(`Service/${service.metadata.name}`);
      assert.deepEqual(service.spec, at(theirs, "spec"));
      assert.deepEqual(withoutOurs(service.metadata.labels), at(theirs, "labels"));
      assert.deepEqual(service.metadata.annotations, at(theirs, "annotations"));
    }
  });

  Deno.test(`primary() of ${name} means what Flagger's does`, () => {
    const { workload } = workloadFor(canary.target).primary(canary, aRelease({ target }), new Map());
    const [theirs] = states("Deployment/podinfo-primary");
    assert.deepEqual(withoutOurs(workload.metadata.labels), at(theirs, "labels"));
    assert.deepEqual(at(workload, "spec", "selector", "matchLabels"), at(theirs, "selector"));
    assert.deepEqual(at(workload, "spec", "template", "metadata", "labels"), at(theirs, "templateLabels"));
    assert.equal(stringAt(workload, "spec", "template", "spec", "containers", 0, "image"), stringAt(theirs, "image"));
  });

  const router = routers.get(canary.provider);
  for (const key of Object.keys(recorded).filter((one) => /^(VirtualService|DestinationRule|HTTPRoute)\//.test(one))) {
    Deno.test(`render() of ${name} means what Flagger wrote to ${key}, state by state`, () => {
      assert.ok(router !== undefined && states(key).length > 0);
      let live: readonly KubeObject[] = [];
      for (const state of states(key)) {
        const routes = { ...ALL_TO_PRIMARY, ...shareIn(canary, state) };
        const [kind, objectName] = key.split("/");
        const writes: readonly KubeObject[] = router.render(canary, routes, live).map(({ object }) => object);
        const ours = writes.find((object) => object.kind === kind && object.metadata.name === objectName);
        assert.deepEqual(plain(objectAt(ours, "spec")), plain(objectAt(state, "spec")));
        // The next state is rendered over this one, as it goes in a cluster.
        live = frozen(writes.filter((object) => object.kind !== "DestinationRule"));
      }
    });
  }
}

function withoutOurs(labels: Readonly<Record<string, string>> | undefined): JsonObject {
  const ours = ["app.kubernetes.io/managed-by", "serin.dev/canary-name"];
  return Object.fromEntries(Object.entries(labels ?? {}).filter(([key]) => !ours.includes(key)));
}

/** Weight and mirror of a recorded route, read without our adapters: from the first rule that names the canary. */
function shareIn(canary: Canary, state: Json): { readonly weight: number; readonly mirror: boolean } {
  const rules = [...listAt(state, "spec", "http"), ...listAt(state, "spec", "rules")];
  const name = `${canary.service.name}-canary`;
  const destinations = [...listAt(rules[0], "route"), ...listAt(rules[0], "backendRefs")];
  const found = destinations.find((one) =>
    [stringAt(one, "destination", "host"), stringAt(one, "name")].includes(name)
  );
  const weight = at(found, "weight");
  return {
    weight: typeof weight === "number" ? weight : 0,
    mirror: JSON.stringify(at(rules[0], "mirror") ?? null).includes(name),
  };
}

/** A destination that stands alone has all traffic: its weight means nothing. */
function plain(spec: JsonObject): Json {
  const rules = listAt(spec, "http").map((rule): Json => {
    const [route, ...others] = listAt(rule, "route");
    if (!isJsonObject(route) || others.length > 0) return rule;
    const { weight: _weight, ...rest } = route;
    return { ...objectAt(rule), route: [rest] };
  });
  return rules.length === 0 ? spec : { ...spec, http: rules };
}
