/** The short hash that names a ReplicaSet after its template. Like the real one in form, not in value. */
import { isJsonObject, type Json } from "../../core/kube_object.ts";

const letters = "bcdfghjklmnpqrstvwxz2456789";

/** FNV-1a over the template with sorted keys, in the alphabet of Kubernetes names. */
export function templateHash(template: Json): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(canonical(template))) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return [...String(hash)].map((digit) => letters[Number(digit)]).join("");
}

function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(",")}}`;
}
