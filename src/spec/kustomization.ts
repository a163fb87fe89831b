/**
 * What one kustomization file reaches: which files and folders it names, on which lines, and what in it is not allowed.
 * Fields that are not known are refused, so that nothing is read that was not looked up before. Pure.
 *
 * @see kustomize, the Kustomization file: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/
 */
import { isJsonObject, type Json, type JsonObject, listAt, stringAt } from "../core/kube_object.ts";
import { listed, nearest } from "../schema/nearest.ts";
import { type FieldPath, formatPath } from "../schema/path.ts";
import { readYaml, type YamlDocument } from "../schema/places.ts";

/** In the order of preference; a folder must have one of them. */
export const KUSTOMIZATION_NAMES = ["kustomization.yaml", "kustomization.yml", "Kustomization"] as const;

/** Something that a kustomization reads. */
export interface Reference {
  /** As it is written, relative to the kustomization's folder. */
  readonly path: string;
  /** Whether it may be a folder with a kustomization of its own. */
  readonly what: "file" | "file or folder";
  readonly field: string;
  readonly line: number;
}

/** Something that keeps a kustomization from being rendered. */
export interface Hindrance {
  readonly field: string;
  readonly line: number;
  readonly message: string;
  readonly fix: string;
}

export interface Kustomization {
  readonly isComponent: boolean;
  readonly references: readonly Reference[];
  readonly hindrances: readonly Hindrance[];
}

/** Fields that name nothing to read. */
const PLAIN = [
  ...["apiVersion", "kind", "metadata", "namePrefix", "nameSuffix", "namespace", "commonLabels", "labels"],
  ...["commonAnnotations", "images", "imageTags", "replicas", "vars", "sortOptions", "generatorOptions"],
  "buildMetadata",
];
const NAMING = [
  ...["resources", "bases", "components", "crds", "configurations", "openapi", "patches", "patchesJson6902"],
  ...["patchesStrategicMerge", "replacements", "configMapGenerator", "secretGenerator"],
];
/** They run programs, fetch charts, or are told by files what to read. */
const PLUGINS = [
  ...["helmCharts", "helmGlobals", "helmChartInflationGenerator", "generators", "transformers", "validators"],
];

/** Reads one file. A file that is no kustomization has a hindrance that says so. */
export function readKustomization(content: string): Kustomization {
  const read = readYaml(content);
  if (read.type === "broken") return hindered(read.line, `Cannot be read: ${read.reason}`, "Mend the YAML");
  const [document, another] = read.documents;
  if (document === undefined || another !== undefined || !isJsonObject(document.value)) {
    return hindered(0, "Is no kustomization: it must be one YAML document with fields", "Write one kustomization");
  }
  const { value } = document;
  const named = referencesOf(value).map(({ path, what, at }): Reference => ({
    path,
    what,
    field: formatPath(at),
    line: document.lineOf(at),
  }));
  const remote = named.filter(({ path }) => isRemote(path));
  return {
    isComponent: stringAt(value, "kind") === "Component",
    references: named.filter((reference) => !remote.includes(reference)),
    hindrances: [...forbidden(value, document), ...misspelt(value, document), ...remote.map(remoteHindrance)],
  };
}

function hindered(line: number, message: string, fix: string): Kustomization {
  return { isComponent: false, references: [], hindrances: [{ field: "", line, message, fix }] };
}

function forbidden(value: JsonObject, document: YamlDocument): readonly Hindrance[] {
  return Object.keys(value).flatMap((key): readonly Hindrance[] => {
    const at = { field: key, line: document.lineOf([key]) };
    const inner = value[key];
    const isEmpty = inner === null || Array.isArray(inner) && inner.length === 0;
    if (isEmpty || PLAIN.includes(key) || NAMING.includes(key)) return [];
    if (PLUGINS.includes(key)) {
      const message = "Is not rendered: plugins and Helm are off";
      const fix = "Commit what it makes, or use fields of kustomize itself (patches, images, configMapGenerator)";
      return [{ ...at, message, fix }];
    }
    const near = nearest(key, [...PLAIN, ...NAMING]);
    const fix = near === undefined ? `Known are ${listed([...NAMING, ...PLAIN].sort())}` : `Write "${near}"`;
    return [{ ...at, message: `"${key}" is not a field of a kustomization`, fix }];
  });
}

