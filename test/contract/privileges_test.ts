/** The pooled check of rights: it fails a whole run in which a right of deploy/rbac was used by no suite. */
import { match, ok, throws } from "node:assert/strict";
import { grantsTo, objectsIn, rightsOf } from "../support/rbac.ts";
import { ELSEWHERE, pooledRights } from "../e2e/privileges.ts";

const RBAC = new URL("../../deploy/rbac/", import.meta.url);

function allRights(): readonly string[] {
  const texts = [...Deno.readDirSync(RBAC)].map(({ name }) => Deno.readTextFileSync(new URL(name, RBAC)));
  const grants = grantsTo({ namespace: "serin", name: "serin" }, texts.flatMap(objectsIn));
  return rightsOf(grants).map((right) => right.replace(/^(Cluster)?Role\//, ""));
}

Deno.test("a whole run that used every right passes, and tells which suite used it", () => {
  const used = allRights();
  const told = pooledRights.check([{ suite: "one", used }, { suite: "two", used: used.slice(0, 1) }], true) ?? "";
  ok(told.includes(`${used[0]}: one, two`), told);
});

Deno.test("a whole run with a right that nobody used fails; a part of the suites only tells", () => {
  const used = allRights().filter((right) => !right.endsWith(": create events"));
  throws(() => pooledRights.check([{ suite: "one", used }], true), /create events/);
  match(
    pooledRights.check([{ suite: "one", used }], false) ?? "",
    /by none of these suites: serin rule 2: create events/,
  );
});

Deno.test("what is shown elsewhere is a right that deploy/rbac has", () => {
  const rights = new Set(allRights().map((right) => right.replace(/^.*: /, "")));
  ok(Object.keys(ELSEWHERE).every((right) => rights.has(right)), JSON.stringify(Object.keys(ELSEWHERE)));
});
