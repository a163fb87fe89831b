/**
 * `render: live` where Flux and Argo CD apply plain manifests: what they applied is what is analysed, a newer bump takes a
 * rollout's place whatever the engine's fence is, and a bad one goes back in the manifest.
 */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { manifestOf, NAMESPACE } from "../support/app_files.ts";
import { type FakeEngine, startFakeArgo, startFakeFlux } from "../support/fake_engines.ts";
import {
  bump,
  closeGate,
  decisionsOf,
  deployment,
  gated,
  openGate,
  promoted,
  rests,
  tagOf,
  told,
  usersOf,
  withFaults,
} from "../support/fault_stage.ts";
import { until } from "../support/until.ts";

const NAME = "shop";
const ENGINES: Readonly<Record<string, (sandbox: Sandbox) => FakeEngine>> = {
  argocd: startFakeArgo,
  flux: startFakeFlux,
};

for (const [id, start] of Object.entries(ENGINES)) {
  Deno.test(`${id} applies a target that is read live`, async () => {
    await withFaults({
      apps: (hooks) => [gated(NAME, hooks, { spec: { render: "live" } })],
      engine: "detect",
      settings: "secrets: { copy: true }\n",
      async prepare(sandbox) {
        const engine = start(sandbox);
        await until("the target is applied", () => deployment(sandbox, NAME) !== undefined);
        return () => engine.stop();
      },
    }, async (stage) => {
      const { sandbox } = stage;
      const load = usersOf(stage, NAME);
      closeGate(stage, NAME);
      await bump(sandbox, "2.0.0", NAME);
      await stage.of(NAME).see("at half", (view) => view.phase === "waiting-promotion" && view.weight === 50);
      await bump(sandbox, "3.0.0", NAME);
      openGate(stage, NAME);
      await stage.of(NAME).see("the newer one promoted", promoted("3.0.0"));
      await rests(sandbox, NAME, "3.0.0");
      match(told(stage, NAME, "restarted").join("\n"), /New revision detected|no longer what was analysed/);

      const before = await sandbox.git.read(REPOSITORY, manifestOf(NAME));
      stage.hooks.reply(`/${NAME}/check`, { status: 500, body: "no" });
      await bump(sandbox, "4.0.0", NAME);
      await stage.of(NAME).see("failed", (view) => view.phase === "idle" && view.last?.outcome === "failed");
      strictEqual(await sandbox.git.read(REPOSITORY, manifestOf(NAME)), before);
      await until("the engine has applied the revert", () => tagOf(sandbox, NAME) === "3.0.0");
      await rests(sandbox, NAME, "3.0.0");
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
      match(
        (await decisionsOf(sandbox, NAME)).join("\n"),
        /Initialise[^]*Promote demo\/shop to shop:3[^]*Revert demo\/shop/,
      );
      // The primary's config is a copy of what is in the cluster.
      const names = sandbox.api.store.list("v1", "ConfigMap", NAMESPACE).map(({ metadata }) => metadata.name);
      strictEqual(names.filter((name) => name.startsWith(`${NAME}-primary-`)).length, 1);
    });
  });
}
