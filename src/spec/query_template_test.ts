/** Go templates of metric queries, checked without rendering. */
import assert from "node:assert/strict";
import { checkQuery } from "./query_template.ts";

Deno.test("checkQuery() finds functions and variables that a query uses", () => {
  const query =
    'sum({{ target }}{{- printf "%s-{{x}}" (variables.tier) | urlquery -}}[{{interval}}]){{/* namspace */}}{{ if eq `a` namespace }}{{ end }}';
  const { functions, variables, problems } = checkQuery(query);
  assert.deepEqual(problems, []);
  assert.deepEqual(functions.toSorted(), ["eq", "interval", "namespace", "printf", "target", "urlquery", "variables"]);
  assert.deepEqual(variables, ["tier"]);
});

Deno.test("checkQuery() says what would fail in the middle of a rollout", () => {
  const rows = [
    ["{{ targt }}", '"targt" is not a function of queries: the nearest is "target"'],
    ["{{ frobnicate }}", '"frobnicate" is not a function of queries'],
    ["{{ target ", 'An action opened with "{{" is not closed'],
    ["{{ .Values.x }}", '"{{.Values.x}}" reads a field, and a query has no data'],
  ] as const;
  for (const [query, want] of rows) {
    assert.deepEqual(checkQuery(query).problems.map(({ reason }) => reason), [want], query);
  }
});

Deno.test("checkQuery() leaves queries without actions alone", () => {
  for (const query of ["", 'sum(rate(x{a="}}"}[1m]))', '{"a": {"b": 1}}']) {
    assert.deepEqual(checkQuery(query).problems, [], query);
  }
});
