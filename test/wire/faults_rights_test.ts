/** Credentials that are wrong, or may only read: the user is told before anything is touched, and it mends by itself. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { REPOSITORY, setStage } from "../../src/demo/stage.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { appFiles, NAMESPACE } from "../support/app_files.ts";
import { fastClock } from "../support/fast_clock.ts";
import { decisionsOf, deployment, gated, rests, SPEED, told, withFaults } from "../support/fault_stage.ts";
import { HookReceiver } from "../support/hook_receiver.ts";
import { until } from "../support/until.ts";

/** What serves before an agent ever ran: a Deployment that somebody applied. */
function applied(sandbox: Sandbox): void {
  sandbox.api.store.create({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop", namespace: NAMESPACE, labels: { app: "shop" } },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "shop" } },
      template: {
        metadata: { labels: { app: "shop" } },
        spec: { containers: [{ name: "app", image: "registry.example/shop:1.0.0" }] },
      },
    },
  });
}

/** Objects of the canary's namespace that somebody made, but for pods and what controllers write. */
function madeBy(sandbox: Sandbox): readonly string[] {
  const kinds = [["v1", "Service"], ["v1", "ConfigMap"], ["apps/v1", "Deployment"], [
    "gateway.networking.k8s.io/v1",
    "HTTPRoute",
  ]] as const;
  return kinds.flatMap(([apiVersion, kind]) =>
    sandbox.api.store.list(apiVersion, kind, NAMESPACE).map(({ metadata }) => `${kind}/${metadata.name}`)
  ).filter((name) => name !== "ConfigMap/serin-shop");
}

Deno.test("a token that may only read: preflight says so, nothing is touched, a better one is enough", async () => {
  await withFaults({
    apps: (hooks) => [gated("shop", hooks)],
    initialised: false,
    prepare: (sandbox) => {
      applied(sandbox);
      sandbox.git.faults.set({ only: "push", status: 403 });
    },
  }, async (stage) => {
    const { sandbox } = stage;
    const shop = stage.of("shop");
    const generation = deployment(sandbox, "shop")?.metadata.generation;
    const view = await shop.see(
      "stalled",
      ({ waitsFor, stalled }) => /Decisions cannot be written to Git/.test(`${waitsFor} ${stalled}`),
    );
    match(`${view.waitsFor} ${view.stalled}`, /403.*Give the agent credentials that may push/);
    await until("people are told", () => told(stage, "shop", "stalled").some((text) => /credentials/.test(text)));
    deepStrictEqual(madeBy(sandbox), ["Deployment/shop"]);
    strictEqual(deployment(sandbox, "shop")?.metadata.generation, generation);
    deepStrictEqual(await decisionsOf(sandbox, "shop"), []);

    sandbox.git.faults.set({});
    await shop.see("initialised", ({ phase, last }) => phase === "idle" && last?.outcome === "initialised");
    await rests(sandbox, "shop", "1.0.0");
  });
});

Deno.test("a wrong token: the source says what to check, nothing is touched, the right one is enough", async () => {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  const hooks = new HookReceiver();
  const token = `${dir}/token`;
  await Deno.writeTextFile(token, "wrong");
  const clock = fastClock(SPEED, machineClock.now());
  const stage = await setStage({
    clock,
    dir,
    files: appFiles(gated("shop", hooks)),
    token: { name: "robin", hash: `sha256:${"0".repeat(64)}` },
    settings: `    auth: { username: serin, tokenFile: ${token} }\n`,
    sandbox: { gitAuth: { username: "serin", password: "right" } },
    prepare: applied,
    telling: () => ({
      announce: () => Promise.resolve(),
      measured: () => {},
      turned: () => {},
      fetched: () => {},
      pushed: () => {},
      forgotten: () => {},
      recent: () => [],
      log: () => {},
    }),
  });
  try {
    const { sandbox, composed } = stage;
    await until("the source says why", () => composed.agent.sources()[0]?.problem !== null);
    match(composed.agent.sources()[0]?.problem ?? "", /401|credentials/);
    match(composed.agent.readiness().reasons.join(" "), /Source "fleet" was not fetched yet: .*(401|credentials)/);
    deepStrictEqual(madeBy(sandbox), ["Deployment/shop"]);
    const before = await sandbox.git.tip(REPOSITORY);

    await Deno.writeTextFile(token, "right\n");
    const id = { namespace: NAMESPACE, name: "shop" };
    await until("initialised", () => composed.agent.canary(id)?.last?.outcome === "initialised", 30_000);
    strictEqual(await sandbox.git.tip(REPOSITORY) === before, false);
    await rests(sandbox, "shop", "1.0.0");
  } finally {
    await stage.close();
    await hooks.stop();
    await Deno.remove(dir, { recursive: true });
  }
});
