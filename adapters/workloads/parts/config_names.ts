/** Renames the ConfigMaps and Secrets that a pod template refers to, in all the places `configNamesOf` finds them. */
import { at, isJsonObject, type Json, type JsonObject, listAt, stringAt } from "../../../src/core/kube_object.ts";

/** Answers the new name of a config, or its own. */
export type Rename = (kind: "ConfigMap" | "Secret", name: string) => string;

/** The pod spec with its references renamed; nothing else is touched. */
export function withConfigNames(spec: JsonObject, rename: Rename): JsonObject {
  const result: Record<string, Json> = { ...spec };
  for (const key of ["containers", "initContainers"]) {
    const containers = listAt(spec, key);
    if (containers.length > 0) result[key] = containers.map((container) => inContainer(container, rename));
  }
  const volumes = listAt(spec, "volumes");
  if (volumes.length > 0) result["volumes"] = volumes.map((volume) => inVolume(volume, rename));
  return result;
}

function inContainer(container: Json, rename: Rename): Json {
  if (!isJsonObject(container)) return container;
  const env = listAt(container, "env").map((entry): Json => {
    const valueFrom = at(entry, "valueFrom");
    if (!isJsonObject(entry) || !isJsonObject(valueFrom)) return entry;
    return { ...entry, valueFrom: renamed(renamed(valueFrom, "configMapKeyRef", rename), "secretKeyRef", rename) };
  });
  const envFrom = listAt(container, "envFrom").map((entry): Json =>
    isJsonObject(entry) ? renamed(renamed(entry, "configMapRef", rename), "secretRef", rename) : entry
  );
  return {
    ...container,
    ...(env.length === 0 ? {} : { env }),
    ...(envFrom.length === 0 ? {} : { envFrom }),
  };
}

function inVolume(volume: Json, rename: Rename): Json {
  if (!isJsonObject(volume)) return volume;
  const sources = listAt(volume, "projected", "sources").map((source): Json =>
    isJsonObject(source) ? renamed(renamed(source, "configMap", rename), "secret", rename) : source
  );
  const projected = at(volume, "projected");
  return {
    ...renamed(renamed(volume, "configMap", rename), "secret", rename, "secretName"),
    ...(isJsonObject(projected) && sources.length > 0 ? { projected: { ...projected, sources } } : {}),
  };
}

/** `holder[field][nameKey]` renamed, where it is there; the field's name tells the kind. */
function renamed(holder: JsonObject, field: string, rename: Rename, nameKey = "name"): JsonObject {
  const reference = at(holder, field);
  const name = stringAt(reference, nameKey);
  if (!isJsonObject(reference) || name === undefined) return holder;
  return {
    ...holder,
    [field]: { ...reference, [nameKey]: rename(field.startsWith("secret") ? "Secret" : "ConfigMap", name) },
  };
}
