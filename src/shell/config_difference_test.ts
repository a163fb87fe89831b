/** ConfigMaps that are in the cluster as Git declares them, and each way in which they are not. */
import { equal } from "node:assert/strict";
import type { KubeObject } from "../core/kube_object.ts";
import { aConfigMap, aDeployment, aRelease } from "../../test/support/builders.ts";
import { configDifference } from "./config_difference.ts";

const declared = aConfigMap({ name: "shop", data: { a: "1", b: "2" } });
const volumes = [{ name: "config", configMap: { name: "shop" } }];
const target = aDeployment({ spec: { template: { spec: { containers: [], volumes } } } });
const release = aRelease({ target, configs: [declared] });

function against(live: KubeObject | undefined, of = release): Promise<string | null> {
  const cluster = { live: () => Promise.resolve(live) };
  return configDifference(cluster, { namespace: "prod", release: of }, new AbortController().signal);
}

for (
  const [name, live, want] of [
    ["the same", aConfigMap({ name: "shop", data: { b: "2", a: "1" } }), null],
    ["not there", undefined, 'ConfigMap "shop" is not in the cluster'],
    [
      "another value",
      aConfigMap({ name: "shop", data: { a: "1", b: "3" } }),
      'ConfigMap "shop" has another data["b"] than Git declares',
    ],
    [
      "a key that is not there yet",
      aConfigMap({ name: "shop", data: { a: "1" } }),
      'ConfigMap "shop" lacks data["b"], which Git declares',
    ],
    [
      "a key that is still there",
      aConfigMap({ name: "shop", data: { a: "1", b: "2", c: "3" } }),
      'ConfigMap "shop" has data["c"], which Git does not declare',
    ],
    [
      "binary data",
      { ...aConfigMap({ name: "shop", data: { a: "1", b: "2" } }), binaryData: { d: "AA==" } },
      'ConfigMap "shop" has binaryData["d"], which Git does not declare',
    ],
  ] as const
) {
  Deno.test(`configDifference() ${name}: ${want ?? "none"}`, async () => {
    equal(await against(live), want);
  });
}

Deno.test("configDifference() asks nothing of what Git does not declare", async () => {
  equal(await against(undefined, aRelease({ target, configs: [] })), null);
  equal(await against(undefined, aRelease({ target, configs: [declared], tracking: false })), null);
});
