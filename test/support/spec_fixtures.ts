/**
 * What is said of a file of custom resources, as text: the expectation files beside `fixtures/specs`. They are written
 * anew by running this file with `--update`; read the difference before it is committed.
 */
import { stringify } from "yaml";
import type { CatalogueEntry } from "../../src/core/catalogue.ts";
import type { Capabilities } from "../../src/spec/capabilities.ts";
import { buildCatalogue } from "../../src/spec/catalogue.ts";
import { formatComplaint } from "../../src/spec/complaints.ts";
import { parseFile } from "../../src/spec/parse_file.ts";
import { testCapabilities } from "./capabilities.ts";

/** Folder of the fixtures. */
export const SPECS = new URL("../../fixtures/specs/", import.meta.url);

function capabilities(): Capabilities {
  const web = {
    provider: "kubernetes",
    service: { port: 80 },
    analysis: { interval: "30s", threshold: 2, iterations: 5 },
  };
  return testCapabilities({ profiles: new Map([["web", web]]) });
}

/** Leaves out what is absent or off, so that a reader sees what the file says. */
function trimmed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(trimmed);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).map(([key, inner]) => [key, trimmed(inner)] as const).filter(([, inner]) =>
    inner !== null && inner !== false && !(typeof inner === "object" && Object.keys(inner).length === 0)
  );
  return Object.fromEntries(kept);
}

function describeEntry(key: string, entry: CatalogueEntry): string {
  if (entry.type === "broken") return `broken ${key}\n${entry.complaints.map(formatComplaint).join("\n")}\n`;
  const { traits: _traits, ...canary } = entry.canary;
  const { images, configs, scaler } = entry.release;
  const release = {
    images,
    configs: configs.map(({ kind, name, declared }) => `${kind}/${name}${declared === null ? ", not in Git" : ""}`),
    scaler: scaler?.metadata.name ?? null,
  };
  const warnings = entry.warnings.map((warning) => `${formatComplaint(warning)}\n`).join("");
  return `canary ${key}\n${warnings}${
    stringify(trimmed({ canary, release }), { lineWidth: 0, aliasDuplicateObjects: false })
  }`;
}

/** What is said of one file. */
export function describeSpecs(file: string, bytes: Uint8Array): string {
  const parsed = parseFile(file, bytes);
  const catalogue = buildCatalogue("c0ffee", new Map([[file, parsed]]), capabilities());
  const parts = [...catalogue.entries].map(([key, entry]) => describeEntry(key, entry));
  if (catalogue.complaints.length > 0) parts.push(`${catalogue.complaints.map(formatComplaint).join("\n")}\n`);
  if (catalogue.unknownFiles.length > 0) parts.push(`unknown ${catalogue.unknownFiles.join(", ")}\n`);
  return parts.length === 0 ? "nothing to say\n" : parts.join("\n");
}

/** Names of the fixtures, such as "good/istio.yaml", in order. */
export function specFixtures(): readonly string[] {
  return ["bad", "good"].flatMap((folder) => {
    const names = [...Deno.readDirSync(new URL(`${folder}/`, SPECS))].map(({ name }) => name);
    return names.filter((name) => name.endsWith(".yaml")).sort().map((name) => `${folder}/${name}`);
  });
}

/** The expectation file of a fixture. */
export function wantOf(name: string): URL {
  return new URL(name.replace(/\.yaml$/, ".want.txt"), SPECS);
}

if (import.meta.main && Deno.args.includes("--update")) {
  for (const name of specFixtures()) {
    Deno.writeTextFileSync(wantOf(name), describeSpecs(name, Deno.readFileSync(new URL(name, SPECS))));
  }
}
