/**
 * What the object of a GitOps engine changes in what its files say: patches, images and variables of a Flux Kustomization,
 * kustomize parameters of an Argo CD Application. The agent reads files and not these, so that a target which one of them
 * reaches would be applied otherwise than it is read. Pure.
 *
 * @see https://fluxcd.io/flux/components/kustomize/kustomizations/ and Argo CD, `spec.source.kustomize`
 */
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from "../core/kube_object.ts";
import { imagesOf, podTemplateOf } from "../core/release.ts";
import { type FieldPath, formatPath } from "../schema/path.ts";
import { readYaml } from "../schema/places.ts";

/** A field of an engine's object that changes what is applied. */
export interface Transform {
  readonly path: FieldPath;
  /** It certainly changes the pods of the target; else it may. */
  readonly certain: boolean;
}

/** Whether an object is one by which an engine applies folders of a repository. */
export function isEngineObject({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): boolean {
  return isFlux(apiVersion, kind) || apiVersion.startsWith("argoproj.io/") && kind === "Application";
}

/** Folders that it applies, from the repository's root: "" for the root itself. */
export function foldersAppliedBy(owner: KubeObject): readonly string[] {
  const paths = isFlux(owner.apiVersion, owner.kind)
    ? [stringAt(owner, "spec", "path") ?? ""]
    : sourcesOf(owner).flatMap((path) => stringAt(at(owner, ...path), "path") ?? []);
  return paths.map((path) => path.split("/").filter((part) => part !== "" && part !== ".").join("/"));
}

/** What an engine's object changes beyond its files, for a target as those say it; first what is certain. */
export function transformsOf(owner: KubeObject, target: KubeObject): readonly Transform[] {
  const found = isFlux(owner.apiVersion, owner.kind)
    ? fluxTransforms(owner, target)
    : sourcesOf(owner).flatMap((path) => argoTransforms(owner, path, target));
  return [...found].sort((a, b) => Number(b.certain) - Number(a.certain));
}

/** Names an engine's object and the fields at fault: `Kustomization "flux-system/apps" (spec.postBuild)`. */
export function namedTransforms(owner: KubeObject, transforms: readonly Transform[]): string {
  const { kind, metadata: { namespace, name } } = owner;
  const fields = [...new Set(transforms.map(({ path }) => formatPath(path)))];
  return `${kind} "${namespace === undefined ? "" : `${namespace}/`}${name}" (${fields.join(", ")})`;
}

function isFlux(apiVersion: string, kind: string): boolean {
  return apiVersion.startsWith("kustomize.toolkit.fluxcd.io/") && kind === "Kustomization";
}

function sourcesOf(application: KubeObject): readonly FieldPath[] {
  const one = at(application, "spec", "source") === undefined ? [] : [["spec", "source"]];
  return [...one, ...listAt(application, "spec", "sources").map((_, index) => ["spec", "sources", index])];
}

function fluxTransforms(owner: KubeObject, target: KubeObject): readonly Transform[] {
  const named = listAt(owner, "spec", "images").flatMap((image, index) => {
    const changes = imageChanges(target, {
      name: stringAt(image, "name") ?? "",
      newName: stringAt(image, "newName"),
      newTag: stringAt(image, "newTag"),
      digest: stringAt(image, "digest"),
    });
    return [{ path: ["spec", "images", index], certain: changes }];
  });
  const { postBuild } = objectAt(owner, "spec");
  const isFilled = listAt(postBuild, "substituteFrom").length > 0 ||
    Object.keys(objectAt(postBuild, "substitute")).length > 0;
  return [
    ...named,
    ...patchTransforms(owner, ["spec", "patches"], target),
    ...(isFilled ? [{ path: ["spec", "postBuild"], certain: isSubstituted(target) && holdsVariable(target) }] : []),
    ...listed(owner, ["spec", "components"]),
  ];
}

/** Flux leaves what is marked so alone. */
function isSubstituted({ metadata: { labels, annotations } }: KubeObject): boolean {
  const mark = "kustomize.toolkit.fluxcd.io/substitute";
  return labels?.[mark] !== "disabled" && annotations?.[mark] !== "disabled";
}

function holdsVariable(target: KubeObject): boolean {
  return /\$\{\w/.test(JSON.stringify(podTemplateOf(target)));
}

function argoTransforms(owner: KubeObject, source: FieldPath, target: KubeObject): readonly Transform[] {
  const kustomize: FieldPath = [...source, "kustomize"];
  const value = objectAt(owner, ...kustomize);
  const images = listAt(value, "images").map((image, index) => ({
    path: [...kustomize, "images", index],
    certain: typeof image === "string" && imageChanges(target, argoImage(image)),
  }));
  const template = objectAt(podTemplateOf(target), "metadata");
  const differs = (field: string, from: string): boolean =>
    Object.entries(objectAt(value, field)).some(([key, wanted]) => stringAt(template, from, key) !== wanted);
  const isOnTemplates = value["labelWithoutSelector"] !== true || value["labelIncludeTemplates"] === true;
  const one = (field: string, certain: boolean): readonly Transform[] =>
    Object.keys(objectAt(value, field)).length === 0 ? [] : [{ path: [...kustomize, field], certain }];
  return [
    ...images,
    ...patchTransforms(owner, [...kustomize, "patches"], target),
    ...one("commonLabels", isOnTemplates && differs("commonLabels", "labels")),
    ...one("commonAnnotations", differs("commonAnnotations", "annotations")),
    ...listed(owner, [...kustomize, "components"]),
    ...(at(owner, ...source, "plugin") === undefined ? [] : [{ path: [...source, "plugin"], certain: true }]),
  ];
}

/** What they hold is not known here. */
function listed(owner: KubeObject, path: FieldPath): readonly Transform[] {
  return listAt(owner, ...path).length === 0 ? [] : [{ path, certain: false }];
}

interface ImageChange {
  readonly name: string;
  readonly newName: string | undefined;
  readonly newTag: string | undefined;
  readonly digest: string | undefined;
}

/** Whether kustomize would write another image into a container. */
function imageChanges(target: KubeObject, { name, newName = name, newTag, digest }: ImageChange): boolean {
  return imagesOf(target).some(({ image }) => {
    const version = image.startsWith(name) ? image.slice(name.length) : null;
    if (version === null || !/^(:[\w.{}-]*)?(@sha256:[\w.{}-]*)?$/.test(version)) return false;
    const wanted = `${newTag === undefined ? "" : `:${newTag}`}${digest === undefined ? "" : `@${digest}`}`;
    return newName !== name || wanted !== "" && wanted !== version;
  });
}

/** "podinfo=registry.example/podinfo:1.0", "podinfo:1.0" or "podinfo@sha256:…". */
function argoImage(text: string): ImageChange {
  const cut = text.indexOf("=");
  const written = text.slice(cut + 1);
  const found = /^(?<base>.*?)(?::(?<tag>[^/:@]+))?(?:@(?<digest>.+))?$/.exec(written)?.groups ?? {};
  const base = found["base"] ?? written;
  return { name: cut < 0 ? base : text.slice(0, cut), newName: base, newTag: found["tag"], digest: found["digest"] };
}

function patchTransforms(owner: KubeObject, path: FieldPath, target: KubeObject): readonly Transform[] {
  return listAt(owner, ...path).map((patch, index) => ({
    path: [...path, index],
    certain: reachesTemplate(patch, target),
  }));
}

/** Whether a patch is for this target, and changes its pods. */
function reachesTemplate(patch: Json, target: KubeObject): boolean {
  const read = readYaml(stringAt(patch, "patch") ?? "");
  const documents = read.type === "documents" ? read.documents.map(({ value }): Json => value) : [];
  const selector = at(patch, "target");
  return documents.some((document) => {
    if (Array.isArray(document)) {
      const touches = document.some((step: Json) => /^\/spec\/template(\/|$)/.test(stringAt(step, "path") ?? ""));
      return touches && isJsonObject(selector) && isSelected(selector, target);
    }
    if (at(document, "spec", "template") === undefined) return false;
    return isJsonObject(selector) ? isSelected(selector, target) : isSelected(identityOf(document), target);
  });
}

function identityOf(document: Json): JsonObject {
  const named = { kind: at(document, "kind"), name: at(document, "metadata", "name") };
  return Object.fromEntries(Object.entries(named).flatMap(([key, value]) => value === undefined ? [] : [[key, value]]));
}

/**
 * By kind and name. kustomize takes names for expressions and knows labels too; of those only the plain ones are looked at,
 * and the rest is left to the comparison of what runs.
 */
function isSelected(selector: JsonObject, { kind, metadata: { name, namespace } }: KubeObject): boolean {
  if (selector["labelSelector"] !== undefined || selector["annotationSelector"] !== undefined) return false;
  const matches = (field: string, value: string | undefined): boolean => {
    const wanted = stringAt(selector, field);
    return wanted === undefined || wanted === ".*" || wanted === value;
  };
  return stringAt(selector, "kind") === kind && matches("name", name) && matches("namespace", namespace);
}
