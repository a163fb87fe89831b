/** Paths of fields: lists of keys and indices, written as people write them. */

/** From a document's root to a field; empty for the root. */
export type FieldPath = readonly (string | number)[];

/** `spec.analysis.metrics[0].name`; keys that are no words stand in brackets and quotes. */
export function formatPath(path: FieldPath): string {
  let out = "";
  for (const step of path) {
    if (typeof step === "number") out += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) out += out === "" ? step : `.${step}`;
    else out += `[${JSON.stringify(step)}]`;
  }
  return out;
}

/** A value in a message: short, quoted where it is a string, its kind where it is long. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 80 ? `${json.slice(0, 77)}..."` : json;
}
