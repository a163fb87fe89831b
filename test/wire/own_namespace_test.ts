/** An agent that is installed in a namespace of another name: its Lease lies there, with nothing said in the configuration. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { render } from "../../deploy/render.ts";
import { stringAt } from "../../src/core/kube_object.ts";
import { withCast } from "../support/cast.ts";
import { grantsTo, objectsIn } from "../support/rbac.ts";
import { until } from "../support/until.ts";

const OWN = "delivery";
const DEPLOY = new URL("../../deploy/", import.meta.url);

Deno.test("an agent installed elsewhere leads there, by the rights that were rendered for it", async () => {
  const parts = ["router_gatewayapi"];
  const objects = objectsIn(await render(DEPLOY, { namespaces: ["demo"], parts, own: OWN }));
  const settings = "kubernetes: { namespaces: [demo] }\nsecrets: { copy: false }";
  const grants = grantsTo({ namespace: OWN, name: "serin" }, objects);
  // What belongs to another namespace belongs to another agent.
  const change = (files: Record<string, string>): void => {
    for (const name of ["canary", "deployment"]) {
      const text = files[`apps/podinfo/${name}.yaml`] ?? "";
      files[`apps/elsewhere/${name}.yaml`] = text.replaceAll("namespace: demo", "namespace: elsewhere");
    }
  };
  await withCast({ grants, settings, namespace: OWN, change }, async ({ sandbox, gate, agent, ask }) => {
    const ref = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", name: "serin" };
    const lease = () => sandbox.api.store.get({ ...ref, namespace: OWN });
    await until("it leads", () => agent.lines.some((line) => line.includes('"event":"leading"')), 60_000)
      .catch((error) => {
        throw new Error(`${error}; refused: ${gate.refused.join(", ")}\n${agent.lines.join("\n")}`);
      });
    strictEqual(stringAt(lease(), "spec", "holderIdentity"), "serin-0");
    strictEqual(sandbox.api.store.get({ ...ref, namespace: "serin" }), undefined);
    const listed = async (): Promise<string> => await (await ask("/api/v1/canaries")).text();
    await until("it works in its namespace", async () => (await listed()).includes('"outcome":"initialised"'), 60_000);
    ok(agent.lines.some((line) => line.includes('"event":"canary-elsewhere","canary":"elsewhere/podinfo"')));
    ok(!(await listed()).includes("elsewhere"));
    deepStrictEqual(gate.refused, []);
  });
});
