/**
 * Kubernetes' role-based access control for tests: which rules manifests give to a service account, and whether one of
 * them allows a request. Only what our manifests use: no aggregation, no groups, no non-resource rules.
 */
import { parseAllDocuments } from "yaml";
import { parsePath, verbOf } from "../../src/sandbox/api/paths.ts";
import { type KubeObject, listAt, stringAt } from "../../src/core/kube_object.ts";

/** A rule as a binding gives it. */
export interface Grant {
  /** "ClusterRole/serin rule 0", for messages. */
  readonly rule: string;
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  /** Empty: all names. */
  readonly resourceNames: readonly string[];
  readonly verbs: readonly string[];
  /** null: everywhere. */
  readonly namespace: string | null;
}

/** What an authoriser is asked. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  /** With its subresource: "deployments/scale". */
  readonly resource: string;
  /** null: all namespaces, or a kind without. */
  readonly namespace: string | null;
  readonly name: string | null;
}

/** The objects of a manifest with any number of documents. */
export function objectsIn(text: string): readonly KubeObject[] {
  return parseAllDocuments(text).flatMap((document): readonly KubeObject[] => {
    const value: unknown = document.toJS();
    if (value === null || value === undefined) return [];
    if (!isKubeObject(value)) throw new Error(`Not a Kubernetes object: ${JSON.stringify(value).slice(0, 80)}`);
    return [value];
  });
}

function isKubeObject(value: unknown): value is KubeObject {
  return [stringAt(value, "apiVersion"), stringAt(value, "kind"), stringAt(value, "metadata", "name")]
    .every((text) => text !== undefined && text !== "");
}

/** Rules that bindings among the objects give to a service account. */
export function grantsTo(
  account: { readonly namespace: string; readonly name: string },
  objects: readonly KubeObject[],
): readonly Grant[] {
  return objects.filter(({ kind }) => kind === "RoleBinding" || kind === "ClusterRoleBinding").flatMap((binding) => {
    const isBound = listAt(binding, "subjects").some((subject) =>
      stringAt(subject, "kind") === "ServiceAccount" && stringAt(subject, "name") === account.name &&
      stringAt(subject, "namespace") === account.namespace
    );
    if (!isBound) return [];
    const kind = stringAt(binding, "roleRef", "kind");
    const name = stringAt(binding, "roleRef", "name");
    const namespace = binding.kind === "RoleBinding" ? binding.metadata.namespace ?? "" : null;
    const role = objects.find((object) =>
      object.kind === kind && object.metadata.name === name &&
      (kind === "ClusterRole" || object.metadata.namespace === namespace)
    );
    if (role === undefined) {
      throw new Error(`${binding.kind} "${binding.metadata.name}" names a role that is not there`);
    }
    return listAt(role, "rules").map((rule, index): Grant => ({
      rule: `${role.kind}/${role.metadata.name} rule ${index}`,
      apiGroups: texts(rule, "apiGroups"),
      resources: texts(rule, "resources"),
      resourceNames: texts(rule, "resourceNames"),
      verbs: texts(rule, "verbs"),
      namespace,
    }));
  });
}

function texts(rule: unknown, field: string): readonly string[] {
  return listAt(rule, field).map(String);
}

/** What a request to the API server asks for; null for discovery and versions, which every account may read. */
export function attributesOf(method: string, url: string): Attributes | null {
  const { pathname, searchParams } = new URL(url, "http://localhost");
  const path = parsePath(pathname);
  if (path === undefined) return null;
  // A namespace is in itself: a Role there may allow to read it.
  const isNamespace = path.group === "" && path.plural === "namespaces";
  return {
    verb: verbOf(method, path, searchParams),
    group: path.group,
    resource: path.subresource === undefined ? path.plural : `${path.plural}/${path.subresource}`,
    namespace: (isNamespace ? path.name : path.namespace) ?? null,
    name: path.name ?? null,
  };
}

/** The rules that allow it. */
export function allowing(grants: readonly Grant[], asked: Attributes): readonly Grant[] {
  return grants.filter((grant) =>
    grant.verbs.includes(asked.verb) && grant.apiGroups.includes(asked.group) &&
    grant.resources.includes(asked.resource) &&
    (grant.namespace === null || grant.namespace === asked.namespace) &&
    // A request without a name (list, create) is never allowed by a rule that has some.
    (grant.resourceNames.length === 0 || asked.name !== null && grant.resourceNames.includes(asked.name))
  );
}

/** Every single right of some rules, as "rule: verb resource.group". */
export function rightsOf(grants: readonly Grant[]): readonly string[] {
  return grants.flatMap((grant) =>
    grant.apiGroups.flatMap((group) =>
      grant.resources.flatMap((resource) => grant.verbs.map((verb) => rightOf(grant, { verb, group, resource })))
    )
  );
}

/** One right of a rule, named as in `rightsOf`. */
export function rightOf(grant: Grant, asked: Pick<Attributes, "verb" | "group" | "resource">): string {
  return `${grant.rule}: ${asked.verb} ${asked.resource}${asked.group === "" ? "" : `.${asked.group}`}`;
}