/** kustomize takes `Path` for `path`; whoever looks files up must not miss one. */
function misspelt(value: JsonObject, document: YamlDocument): readonly Hindrance[] {
  return NAMING.flatMap((field) => {
    const inner = value[field];
    const items = Array.isArray(inner) ? inner : [inner ?? null];
    return items.flatMap((item, index): readonly Hindrance[] => {
      const keys = isJsonObject(item) ? Object.keys(item) : [];
      const wrong = keys.filter((key) => FILE_KEYS.includes(key.toLowerCase()) && !FILE_KEYS.includes(key));
      const path = Array.isArray(inner) ? [field, index] : [field];
      return wrong.map((key) => ({
        field: formatPath([...path, key]),
        line: document.lineOf([...path, key]),
        message: `"${key}" is not a field`,
        fix: `Write "${key.toLowerCase()}"`,
      }));
    });
  });
}

const FILE_KEYS = ["path", "files", "env", "envs"];

function remoteHindrance({ path, field, line }: Reference): Hindrance {
  return {
    field,
    line,
    message: `"${path}" is remote: nothing is fetched while rendering`,
    fix: "Commit a copy of it, and name that",
  };
}

/** An address, whatever kustomize would make of it: `https://…`, `git@host:…`, `github.com/…`, `….git?ref=…`. */
function isRemote(path: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/i.test(path) || /[?@]/.test(path) || /\.git(?:\/|$)/.test(path) ||
    /^(?:www\.)?(?:github|gitlab|bitbucket)\.[a-z]+[/:]/i.test(path) || path.replace(/^\.+\//, "").includes("//");
}

interface Named {
  readonly path: string;
  readonly what: Reference["what"];
  readonly at: FieldPath;
}

function referencesOf(value: JsonObject): readonly Named[] {
  const texts = (field: string, what: Named["what"]) => textsAt(value, [field], what);
  const paths = (field: string) =>
    listAt(value, field).flatMap((item, index) => oneText(stringAt(item, "path"), [field, index, "path"]));
  return [
    ...texts("resources", "file or folder"),
    ...texts("bases", "file or folder"),
    ...texts("components", "file or folder"),
    ...texts("crds", "file"),
    ...texts("configurations", "file"),
    ...oneText(stringAt(value, "openapi", "path"), ["openapi", "path"]),
    ...paths("patches"),
    ...paths("patchesJson6902"),
    ...paths("replacements"),
    // A patch may be written out in place of its file's name.
    ...texts("patchesStrategicMerge", "file").filter(({ path }) => !/\n|^\s*[{]|:\s/.test(path)),
    ...["configMapGenerator", "secretGenerator"].flatMap((field) =>
      listAt(value, field).flatMap((item, index) => generatorFiles(item, [field, index]))
    ),
  ];
}

function generatorFiles(item: Json, at: FieldPath): readonly Named[] {
  return [
    // `key=path`, or the path alone.
    ...textsAt(item, ["files"], "file").map((named) => ({ ...named, path: named.path.replace(/^[^=]*=/, "") })),
    ...textsAt(item, ["envs"], "file"),
    ...oneText(stringAt(item, "env"), ["env"]),
  ].map((named) => ({ ...named, at: [...at, ...named.at] }));
}

function textsAt(value: Json, at: readonly string[], what: Named["what"]): readonly Named[] {
  return listAt(value, ...at).flatMap((path, index) =>
    typeof path === "string" ? [{ path, what, at: [...at, index] }] : []
  );
}

function oneText(path: string | undefined, at: FieldPath): readonly Named[] {
  return path === undefined || path === "" ? [] : [{ path, what: "file", at }];
}
