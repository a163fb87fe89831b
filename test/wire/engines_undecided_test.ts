/** An engine that nobody named and no target tells: the agent applies nothing, and says what it waits for. */
import { match, strictEqual } from "node:assert/strict";
import { withStage } from "../support/stage.ts";

Deno.test("a target that nobody applied yet is not applied by an agent that was not told to", async () => {
  await withStage({ engine: "detect", initialised: false }, async (stage) => {
    const seen = await stage.see(
      "it says what it waits for",
      (view) => /engine: self/.test(`${view.waitsFor} ${view.stalled}`),
    );
    match(`${seen.waitsFor} ${seen.stalled}`, /"podinfo" does not exist, and it is not known who applies it/);
    strictEqual(stage.sandbox.api.store.list("apps/v1", "Deployment", "demo").length, 0);
    strictEqual(stage.sandbox.api.store.list("v1", "Service", "demo").length, 0);
  });
});
