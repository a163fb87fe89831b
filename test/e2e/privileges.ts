/**
 * Least privilege over all suites: each world leaves which rights of deploy/rbac its agents used, by the audit log; when
 * every suite has run, each right must have been used by one of them. Nothing may be refused in any.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { isJsonObject, type KubeObject, listAt, stringAt } from "../../src/core/kube_object.ts";
import { allowing, type Grant, grantsTo, objectsIn, rightOf, rightsOf } from "../support/rbac.ts";
import { askedByAgent, tally } from "./audit.ts";
import type { PooledCheck } from "./suite.ts";
import type { Run } from "./suite.ts";

const ACCOUNT = { namespace: "serin", name: "serin" };
const RBAC = new URL("../../deploy/rbac/", import.meta.url);
const KIND = "rights";

/**
 * Rights that no server of these suites can make use of, each with why it is given and what shows its use instead.
 * `test/contract/deploy_test.ts` holds the engines' roles against what the shell asks.
 */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  "list helmreleases.helm.toolkit.fluxcd.io": "helm-controller is not among the servers",
  "watch helmreleases.helm.toolkit.fluxcd.io": "helm-controller is not among the servers",
  "patch helmreleases.helm.toolkit.fluxcd.io": "helm-controller is not among the servers",
  "patch ocirepositories.source.toolkit.fluxcd.io": "source-controller is not among the servers",
  "patch helmrepositories.source.toolkit.fluxcd.io": "source-controller is not among the servers",
  "patch buckets.source.toolkit.fluxcd.io": "source-controller is not among the servers",
};

/** A check at the end of a world: what its agents asked was allowed; which rights they used is left for the pooled check. */
export async function checkPrivileges(
  run: Run,
  world: {
    readonly auditLog: string;
    readonly objects: readonly KubeObject[];
    /** Times in which an API server was starting, which refuses what it allows. */
    readonly starts: readonly { readonly fromMs: number; readonly toMs: number }[];
  },
): Promise<void> {
  await run.checks.check("the rights of deploy/rbac are enough: nothing was refused", async () => {
    const asked = await askedByAgent(world.auditLog);
    const refused = asked.filter(({ code, atMs }) =>
      code === 403 && !world.starts.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs)
    );
    strictEqual(refused.length, 0, tally(refused));
    const grants = grantsTo(ACCOUNT, world.objects);
    const used = new Set(asked.flatMap((one) => allowing(grants, one).map((grant) => named(rightOf(grant, one)))));
    // An apply that makes an object wants "create" as well: the log only has the patch.
    for (const one of asked.filter(({ verb, code }) => verb === "patch" && code === 201)) {
      const made = { ...one, verb: "create", name: null };
      for (const grant of allowing(grants, made)) used.add(named(rightOf(grant, made)));
    }
    run.leave(KIND, { suite: run.suite, used: [...used].sort() });
    return `${asked.length} requests; ${used.size} of ${new Set(rightsOf(grants).map(named)).size} rights used`;
  });
}

/** A Role that a namespaced installation has in each namespace is the ClusterRole of the others. */
function named(right: string): string {
  return right.replace(/^(Cluster)?Role\//, "");
}

function allGrants(): readonly Grant[] {
  const texts = [...Deno.readDirSync(RBAC)].map(({ name }) => Deno.readTextFileSync(new URL(name, RBAC)));
  return grantsTo(ACCOUNT, texts.flatMap(objectsIn));
}

function usersOf(left: readonly unknown[]): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, readonly string[]>();
  for (const value of left) {
    const suite = isJsonObject(value) ? stringAt(value, "suite") ?? "" : "";
    for (const right of isJsonObject(value) ? listAt(value, "used").map(String) : []) {
      users.set(right, [...new Set([...users.get(right) ?? [], suite])].sort());
    }
  }
  return users;
}

/** Fails where every suite has run; otherwise tells. */
export const pooledRights: PooledCheck = {
  kind: KIND,
  name: "every right of deploy/rbac is used",
  check(left, isWhole) {
    const users = usersOf(left);
    const rights = [...new Set(rightsOf(allGrants()).map(named))];
    const wanted = rights.filter((right) => !(right.replace(/^.*: /, "") in ELSEWHERE));
    const unused = wanted.filter((right) => !users.has(right));
    if (isWhole) deepStrictEqual(unused, []);
    const rows = isWhole
      ? wanted.map((right) => `\n            ${right}: ${users.get(right)?.join(", ")}`)
      : unused.map((right) => `\n            by none of these suites: ${right}`);
    return `${wanted.length - unused.length} of ${wanted.length}, ${rights.length - wanted.length} shown elsewhere${
      rows.join("")
    }`;
  },
};
