/**
 * `docs/canary.md`, the field reference of all three kinds, made from the schemas.
 *
 *     deno run src/spec/reference.ts > docs/canary.md
 */
import { markdownOf } from "../schema/markdown.ts";
import { additionsOf } from "./annotations.ts";
import { canarySpecOf } from "./schema_canary.ts";
import { alertProviderSpecOf, metricTemplateSpecOf } from "./schema_others.ts";

/** The text of `docs/canary.md`. */
export function specReference(): string {
  const canary = canarySpecOf("serin.dev/v1");
  const annotations = additionsOf(canary).map(({ path }) => `- \`serin.dev/${path.join(".").replace("*", "<name>")}\``);
  return [
    "<!-- Made by src/spec/reference.ts; edit the schema, not this file. -->",
    "# Canary, MetricTemplate and AlertProvider",
    "",
    "Three kinds are read from Git, in two API groups: `flagger.app/v1beta1` as Flagger has them, and `serin.dev/v1`",
    "with the same fields and some more. The agent reads them from the repository; nothing needs to be in the cluster.",
    "Unknown fields are refused, since a misspelt field would otherwise be a field that has no effect.",
    "",
    "Fields that only `serin.dev/v1` has can be written on a `flagger.app/v1beta1` Canary as annotations",
    "(values are strings; lists are separated by commas; `<name>` is the name of a metric):",
    "",
    ...annotations,
    "",
    markdownOf(canary, { root: "Canary.spec", level: 2 }),
    markdownOf(metricTemplateSpecOf("serin.dev/v1"), { root: "MetricTemplate.spec", level: 2 }),
    markdownOf(alertProviderSpecOf("serin.dev/v1"), { root: "AlertProvider.spec", level: 2 }),
  ].join("\n");
}

if (import.meta.main) Deno.stdout.writeSync(new TextEncoder().encode(specReference()));
