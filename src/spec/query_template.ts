/**
 * Checks the Go template of a metric query without rendering it: its brackets close, and it calls only functions that
 * exist. A misspelt function would otherwise be found in the middle of a rollout.
 *
 * @see Go text/template: https://pkg.go.dev/text/template
 */
import { listed, nearest } from "../schema/nearest.ts";

/** What a query may call, besides Go's own functions. */
export const QUERY_FUNCTIONS = [
  "name",
  "namespace",
  "target",
  "service",
  "ingress",
  "route",
  "interval",
  "variables",
] as const;

const GO_FUNCTIONS = [
  ...["and", "call", "html", "index", "slice", "js", "len", "not", "or", "print", "printf", "println", "urlquery"],
  ...["eq", "ge", "gt", "le", "lt", "ne"],
];
const GO_WORDS = [
  ...["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"],
  ...["nil", "true", "false"],
];

/** What a query uses, and what is wrong with it. */
export interface QueryTemplate {
  /** Names of functions that are called, each once. */
  readonly functions: readonly string[];
  /** Keys asked of `variables`, each once. */
  readonly variables: readonly string[];
  readonly problems: readonly { readonly reason: string; readonly fix: string }[];
}

/** Never throws, and renders nothing. */
export function checkQuery(query: string): QueryTemplate {
  const functions = new Set<string>();
  const variables = new Set<string>();
  const problems: { reason: string; fix: string }[] = [];
  const { actions, unclosed } = actionsOf(query);
  if (unclosed) problems.push({ reason: 'An action opened with "{{" is not closed', fix: 'Close it with "}}"' });
  const known = [...QUERY_FUNCTIONS, ...GO_FUNCTIONS, ...GO_WORDS];
  for (const action of actions) {
    const bare = action.replaceAll(/"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)*'/g, '""');
    for (const [, name = ""] of bare.matchAll(/(?<![.$\w"])([A-Za-z_]\w*)/g)) {
      if (GO_WORDS.includes(name)) continue;
      if (!known.includes(name)) problems.push(unknownFunction(name));
      else functions.add(name);
    }
    if (/(?<![\w$)])\.[A-Za-z_]/.test(bare)) {
      problems.push({
        reason: `"{{${action}}}" reads a field, and a query has no data`,
        fix: `Call one of ${listed(QUERY_FUNCTIONS)} without a dot`,
      });
    }
    for (const [, key = ""] of bare.matchAll(/(?<![.$\w])variables\.(\w+)/g)) variables.add(key);
  }
  return { functions: [...functions], variables: [...variables], problems };
}

function unknownFunction(name: string): { readonly reason: string; readonly fix: string } {
  const near = nearest(name, QUERY_FUNCTIONS);
  return {
    reason: `"${name}" is not a function of queries${near === undefined ? "" : `: the nearest is "${near}"`}`,
    fix: near === undefined ? `Call one of ${listed(QUERY_FUNCTIONS)}` : `Write "${near}"`,
  };
}

/** The insides of all actions, comments left out. Brackets within strings of an action do not close it. */
function actionsOf(query: string): { readonly actions: readonly string[]; readonly unclosed: boolean } {
  const actions: string[] = [];
  let rest = query;
  for (let start = rest.indexOf("{{"); start !== -1; start = rest.indexOf("{{")) {
    const inside = /^((?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)*'|(?!\}\})[^"`'])*)\}\}/.exec(
      rest.slice(start + 2),
    );
    if (inside === null) return { actions, unclosed: true };
    const action = inside[1] ?? "";
    if (!/^-?\s*\/\*/.test(action)) actions.push(action.replace(/^-\s/, "").replace(/\s-$/, "").trim());
    rest = rest.slice(start + 2 + inside[0].length);
  }
  return { actions, unclosed: false };
}
