/** Alerts over real HTTP: each provider gets the severities it asked for, in Flagger's shape, and nothing that is muted. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { stringify } from "yaml";
import { at, type JsonObject, listAt, stringAt } from "../../src/core/kube_object.ts";
import { startLoadTester } from "../../src/sandbox/loadtester/load_tester.ts";
import { appFiles } from "../support/app_files.ts";
import { HookReceiver, type Received } from "../support/hook_receiver.ts";
import { withStage } from "../support/stage.ts";
import { bumpAll } from "../support/tale.ts";
import { until } from "../support/until.ts";

Deno.test("alerts reach Slack and webhooks by severity", async (t) => {
  const hooks = new HookReceiver();
  const tester = startLoadTester();
  try {
    hooks.reply("/shaky/rollout", { status: 500, body: "broken" });
    const alerts = ["slack", "plain", "pager"].map((name) => ({
      name,
      severity: name === "pager" ? "error" : name === "slack" ? "info" : "warn",
      providerRef: { name: name === "slack" ? "chat" : name, namespace: "demo" },
    }));
    const gate = (muteAlert: boolean) => ({
      name: "gate",
      type: "confirm-promotion",
      url: `${tester.url}/gate/check`,
      muteAlert,
    });
    const rollout = { name: "acceptance", type: "rollout", url: `${hooks.url}/shaky/rollout` };
    const steps = { stepWeights: [50], metrics: [], threshold: 1, alerts };
    const files = {
      ...appFiles(
        { name: "good", analysis: { ...steps, webhooks: [gate(false)] } },
        { name: "muted", analysis: { ...steps, webhooks: [gate(true)] } },
        { name: "shaky", analysis: { ...steps, webhooks: [rollout] } },
      ),
      "alerts/providers.yaml": [
        provider("chat", { type: "slack", secretRef: { name: "chat-url" }, channel: "ops", username: "serin" }),
        provider("plain", { type: "webhook", address: `${hooks.url}/plain` }),
        provider("pager", { type: "webhook", address: `${hooks.url}/pager` }),
      ].map((object) => stringify(object)).join("---\n"),
    };
    const names = ["good", "muted", "shaky"];
    const address = btoa(`${hooks.url}/slack`);
    await withStage({
      files,
      initialised: names,
      prepare: (sandbox) =>
        void sandbox.api.store.create({
          apiVersion: "v1",
          kind: "Secret",
          metadata: { name: "chat-url", namespace: "demo" },
          data: { address },
        }),
    }, async (stage) => {
      await bumpAll(stage, names, "1.1.0");
      await stage.of("shaky").see("failed", ({ phase, last }) => phase === "idle" && last?.outcome === "failed");
      for (const name of ["good", "muted"]) {
        await stage.of(name).see("waits", ({ gate }) => gate === "confirm-promotion");
        const open = await fetch(`${tester.url}/gate/open`, {
          method: "POST",
          body: JSON.stringify({ name, namespace: "demo" }),
        });
        await open.body?.cancel();
      }
      for (const name of ["good", "muted"]) {
        await stage.of(name).see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded");
      }
      await until(
        "all that is due was told",
        () => names.every((name) => slackTexts(hooks, name).length >= (name === "good" ? 4 : 3)),
      );

      await t.step("Slack with severity info is told everything, in Flagger's shape", () => {
        deepStrictEqual(slackTexts(hooks, "good"), [
          "New Deployment detected, initialization completed.",
          "New revision detected, progressing canary analysis.",
          "Canary promotion is waiting for approval.",
          "Canary analysis completed successfully, promotion finished.",
        ]);
        deepStrictEqual(slackTexts(hooks, "shaky"), [
          "New Deployment detected, initialization completed.",
          "New revision detected, progressing canary analysis.",
          "Failed checks threshold reached 1",
        ]);
        slackShape(hooks.on("/slack"));
      });
      await t.step("muteAlert keeps a gate's wait from alerts", () => {
        ok(!slackTexts(hooks, "muted").includes("Canary promotion is waiting for approval."));
        ok(
          stage.of("muted").announced().some(({ message }) => message === "Canary promotion is waiting for approval."),
        );
      });
      await t.step("warn gets warn and error, error gets error only", () => {
        deepStrictEqual(severities(hooks.on("/plain")), ["error", "warn"]);
        deepStrictEqual(severities(hooks.on("/pager")), ["error"]);
        strictEqual(hooks.on("/pager").length, 1);
      });
    });
  } finally {
    await hooks.stop();
    await tester.stop();
  }
});

function provider(name: string, spec: JsonObject): JsonObject {
  return { apiVersion: "serin.dev/v1", kind: "AlertProvider", metadata: { name, namespace: "demo" }, spec };
}

function slackTexts(hooks: HookReceiver, name: string): readonly string[] {
  return hooks.on("/slack").flatMap(({ json }) => listAt(json, "attachments"))
    .filter((attachment) => stringAt(attachment, "author_name") === `${name}.demo`)
    .map((attachment) => stringAt(attachment, "text") ?? "");
}

function slackShape(calls: readonly Received[]): void {
  const started = calls.find(({ body }) => body.includes("good.demo") && body.includes("New revision"));
  deepStrictEqual(started?.json, {
    channel: "ops",
    username: "serin",
    icon_url: "",
    icon_emoji: ":rocket:",
    attachments: [{
      color: "good",
      author_name: "good.demo",
      text: "New revision detected, progressing canary analysis.",
      mrkdwn_in: ["text"],
      fields: [
        { title: "Cluster", value: "sandbox", short: false },
        { title: "Target", value: "Deployment/good.demo", short: false },
        { title: "Failed checks threshold", value: "1", short: false },
        { title: "Progress deadline", value: "60s", short: false },
        { title: "Traffic routing", value: "Weight step: 50 max: 50", short: false },
      ],
    }],
  });
  const failed = calls.find(({ body }) => body.includes("Failed checks threshold reached 1"));
  strictEqual(at(listAt(failed?.json, "attachments")[0], "color"), "danger");
}

function severities(calls: readonly Received[]): readonly string[] {
  return [...new Set(calls.map(({ json }) => stringAt(json, "severity") ?? "none"))].sort();
}
