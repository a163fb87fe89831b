/**
 * The CRDs of deploy/ at work: what a real server says of every good and bad spec in fixtures/specs, as it is recorded in
 * `fixtures/specs/kubernetes.txt`. A bad spec that is taken there is one that only the agent can know to be bad.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { isJsonObject, type Json, listAt, stringAt } from "../../../src/core/kube_object.ts";
import { callApi } from "../../wire/api_case.ts";
import type { ControlPlane } from "../servers/control_plane.ts";
import type { Run } from "../suite.ts";

const SPECS = new URL("../../../fixtures/specs/", import.meta.url);
const GROUPS = ["flagger.app", "serin.dev"];
const PLURALS: Readonly<Record<string, string>> = {
  Canary: "canaries",
  MetricTemplate: "metrictemplates",
  AlertProvider: "alertproviders",
};

/** @param folder of the run, where what is new is written */
export async function specs({ checks, folder }: Run, plane: ControlPlane): Promise<void> {
  const recorded = await Deno.readTextFile(new URL("kubernetes.txt", SPECS)).catch(() => "");
  const told: string[] = [];
  await plane.cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "specs" } });
  await checks.check("deploy/crds: every good spec is taken, Strict", async () => {
    const answers = await answersTo(plane, "good");
    const refused = answers.filter((line) => !line.endsWith(": taken"));
    told.push(...answers);
    deepStrictEqual(refused, []);
    return `${answers.length} objects`;
  });
  await checks.check("deploy/crds: bad specs are refused with the words of their rules", async () => {
    const answers = await answersTo(plane, "bad");
    told.push(...answers);
    const text = `${told.join("\n")}\n`;
    await Deno.writeTextFile(`${folder}/kubernetes.txt`, text);
    strictEqual(text, recorded, `fixtures/specs/kubernetes.txt differs from ${folder}/kubernetes.txt`);
    const refused = answers.filter((line) => !line.endsWith(": taken")).length;
    return `${refused} of ${answers.length} refused by the CRDs, the others by the agent alone`;
  });
}

/** A line for each object of our groups. */
async function answersTo(plane: ControlPlane, kind: "good" | "bad"): Promise<readonly string[]> {
  const names = [...Deno.readDirSync(new URL(`${kind}/`, SPECS))].map(({ name }) => name).filter((name) =>
    name.endsWith(".yaml")
  ).sort();
  const lines: string[] = [];
  for (const name of names) {
    const text = await Deno.readTextFile(new URL(`${kind}/${name}`, SPECS));
    for (const document of parseAllDocuments(text)) {
      // What is no YAML never gets to a server.
      const value: unknown = document.errors.length > 0 ? null : document.toJS();
      if (!isJsonObject(value)) continue;
      const object = value;
      const [group = "", version = ""] = (stringAt(object, "apiVersion") ?? "").split("/");
      const plural = PLURALS[stringAt(object, "kind") ?? ""];
      if (!GROUPS.includes(group) || plural === undefined) continue;
      const path = `/apis/${group}/${version}/namespaces/specs/${plural}`;
      const query = "fieldManager=kubectl&fieldValidation=Strict&dryRun=All";
      const body = placed(object);
      const { status, body: answer } = await callApi(plane.admin, { method: "POST", path: `${path}?${query}`, body });
      const subject = `${kind}/${name} ${group} ${stringAt(object, "kind")}/${stringAt(object, "metadata", "name")}`;
      lines.push(...status === 201 ? [`${subject}: taken`] : complaints(answer).map((one) => `${subject}: ${one}`));
    }
  }
  return lines;
}

/** In the namespace of this suite, whatever it says. */
function placed(object: { readonly [key: string]: Json }): Json {
  const metadata = object["metadata"];
  return { ...object, metadata: { ...isJsonObject(metadata) ? metadata : {}, namespace: "specs" } };
}

function complaints(answer: Json): readonly string[] {
  const causes = listAt(answer, "details", "causes").map((cause) =>
    `${stringAt(cause, "field") ?? ""}: ${stringAt(cause, "message") ?? ""}`
  );
  // A version that is not served is answered in plain text.
  // In no order: the server goes through maps.
  return causes.length > 0 ? causes.toSorted() : [stringAt(answer, "message") ?? String(answer).trim()];
}
