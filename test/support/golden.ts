/**
 * Golden cases of object adapters: a folder per case with `canary.yaml` and other inputs, and `want.yaml`, the objects
 * that must be rendered. With `-- --update` the expectations are written instead; read the difference before it is
 * committed.
 */
import assert from "node:assert/strict";
import { parseAllDocuments, stringify } from "yaml";
import { isJsonObject, type Json, type KubeObject, stringAt } from "../../src/core/kube_object.ts";
import type { Canary } from "../../src/core/canary.ts";
import { parseCanaryText } from "../../src/spec/parse_canary.ts";
import { formatComplaint } from "../../src/spec/complaints.ts";
import { routerTraits } from "../../adapters/routers/mod.ts";
import { testCapabilities, testContext } from "./capabilities.ts";
import { frozen } from "./builders.ts";

const FIXTURES = new URL("../../fixtures/", import.meta.url);

export class GoldenCase {
  readonly name: string;
  readonly #folder: URL;

  constructor(name: string, folder: URL) {
    this.name = name;
    this.#folder = folder;
  }

  /** The case's Canary, as `src/spec/` reads it. */
  canary(): Canary {
    return readCanary(this.#text("canary.yaml") ?? "", `${this.name}/canary.yaml`);
  }

  /** Documents of a file, frozen; none when it is absent. */
  documents(file: string): readonly Json[] {
    return parseAllDocuments(this.#text(file) ?? "").map((document): Json => frozen(document.toJS()));
  }

  objects(file: string): readonly KubeObject[] {
    return this.documents(file).map(asObject);
  }

  /** Compares with `want.yaml`, or writes it. */
  check(got: readonly KubeObject[]): void {
    // Round trip: an object that holds undefined is not what goes on the wire.
    const plain: readonly Json[] = JSON.parse(JSON.stringify(got));
    if (Deno.args.includes("--update")) {
      const text = plain.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join(
        "---\n",
      );
      Deno.writeTextFileSync(new URL("want.yaml", this.#folder), text);
      return;
    }
    assert.deepEqual(plain, this.documents("want.yaml"));
  }

  #text(file: string): string | undefined {
    try {
      return Deno.readTextFileSync(new URL(file, this.#folder));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }
}

/** The cases under `fixtures/<folder>/`, in order of their names. */
export function goldenCases(folder: string): readonly GoldenCase[] {
  const root = new URL(`${folder}/`, FIXTURES);
  const names = [...Deno.readDirSync(root)].filter((entry) => entry.isDirectory).map(({ name }) => name).sort();
  return names.map((name) => new GoldenCase(`${folder}/${name}`, new URL(`${name}/`, root)));
}

/** Names of the folders under `fixtures/<folder>/`. */
export function goldenFolders(folder: string): readonly string[] {
  return [...Deno.readDirSync(new URL(`${folder}/`, FIXTURES))].map(({ name }) => name).sort();
}

/** A Canary from YAML, against the routers that are built. */
export function readCanary(text: string, file: string): Canary {
  const context = testContext({ capabilities: testCapabilities({ routers: routerTraits }) });
  const { canary, complaints } = parseCanaryText(text, file, context);
  if (canary === null) throw new Error(complaints.map(formatComplaint).join("\n"));
  return frozen(canary);
}

/** A parsed document as an object, once it has what every object has. */
export function asObject(value: Json): KubeObject {
  const [apiVersion, kind, name] = [["apiVersion"], ["kind"], ["metadata", "name"]].map((path) =>
    stringAt(value, ...path)
  );
  if (!isJsonObject(value) || apiVersion === undefined || kind === undefined || name === undefined) {
    throw new Error(`Not a Kubernetes object: ${JSON.stringify(value)}`);
  }
  return value as unknown as KubeObject;
}
