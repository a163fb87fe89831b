/** Values against schemas, and what else is made of a schema. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Json } from "../core/kube_object.ts";
import { jsonSchemaOf } from "./json_schema.ts";
import { markdownOf } from "./markdown.ts";
import { openApiOf } from "./open_api.ts";
import { formatPath } from "./path.ts";
import {
  bool,
  field,
  int,
  intOrString,
  listOf,
  mapOf,
  object,
  objectFor,
  oneOf,
  open,
  pattern,
  required,
  text,
} from "./schema.ts";
import { validate } from "./validate.ts";

const inner = object({
  min: field(int(), "Least."),
  max: field(int(), "Most."),
}, { rules: [{ type: "ordered", low: "min", high: "max", fix: "Swap them" }] });

const schema = object({
  name: required(pattern("^[a-z]+$", "small letters", 5), "Its name."),
  size: field(int({ min: 1, max: 9 }), "Its size.", { default: 3 }),
  colour: field(oneOf("red", "green", "off"), "Its colour."),
  live: field(bool, "Whether it lives.", { only: "serin" }),
  port: field(intOrString, "Its port."),
  url: field({ type: "url", schemes: ["http", "https"] }, "Its URL."),
  wait: field({ type: "duration", style: "go", minMs: 1_000, maxMs: 60_000 }, "How long."),
  range: field(inner, "Bounds.", { default: {} }),
  labels: field(mapOf(text), "Labels."),
  items: field(listOf(inner, { maxItems: 2 }), "Several."),
  any: field(open, "Anything."),
  old: field(text, "Old.", { refused: { why: "Is gone", fix: "Remove it" } }),
}, { rules: [{ type: "at-most-one", fields: ["port", "url"], fix: "Give one" }] });

function said(value: Json): readonly string[] {
  return validate(schema, value).problems.map(({ path, reason }) => `${formatPath(path)}: ${reason}`);
}

Deno.test("validate() says what is wrong, where, and with which value", () => {
  const rows: readonly (readonly [Json, readonly string[]])[] = [
    [{ name: "a" }, []],
    [[], [": Must be an object: current value is a list"]],
    [{}, ["name: Is required, and absent"]],
    [{ name: null }, ["name: Is required, and absent"]],
    [{ name: "A" }, ['name: Must be small letters: current value is "A"']],
    [{ name: "abcdef" }, ["name: Must have at most 5 characters: there are 6"]],
    [{ name: 5 }, ["name: Must be a string: current value is 5"]],
    [{ name: "a", size: 10 }, ["size: Must be 1 to 9: current value is 10"]],
    [{ name: "a", size: 1.5 }, ["size: Must be an integer: current value is 1.5"]],
    [{ name: "a", colour: "gren" }, ['colour: Must be "red", "green" or "off": current value is "gren"']],
    [{ name: "a", colour: false }, ["colour: Must be a string: current value is false"]],
    [{ name: "a", live: "true" }, ['live: Must be true or false: current value is "true"']],
    [{ name: "a", port: 1.5 }, ["port: Must be an integer or a string: current value is 1.5"]],
    [{ name: "a", url: "ftp://x/secret" }, ['url: Must be a URL that starts with "http://" or "https://"']],
    [{ name: "a", url: "https://" }, ['url: Must be a URL that starts with "http://" or "https://"']],
    [{ name: "a", wait: "500ms" }, ['wait: Must be 1s or more: current value is "500ms"']],
    [{ name: "a", wait: "2m" }, ['wait: Must be 1m or less: current value is "2m"']],
    [{ name: "a", range: { min: 2, max: 1 } }, ['range: "min" must not be greater than "max": they are 2 and 1']],
    [{ name: "a", labels: { "x.y/z": 1 } }, ['labels["x.y/z"]: Must be a string: current value is 1']],
    [{ name: "a", items: [{}, { mx: 1 }, {}] }, [
      'items[1].mx: Is not a known field: the nearest is "max"',
      "items: Must have at most 2: there are 3",
    ]],
    [{ name: "a", old: "x" }, ["old: Is gone"]],
    [{ name: "a", any: 1 }, ["any: Must be an object: current value is 1"]],
    [{ name: "a", port: 1, url: "http://x" }, ['url: Only one of "port" or "url" may be given: there are 2']],
    [{ nme: "a", zzz: "x" }, [
      'nme: Is not a known field: the nearest is "name"',
      "zzz: Is not a known field",
      "name: Is required, and absent",
    ]],
    [{ name: "a", constructor: 1, toString: 2 }, [
      "constructor: Is not a known field",
      "toString: Is not a known field",
    ]],
  ];
  for (const [value, want] of rows) assert.deepEqual(said(value), want, JSON.stringify(value));
});

Deno.test("validate() fills in defaults and changes nothing else", () => {
  const value = { name: "a", any: { deep: [1, null] }, items: [{ min: 1 }] };
  assert.deepEqual(validate(schema, value).value, { ...value, size: 3, range: {} });
  assert.deepEqual(Object.keys(value), ["name", "any", "items"]);
});

Deno.test("validate() is total, and its value passes a second time", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const first = validate(schema, value as Json);
    if (first.problems.length > 0) return;
    assert.deepEqual(validate(schema, first.value), { value: first.value, problems: [] });
  }));
});

Deno.test("objectFor() leaves out what a group does not have", () => {
  assert.deepEqual(Object.keys(objectFor("flagger", schema).fields).includes("live"), false);
  assert.deepEqual(Object.keys(objectFor("serin", schema).fields).includes("live"), true);
});

Deno.test("jsonSchemaOf() closes objects, openApiOf() leaves them open and adds CEL", () => {
  const json = jsonSchemaOf(schema, { title: "T", description: "D" });
  assert.equal(json["additionalProperties"], false);
  assert.deepEqual(json["required"], ["name"]);
  assert.deepEqual(json["not"], { anyOf: [{ required: ["port", "url"] }] });
  const openApi = openApiOf(inner);
  assert.equal(openApi["additionalProperties"], undefined);
  assert.deepEqual(openApi["x-kubernetes-validations"], [{
    rule: "!has(self.min) || !has(self.max) || self.min <= self.max",
    message: "min must not be greater than max",
  }]);
});

Deno.test("markdownOf() has a row for each field that is accepted", () => {
  const page = markdownOf(schema, { root: "Thing", level: 2 });
  for (const name of Object.keys(schema.fields)) {
    assert.equal(page.includes(`| \`${name}\` |`), name !== "old", name);
  }
  assert.match(page, /^## Thing\.items\[\]$/m);
});
