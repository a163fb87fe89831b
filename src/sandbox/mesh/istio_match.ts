/** Reads one HTTPMatchRequest of a VirtualService. */
import type { PathMatch, RequestMatch, TextTest } from "./route_model.ts";
import { entriesOf, type Item, objectOf, optionalText, patternOf, RouteProblem, textOf } from "./strict_fields.ts";

/** The client whose sidecar the mesh's inner door is: `sourceLabels` and `sourceNamespace` are held against it. */
export interface MeshClient {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

const MATCH_FIELDS = [
  "name",
  "uri",
  "method",
  "authority",
  "headers",
  "withoutHeaders",
  "queryParams",
  "sourceLabels",
  "sourceNamespace",
];

/** The match, or nothing where it is meant for another client. @throws {RouteProblem} */
export function readIstioMatch({ value, path }: Item, client: MeshClient): readonly RequestMatch[] {
  const match = objectOf(value, path, MATCH_FIELDS);
  const labels = entriesOf(match["sourceLabels"], `${path}.sourceLabels`);
  const isOurs = labels.every(({ name, value: wanted }) => client.labels[name] === wanted) &&
    (optionalText(match["sourceNamespace"], `${path}.sourceNamespace`) ?? client.namespace) === client.namespace;
  const named = (field: string, words: readonly string[]) =>
    entriesOf(match[field], `${path}.${field}`).map((entry) => ({
      name: field === "queryParams" ? entry.name : entry.name.toLowerCase(),
      test: readString(entry.value, entry.path, words).test,
    }));
  const without = named("withoutHeaders", ALL_WORDS).map(({ name, test }) => ({
    name,
    test: (text: string | undefined) => !test(text),
  }));
  const [method, authority] = ["method", "authority"].map((field) =>
    match[field] === undefined ? undefined : readString(match[field], `${path}.${field}`, ALL_WORDS).test
  );
  const read: RequestMatch = {
    ...(match["uri"] === undefined ? {} : { path: readUri(match["uri"], `${path}.uri`) }),
    ...(method === undefined ? {} : { method }),
    ...(authority === undefined ? {} : { authority }),
    headers: [...named("headers", ALL_WORDS), ...without],
    query: named("queryParams", ["exact", "regex"]),
  };
  return isOurs ? [read] : [];
}

const ALL_WORDS = ["exact", "prefix", "regex"];

interface StringMatch {
  readonly type: "exact" | "prefix" | "regex" | "present";
  readonly value: string;
  readonly test: TextTest;
}

function readUri(value: unknown, path: string): PathMatch {
  const { type, value: text, test } = readString(value, path, ALL_WORDS);
  if (type === "present") throw new RouteProblem(path, "wants exact, prefix or regex");
  return { type, value: text, test };
}

/** `{exact}`, `{prefix}`, `{regex}`, or `{}`, which asks only that there is a value. */
function readString(value: unknown, path: string, words: readonly string[]): StringMatch {
  const given = objectOf(value, path, words);
  const [type, ...more] = Object.keys(given);
  if (more.length > 0) throw new RouteProblem(path, "wants one of exact, prefix, regex");
  if (type === undefined) return { type: "present", value: "", test: (text) => text !== undefined };
  const wanted = textOf(given[type], `${path}.${type}`);
  if (type === "exact") return { type, value: wanted, test: (text) => text === wanted };
  if (type === "prefix") return { type, value: wanted, test: (text) => text?.startsWith(wanted) === true };
  const pattern = patternOf(wanted, `${path}.${type}`);
  return { type: "regex", value: wanted, test: (text) => text !== undefined && pattern(text) };
}
