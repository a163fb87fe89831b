/** What the agent asked of the API server, as the server itself wrote it down. */
import { isJsonObject, type JsonObject, numberAt, stringAt } from "../../src/core/kube_object.ts";
import type { Attributes } from "../support/rbac.ts";

export interface Asked extends Attributes {
  readonly atMs: number;
  readonly code: number;
  /** The server only says what would come of it. */
  readonly dryRun: boolean;
}

const AGENT = "system:serviceaccount:serin:serin";

/** Requests about objects, oldest first; discovery is left out. */
export async function askedByAgent(auditLog: string): Promise<readonly Asked[]> {
  const lines = (await Deno.readTextFile(auditLog)).split("\n");
  return lines.flatMap((line): readonly Asked[] => {
    // The last line may be on its way.
    if (!line.endsWith("}") || !line.includes(AGENT)) return [];
    const entry: unknown = JSON.parse(line);
    if (!isJsonObject(entry) || !isCounted(entry)) return [];
    const resource = stringAt(entry, "objectRef", "resource");
    if (resource === undefined || stringAt(entry, "user", "username") !== AGENT) return [];
    const subresource = stringAt(entry, "objectRef", "subresource");
    return [{
      atMs: Date.parse(stringAt(entry, "requestReceivedTimestamp") ?? ""),
      code: numberAt(entry, "responseStatus", "code") ?? 0,
      dryRun: (stringAt(entry, "requestURI") ?? "").includes("dryRun=All"),
      verb: stringAt(entry, "verb") ?? "",
      group: stringAt(entry, "objectRef", "apiGroup") ?? "",
      resource: subresource === undefined ? resource : `${resource}/${subresource}`,
      namespace: stringAt(entry, "objectRef", "namespace") ?? null,
      name: stringAt(entry, "objectRef", "name") ?? null,
    }];
  });
}

/** Each request once: a watch when it begins, since its end may be far off; or when it was refused. */
function isCounted(entry: JsonObject): boolean {
  const isEnd = stringAt(entry, "stage") === "ResponseComplete";
  if (stringAt(entry, "verb") !== "watch") return isEnd;
  return !isEnd || (numberAt(entry, "responseStatus", "code") ?? 0) >= 400;
}

/** Requests beside the Lease and re-opened watches. */
export function beyondIdle(asked: readonly Asked[], fromMs: number, toMs: number): readonly Asked[] {
  return asked.filter(({ atMs, verb, resource }) =>
    atMs >= fromMs && atMs < toMs && resource !== "leases" && verb !== "watch"
  );
}

/** Those that change something. */
export function writes(asked: readonly Asked[]): readonly Asked[] {
  return asked.filter(({ verb, dryRun }) => !["get", "list", "watch"].includes(verb) && !dryRun);
}

/** "patch httproutes 3, update configmaps 3", for people. */
export function tally(asked: readonly Asked[]): string {
  const counts = new Map<string, number>();
  for (const { verb, resource, code } of asked) {
    const key = `${verb} ${resource}${code >= 400 ? ` (${code})` : ""}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([key, count]) => `${key} ${count}`).join(", ");
}
