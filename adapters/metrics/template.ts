/**
 * Renders a metric query: the part of Go's text/template that queries are written in, which is calls of functions
 * without data, pipes, parentheses, text constants and trimming. Anything else (conditions, loops, variables, fields
 * of a value that is not there) is refused with its place, never left standing in a query.
 *
 * @see Go text/template: https://pkg.go.dev/text/template
 */
import { type Expression, parseAction } from "./template/expression.ts";
import { failAt, type Place } from "./template/place.ts";
import { splitTemplate } from "./template/split.ts";

/** What a query can ask for. */
export interface TemplateWords {
  readonly name: string;
  readonly namespace: string;
  readonly target: string;
  readonly service: string;
  readonly ingress: string;
  readonly route: string;
  readonly interval: string;
  readonly variables: Readonly<Record<string, string>>;
}

type Value = string | number | Readonly<Record<string, string>>;

/**
 * @param where names the template in messages: `MetricTemplate "prod/latency"`
 * @throws {InvalidSpecError} the template cannot be rendered; the message names line and column
 */
export function renderTemplate(text: string, words: TemplateWords, where: string): string {
  const place: Place = { text, where };
  return splitTemplate(place).map((part) => {
    if (part.type === "text") return part.text;
    return printed(evaluate(parseAction(place, part), words, place), place, part.from);
  }).join("");
}

function evaluate(expression: Expression, words: TemplateWords, place: Place): Value {
  switch (expression.type) {
    case "constant":
      return expression.value;
    case "field": {
      const owner = evaluate(expression.of, words, place);
      return lookUp(owner, expression.name, { place, from: expression.from });
    }
    case "call": {
      const args = expression.args.map((arg) => evaluate(arg, words, place));
      return call(expression, args, words, place);
    }
  }
}

function call(
  { name, from }: Extract<Expression, { type: "call" }>,
  args: readonly Value[],
  words: TemplateWords,
  place: Place,
): Value {
  switch (name) {
    case "name":
    case "namespace":
    case "target":
    case "service":
    case "ingress":
    case "route":
    case "interval":
    case "variables":
      if (args.length > 0) {
        const fix = name === "variables" ? "Write variables.key." : `Write ${name} alone.`;
        throw failAt(place, from, `"${name}" takes no arguments`, fix);
      }
      return words[name];
    case "index": {
      const [owner, key] = args;
      if (owner === undefined || typeof key !== "string" || args.length > 2) {
        throw failAt(place, from, '"index" takes a map and a key', 'Write index variables "key".');
      }
      return lookUp(owner, key, { place, from });
    }
    case "print":
      return print(args, place, from);
    case "printf":
      return format(args, place, from);
    case "urlquery":
      return encodeURIComponent(print(args, place, from)).replaceAll("%20", "+");
    default:
      throw failAt(
        place,
        from,
        `"${name}" is not supported in queries`,
        "Use name, namespace, target, service, ingress, route, interval, variables, printf, print, index or urlquery.",
      );
  }
}

function lookUp(owner: Value, key: string, at: { readonly place: Place; readonly from: number }): string {
  if (typeof owner !== "object") {
    throw failAt(at.place, at.from, `"${key}" is asked of a text, which has no fields`, "Only variables has fields.");
  }
  const found = Object.hasOwn(owner, key) ? owner[key] : undefined;
  if (found !== undefined) return found;
  const known = Object.keys(owner).map((name) => `"${name}"`).join(", ");
  throw failAt(
    at.place,
    at.from,
    `variable "${key}" is not given: ${known === "" ? "the metric gives none" : `given are ${known}`}`,
    `Give "${key}" a value in templateVariables.`,
  );
}

/** Go's Sprint puts a space between two operands when neither is a text. */
function print(args: readonly Value[], place: Place, from: number): string {
  return args.map((arg, index) => {
    const spaced = index > 0 && typeof arg === "number" && typeof args[index - 1] === "number";
    return `${spaced ? " " : ""}${printed(arg, place, from)}`;
  }).join("");
}

function printed(value: Value, place: Place, from: number): string {
  if (typeof value !== "object") return String(value);
  throw failAt(place, from, "a map cannot be printed", "Write variables.key.");
}

/** The verbs that a text or a number can have without flags or width. */
function format(args: readonly Value[], place: Place, from: number): string {
  const [pattern, ...values] = args;
  if (typeof pattern !== "string") {
    throw failAt(place, from, '"printf" takes a format first', 'Write printf "%s-canary" target.');
  }
  let used = 0;
  const text = pattern.replaceAll(/%(.?)/gs, (verb, kind: string) => {
    if (kind === "%") return "%";
    const value = values[used++];
    const isNumber = typeof value === "number";
    if (value === undefined) throw failAt(place, from, `"${verb}" of the format has no argument`, "Give it one.");
    if (kind === "v" || (kind === "s" && !isNumber)) return printed(value, place, from);
    if (kind === "q" && !isNumber) return JSON.stringify(printed(value, place, from));
    if (kind === "d" && isNumber && Number.isInteger(value)) return String(value);
    throw failAt(place, from, `"${verb}" is not supported in a format`, "Use %s or %v, %q, or %d for a whole number.");
  });
  if (used < values.length) {
    throw failAt(place, from, "the format has fewer verbs than there are arguments", "Remove the arguments left over.");
  }
  return text;
}
