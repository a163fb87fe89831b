/** Label and field selectors, in the two forms Kubernetes has: objects in specs, and text in queries. */
import { type JsonObject, listAt, objectAt, stringAt } from "../../core/kube_object.ts";
import { badRequest } from "./status_error.ts";

export type Labels = Readonly<Record<string, unknown>>;

/** A `LabelSelector` object against labels. An empty one selects everything. */
export function matchesSelector(selector: JsonObject, labels: Labels): boolean {
  const equal = Object.entries(objectAt(selector, "matchLabels")).every(([key, value]) => labels[key] === value);
  return equal && listAt(selector, "matchExpressions").every((expression) => {
    const key = stringAt(expression, "key") ?? "";
    const values = listAt(expression, "values");
    const has = Object.hasOwn(labels, key);
    switch (stringAt(expression, "operator")) {
      case "In":
        return has && values.some((value) => value === labels[key]);
      case "NotIn":
        return !has || !values.some((value) => value === labels[key]);
      case "Exists":
        return has;
      case "DoesNotExist":
        return !has;
      default:
        return false;
    }
  });
}

/** A plain map, as Services have it. An empty one selects nothing. */
export function matchesMap(map: JsonObject, labels: Labels): boolean {
  const wanted = Object.entries(map);
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

/** "a=b,c notin (d,e),!f", as in a query. Throws 400 on anything else. */
export function parseLabelSelector(text: string): (labels: Labels) => boolean {
  const tests = splitTerms(text).map(parseTerm);
  return (labels) => tests.every((test) => test(labels));
}

function splitTerms(text: string): readonly string[] {
  const terms: string[] = [];
  let depth = 0;
  let term = "";
  for (const letter of text) {
    if (letter === "(") depth++;
    if (letter === ")") depth--;
    if (letter === "," && depth === 0) {
      terms.push(term.trim());
      term = "";
    } else term += letter;
  }
  terms.push(term.trim());
  return text.trim() === "" ? [] : terms;
}

const keyText = "[A-Za-z0-9][-A-Za-z0-9_./]*";

function parseTerm(term: string): (labels: Labels) => boolean {
  const equality = new RegExp(`^(${keyText})\\s*(==|=|!=)\\s*([-A-Za-z0-9_.]*)$`).exec(term);
  const [, key = "", operator = "", value = ""] = equality ?? [];
  if (equality !== null) return (labels) => (labels[key] === value) === (operator !== "!=");
  const set = new RegExp(`^(${keyText})\\s+(in|notin)\\s+\\(([^()]*)\\)$`).exec(term);
  const [, setKey = "", setOperator = "", list = ""] = set ?? [];
  const values = list.split(",").map((one) => one.trim());
  if (set !== null) {
    return (labels) => values.some((one) => labels[setKey] === one) === (setOperator === "in");
  }
  const exists = new RegExp(`^(!?)\\s*(${keyText})$`).exec(term);
  const [, not = "", existsKey = ""] = exists ?? [];
  if (exists !== null) return (labels) => Object.hasOwn(labels, existsKey) === (not === "");
  const [, twice] = new RegExp(`^${keyText}\\s*(?:==|=|!=)\\s*(==|=|!=)`).exec(term) ?? [];
  if (twice !== undefined) throw badRequest(`unable to parse requirement: found '${twice}', expected: identifier`);
  throw badRequest(`unable to parse requirement: found '${term}', expected: a label requirement`);
}

/** "metadata.name=web": the two fields that every kind can be selected by, and a pod's few more. */
export function parseFieldSelector(text: string, kind: string): (object: JsonObject) => boolean {
  const known = kind === "/Pod"
    ? ["metadata.name", "metadata.namespace", "spec.nodeName", "status.phase", "status.podIP"]
    : kind.endsWith("/Event")
    ? ["metadata.name", "metadata.namespace", "involvedObject.name", "involvedObject.kind", "reason", "type"]
    : ["metadata.name", "metadata.namespace"];
  const tests = splitTerms(text).map((term) => {
    const found = /^([^=!]+)(==|=|!=)(.*)$/.exec(term);
    const [, field = "", operator = "", value = ""] = found ?? [];
    if (found === null) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
    if (!known.includes(field)) {
      const names = known.slice(0, 2).map((name) => `"${name}"`).join(", ");
      throw badRequest(`"${field}" is not a known field selector: only ${names}`);
    }
    const path = field.split(".");
    return (object: JsonObject) => ((stringAt(object, ...path) ?? "") === value) === (operator !== "!=");
  });
  return (object) => tests.every((test) => test(object));
}
