/**
 * Puts deploy/base and deploy/rbac together into one manifest. Without arguments: the text of deploy/install.yaml, for the
 * whole cluster. With namespaces: the same rights as Roles in those namespaces alone.
 *
 *     deno run --allow-read=deploy --ignore-env deploy/render.ts
 *     deno run --allow-read=deploy --ignore-env deploy/render.ts --namespaces=shop,billing --with=router_istio,engine_flux
 *
 * `--with` adds files of deploy/rbac by name; `--own=NAMESPACE` puts the agent itself into another namespace than
 * "serin". The configuration and Secrets are never part of it.
 */
import { parseAllDocuments, stringify } from "yaml";

export interface RenderOptions {
  /** Empty: the whole cluster. */
  readonly namespaces: readonly string[];
  /** Files of deploy/rbac to add, without ".yaml". */
  readonly parts: readonly string[];
  /** The agent's own namespace; "serin" unless told otherwise. */
  readonly own?: string;
}

const OWN = "serin";

const FILES: readonly string[] = [
  "base/namespace.yaml",
  "crds/serin.dev_alertproviders.yaml",
  "crds/serin.dev_canaries.yaml",
  "crds/serin.dev_metrictemplates.yaml",
  "base/service_account.yaml",
  "rbac/base.yaml",
  "rbac/identity.yaml",
  "rbac/leader_election.yaml",
  "base/service.yaml",
  "base/network_policy.yaml",
  "base/pod_disruption_budget.yaml",
  "base/deployment.yaml",
];

/** Rights over the whole cluster by nature, whatever namespaces are chosen. */
const CLUSTER_WIDE = ["rbac/identity.yaml"];

/** @param folder of deploy/, with a slash at its end */
export async function render(folder: URL, options: RenderOptions): Promise<string> {
  const files = [...FILES, ...options.parts.map((part) => `rbac/${part}.yaml`)];
  const texts = await Promise.all(files.map(async (file) => {
    const text = (await Deno.readTextFile(new URL(file, folder))).trim();
    const isNarrowed = file.startsWith("rbac/") && !CLUSTER_WIDE.includes(file) && options.namespaces.length > 0;
    const placed = options.own === undefined || options.own === OWN ? text : moved(text, options.own);
    return isNarrowed ? narrowed(placed, options.namespaces) : placed;
  }));
  return `# Made by deploy/render.ts from deploy/base and deploy/rbac; edit those.\n---\n${texts.join("\n---\n")}\n`;
}

/** The agent's own objects in another namespace, and its account named there. */
function moved(text: string, own: string): string {
  const documents = parseAllDocuments(text).map((document) => document.toJS());
  return documents.map(({ metadata, subjects, ...rest }) => {
    const isNamespace = rest.kind === "Namespace" && metadata.name === OWN;
    const placed = {
      ...metadata,
      ...(isNamespace ? { name: own } : {}),
      ...(metadata.namespace === OWN ? { namespace: own } : {}),
    };
    const { apiVersion, kind, ...body } = rest;
    const bound = subjects?.map((subject: Readonly<Record<string, string>>) =>
      subject["namespace"] === OWN ? { ...subject, namespace: own } : subject
    );
    return stringify({
      apiVersion,
      kind,
      metadata: placed,
      ...body,
      ...(bound === undefined ? {} : { subjects: bound }),
    }).trim();
  }).join("\n---\n");
}

/** ClusterRoles and their bindings as Roles and RoleBindings of each namespace; all else as it is. */
function narrowed(text: string, namespaces: readonly string[]): string {
  const documents = parseAllDocuments(text).map((document) => document.toJS());
  const all = documents.flatMap((document) => {
    if (!String(document.kind).startsWith("Cluster")) return [document];
    return namespaces.map((namespace) => narrow(document, namespace));
  });
  return all.map((document) => stringify(document).trim()).join("\n---\n");
}

function narrow(document: Readonly<Record<string, Record<string, unknown>>>, namespace: string): unknown {
  const { metadata, roleRef } = document;
  return {
    ...document,
    kind: String(document["kind"]).replace("Cluster", ""),
    metadata: { ...metadata, namespace },
    ...(roleRef === undefined ? {} : { roleRef: { ...roleRef, kind: "Role" } }),
  };
}

function listed(name: string): readonly string[] {
  const given = Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? "";
  return given.split(",").filter((word) => word !== "");
}

if (import.meta.main) {
  const [own = OWN] = listed("own");
  const options = { namespaces: listed("namespaces"), parts: listed("with"), own };
  const text = await render(new URL("./", import.meta.url), options);
  await Deno.stdout.write(new TextEncoder().encode(text));
}
