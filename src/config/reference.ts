/**
 * `docs/configuration.md` and `docs/configuration.schema.json`, made from the schema.
 *
 *     deno run src/config/reference.ts markdown > docs/configuration.md
 *     deno run src/config/reference.ts json > docs/configuration.schema.json
 */
import { jsonSchemaOf } from "../schema/json_schema.ts";
import { markdownOf } from "../schema/markdown.ts";
import { objectFor } from "../schema/schema.ts";
import { configSchema } from "./config_schema.ts";

/** The text of `docs/configuration.md`. */
export function configReference(): string {
  // A profile is a Canary's spec, whose reference is a page of its own.
  const { profiles, ...fields } = configSchema.fields;
  const shown = {
    ...fields,
    ...(profiles === undefined ? {} : { profiles: { ...profiles, schema: { type: "open" as const } } }),
  };
  return [
    "<!-- Made by src/config/reference.ts; edit the schema, not this file. -->",
    "# The agent's configuration",
    "",
    "One YAML file, `/etc/serin/serin.yaml` unless `--config` names another. Each single value is also a flag and an",
    "environment variable: `sources[0].pollInterval` is `--sources.0.poll-interval=10s` and",
    "`SERIN_SOURCES_0_POLL_INTERVAL=10s`; lists of plain values are separated by commas. A flag wins over a variable,",
    "a variable over the file, the file over the default. Secrets never stand in the configuration: it names files.",
    "",
    "`serin config check` explains every error by line.",
    "",
    "```yaml",
    "cluster: production",
    "sources:",
    "  - name: apps",
    "    url: https://git.example/shop/apps.git",
    "    paths: [clusters/production]",
    "    auth:",
    "      username: serin",
    "      tokenFile: /etc/serin/git/token",
    "provider: gatewayapi:v1",
    "metricsServer: http://prometheus.monitoring:9090",
    "```",
    "",
    markdownOf({ ...configSchema, fields: shown }, { root: "configuration", level: 2 }),
  ].join("\n");
}

/** The text of `docs/configuration.schema.json`. */
export function configJsonSchema(): string {
  const description = "Configuration of the Serin agent.";
  return `${
    JSON.stringify(jsonSchemaOf(objectFor("serin", configSchema), { title: "Serin", description }), null, 2)
  }\n`;
}

if (import.meta.main) {
  const out = Deno.args[0] === "json" ? configJsonSchema() : configReference();
  Deno.stdout.writeSync(new TextEncoder().encode(out));
}
