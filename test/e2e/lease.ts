/** The Lease of the agents, and what each of them wrote, told apart by its credential in the audit log. */
import { at, isJsonObject, listAt, numberAt, stringAt } from "../../src/core/kube_object.ts";
import type { FaultStage } from "./fault_stage.ts";

const LEASE = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: "serin", name: "serin" };

export async function leaseOf({ world }: Pick<FaultStage, "world">): Promise<{
  readonly holder: string;
  readonly epoch: number;
}> {
  const lease = await world.plane.cluster.live(LEASE);
  return {
    holder: stringAt(lease, "spec", "holderIdentity") ?? "",
    epoch: numberAt(lease, "spec", "leaseTransitions") ?? 0,
  };
}

/** A request that would change something. */
export interface Write {
  /** "patch httproutes/shop", with a subresource after its name. */
  readonly what: string;
  readonly code: number;
  readonly atMs: number;
}

const WRITES = ["create", "update", "patch", "delete", "deletecollection"];

/** What one agent tried to write, the Lease aside and dry runs too, oldest first. */
export async function writesOf(auditLog: string, credential: string): Promise<readonly Write[]> {
  const lines = (await Deno.readTextFile(auditLog)).split("\n");
  return lines.flatMap((line): readonly Write[] => {
    // The last line may be on its way.
    if (!line.endsWith("}") || !line.includes(credential)) return [];
    const entry: unknown = JSON.parse(line);
    if (!isJsonObject(entry) || stringAt(entry, "stage") !== "ResponseComplete") return [];
    const ids = listAt(entry, "user", "extra", "authentication.kubernetes.io/credential-id");
    const verb = stringAt(entry, "verb") ?? "";
    const resource = stringAt(entry, "objectRef", "resource");
    const isDryRun = stringAt(entry, "requestURI")?.includes("dryRun=All") === true;
    if (!ids.includes(credential) || !WRITES.includes(verb) || resource === "leases" || isDryRun) return [];
    const name = at(entry, "objectRef", "name");
    const subresource = stringAt(entry, "objectRef", "subresource");
    return [{
      what: `${verb} ${resource}/${name}${subresource === undefined ? "" : `/${subresource}`}`,
      code: numberAt(entry, "responseStatus", "code") ?? 0,
      atMs: Date.parse(stringAt(entry, "requestReceivedTimestamp") ?? ""),
    }];
  });
}
