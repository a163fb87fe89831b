/** Every derived name from one place. */
import { deepEqual, equal } from "node:assert/strict";
import { shop } from "../../test/support/core_builders.ts";
import { ledgerFolder, namesOf } from "./names.ts";

Deno.test("namesOf() the apex may be named otherwise than the target", () => {
  const scaler = {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    name: "shop-hpa",
    primaryMinReplicas: null,
    primaryMaxReplicas: null,
    primaryQueries: {},
  };
  deepEqual(namesOf(shop({ id: { name: "checkout" }, service: { name: "store" }, scaler })), {
    apex: "store",
    primaryService: "store-primary",
    canaryService: "store-canary",
    target: "shop",
    primary: "shop-primary",
    scaler: "shop-hpa",
    primaryScaler: "shop-hpa-primary",
    state: "serin-checkout",
  });
});

Deno.test("namesOf() without a scaler names none", () => {
  const { scaler, primaryScaler } = namesOf(shop());
  deepEqual([scaler, primaryScaler], [null, null]);
});

Deno.test("ledgerFolder() is apart by cluster, namespace and canary", () => {
  equal(ledgerFolder("east", { namespace: "prod", name: "shop" }), ".serin/east/prod/shop");
});
