/** Which canaries an agent takes on. */
import { deepStrictEqual } from "node:assert/strict";
import { createRoster } from "./roster.ts";

Deno.test("an agent of some namespaces takes on their canaries alone, and tells of each other one once", () => {
  const elsewhere: string[] = [];
  const roster = createRoster({ namespaces: ["shop"], elsewhere: (key) => elsewhere.push(key) });
  for (const namespace of ["shop", "billing", "billing"]) roster.meet({ namespace, name: "web" });
  deepStrictEqual([...roster.ids.keys()], ["shop/web"]);
  deepStrictEqual(elsewhere, ["billing/web"]);
  roster.forget("shop/web");
  deepStrictEqual([...roster.ids.keys()], []);
});

Deno.test("an agent of no namespaces in particular takes on all", () => {
  const roster = createRoster({ namespaces: [], elsewhere: (key) => deepStrictEqual(key, "nobody") });
  for (const namespace of ["shop", "billing"]) roster.meet({ namespace, name: "web" });
  deepStrictEqual([...roster.ids.keys()], ["shop/web", "billing/web"]);
});
