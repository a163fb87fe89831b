/** Sources that follow one branch of one remote: they share a connection and a writer, so they must reach it alike. */
import { isJsonObject, type Json, type JsonObject, listAt, stringAt } from "../core/kube_object.ts";
import type { Problem } from "../schema/problem.ts";

interface Followed {
  readonly url: string;
  readonly branch: string;
}

/** Addresses that differ in spelling only are one. */
function keyOf({ url, branch }: Followed): string {
  return `${url.replace(/\/+$/, "").replace(/\.git$/, "")} ${branch}`;
}

/** Sources by the branch that they follow, each group in the order given. */
export function byBranch<T extends Followed>(sources: readonly T[]): readonly (readonly [T, ...T[]])[] {
  const groups = new Map<string, [T, ...T[]]>();
  for (const source of sources) {
    const group = groups.get(keyOf(source));
    if (group === undefined) groups.set(keyOf(source), [source]);
    else group.push(source);
  }
  return [...groups.values()];
}

/** Fields that two sources of one branch may differ in. */
const OWN_FIELDS = ["name", "url", "branch", "paths", "pollInterval", "webhookSecretFile"];

/** What two sources of one branch must agree on and do not: whose key signs, say, or who must have signed. */
export function disagreements(config: JsonObject): readonly Problem[] {
  const sources = listAt(config, "sources").flatMap((source, index) => {
    const url = stringAt(source, "url");
    if (!isJsonObject(source) || url === undefined) return [];
    return [{ url, branch: stringAt(source, "branch") ?? "main", source, index }];
  });
  return byBranch(sources).flatMap(([first, ...others]) =>
    others.flatMap(({ source, index }): readonly Problem[] => {
      const field = differingField(first.source, source);
      if (field === null) return [];
      const name = stringAt(first.source, "name") ?? "";
      return [{
        path: ["sources", index, ...(field in source ? [field] : [])],
        reason: `"${field}" differs from that of "${name}", which follows the same branch`,
        fix: "Give both the same, or make one source of them with the paths of both",
      }];
    })
  );
}

function differingField(a: JsonObject, b: JsonObject): string | null {
  const fields = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((field) => !OWN_FIELDS.includes(field));
  const text = (value: Json | undefined) => JSON.stringify(value);
  return fields.find((field) => text(a[field]) !== text(b[field])) ?? null;
}
