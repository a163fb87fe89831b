/**
 * An upgrade of the agent: a primary that an earlier one rendered otherwise stays as it was promoted. Repairs put back
 * what the lock holds, not what this agent would make of the release, so that no pod is restarted by an upgrade.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { parseDocument } from "yaml";
import { lockDigest } from "../../src/core/decision.ts";
import { at, numberAt } from "../../src/core/kube_object.ts";
import { MANAGER } from "../../src/core/names.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { parseLockFile } from "../../src/ledger/lock_file.ts";
import { stateRef } from "../../src/shell/store.ts";
import { NAMESPACE } from "../support/app_files.ts";
import { bump, decisionsOf, deployment, type FaultStage, gated, promoted, withFaults } from "../support/fault_stage.ts";
import { until } from "../support/until.ts";

const LOCK = `.serin/sandbox/${NAMESPACE}/shop/primary.yaml`;
const STATUS = LOCK.replace("primary.yaml", "status.yaml");
const PRIMARY = { apiVersion: "apps/v1", kind: "Deployment", namespace: NAMESPACE, name: "shop-primary" };
const ANNOTATIONS = ["spec", "template", "metadata", "annotations"];
/** What the earlier agent wrote into the pods' template, and this one does not. */
const MARK = "earlier.example.com/rendered";
const marked = (value: string) => ({ spec: { template: { metadata: { annotations: { [MARK]: value } } } } });

/** Git and cluster as an earlier agent left them that rendered a primary otherwise; its state is lost besides. */
async function asTheEarlierLeftIt({ sandbox }: FaultStage): Promise<void> {
  const lock = parseDocument(await sandbox.git.read(REPOSITORY, LOCK) ?? "");
  lock.setIn(["spec", "primary", ...ANNOTATIONS, MARK], "yes");
  const seen = parseLockFile(lock.toString());
  if (seen.type !== "read") throw new Error(`the lock that was changed cannot be read: ${JSON.stringify(seen)}`);
  // The status names the digest of the lock that it was written with, by which an agent knows its own.
  const status = parseDocument(await sandbox.git.read(REPOSITORY, STATUS) ?? "");
  status.setIn(["status", "history", 0, "lock"], lockDigest(seen.value.lock));
  const files = { [LOCK]: lock.toString(), [STATUS]: status.toString() };
  await sandbox.git.commit(REPOSITORY, files, { message: "As the earlier agent wrote it" });
  sandbox.api.store.patch(PRIMARY, marked("yes"), { manager: MANAGER });
  sandbox.api.store.remove(stateRef({ namespace: NAMESPACE, name: "shop" }));
  await until("its pods are ready", () => {
    const primary = deployment(sandbox, "shop-primary");
    return numberAt(primary, "status", "observedGeneration") === numberAt(primary, "metadata", "generation") &&
      numberAt(primary, "status", "availableReplicas") === 1;
  });
}

/** The earlier agent's mark in the primary's template. */
function rendered(sandbox: FaultStage["sandbox"]): unknown {
  return at(deployment(sandbox, "shop-primary"), ...ANNOTATIONS, MARK);
}

Deno.test("an agent that renders primaries otherwise than the one before it restarts no pod", async (t) => {
  await withFaults({ apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const { sandbox } = stage;
    const shop = stage.of("shop");
    await stage.stopAgent();
    await asTheEarlierLeftIt(stage);
    const left = deployment(sandbox, "shop-primary")?.spec;
    const decided = await decisionsOf(sandbox, "shop");

    await stage.startAgent();
    await t.step("looked at, and left alone", async () => {
      await shop.see("at rest", ({ phase, stalled }) => phase === "idle" && stalled === null);
      await until("its state is remembered again", () => sandbox.api.store.get(stateRef(shop.id)) !== undefined);
      deepStrictEqual(deployment(sandbox, "shop-primary")?.spec, left);
    });
    await t.step("edited by hand: what the lock holds is put back", async () => {
      sandbox.api.store.patch(PRIMARY, marked("no"));
      await until("it is put right", () => rendered(sandbox) === "yes");
      deepStrictEqual(deployment(sandbox, "shop-primary")?.spec, left);
      deepStrictEqual(await decisionsOf(sandbox, "shop"), decided);
    });
    await t.step("with the next release this agent's rendering comes", async () => {
      await bump(sandbox, "2.0.0", "shop");
      await shop.see("promoted", promoted("2.0.0"));
      strictEqual(rendered(sandbox), undefined);
    });
  });
});
