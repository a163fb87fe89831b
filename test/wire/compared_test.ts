/**
 * What runs is not what would be promoted: the rollout stays without traffic, and says which field is why and who wrote it.
 * Once the field is as declared, the same candidate is promoted.
 */
import { deepStrictEqual, match } from "node:assert/strict";
import { NAMESPACE } from "../support/app_files.ts";
import { bump, gated, promoted, tagOf, withFaults } from "../support/fault_stage.ts";

const TARGET = { apiVersion: "apps/v1", kind: "Deployment", namespace: NAMESPACE, name: "shop" };
const injected = (seconds: number | null) => ({
  spec: { template: { spec: { terminationGracePeriodSeconds: seconds } } },
});

Deno.test("a field that somebody else wrote into the target stalls a rollout before its first share", async () => {
  await withFaults({ apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const { sandbox } = stage;
    const shop = stage.of("shop");
    sandbox.api.store.patch(TARGET, injected(7), { manager: "injector" });
    await bump(sandbox, "2.0.0", "shop");
    const view = await shop.see("stalled", ({ waitsFor }) => /would be promoted/.test(waitsFor ?? ""));
    match(view.waitsFor ?? "", /spec\.terminationGracePeriodSeconds: live 7, primary 30 \(written by "injector"\)/);
    deepStrictEqual([view.weight, tagOf(sandbox, "shop-primary")], [0, "1.0.0"]);

    sandbox.api.store.patch(TARGET, injected(null), { manager: "injector" });
    await shop.see("promoted", promoted("2.0.0"));
  });
});
