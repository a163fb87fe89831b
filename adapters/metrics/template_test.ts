import assert from "node:assert/strict";
import { InvalidSpecError } from "../../src/errors.ts";
import { renderTemplate, type TemplateWords } from "./template.ts";

const WORDS: TemplateWords = {
  name: "shop-canary",
  namespace: "prod",
  target: "shop",
  service: "shop-svc",
  ingress: "shop-ing",
  route: "shop-route",
  interval: "1m",
  variables: { direction: "inbound", "le-gt": "0.5", odd: 'a"b' },
};

const render = (text: string) => renderTemplate(text, WORDS, 'MetricTemplate "prod/latency"');

const RENDERED: readonly (readonly [template: string, text: string])[] = [
  ["plain {braces} }} stay", "plain {braces} }} stay"],
  ["", ""],
  ["{{name}}/{{ namespace }}/{{ target }}", "shop-canary/prod/shop"],
  ["{{ service }} {{ ingress }} {{ route }} {{ interval }}", "shop-svc shop-ing shop-route 1m"],
  ['x{d="{{ variables.direction }}"}[{{interval}}]', 'x{d="inbound"}[1m]'],
  ['{{ index variables "le-gt" }}', "0.5"],
  ["{{ (variables).direction }}", "inbound"],
  ["{{ index (variables) `le-gt` }}", "0.5"],
  ['{{ printf "%s-canary.%s" target namespace }}', "shop-canary.prod"],
  ['{{ printf "%v %q %d %%" target variables.odd 3 }}', 'shop "a\\"b" 3 %'],
  ['{{ target | printf "%s-primary" }}', "shop-primary"],
  ['{{ target | printf "%s.%s" namespace | printf "%q" }}', '"prod.shop"'],
  ['{{ printf "%s" (printf "%s-%s" name variables.direction) }}', "shop-canary-inbound"],
  ["{{ print target namespace 1 2 }}", "shopprod1 2"],
  ['{{ urlquery "a b&c" }}', "a+b%26c"],
  ['{{ "}}" }}', "}}"],
  ["{{ `raw\\n` }}", "raw\\n"],
  ['{{ "two\\nlines" }}', "two\nlines"],
  ["a  \n{{- target -}}  \n b", "ashopb"],
  ["a {{- /* why */ -}} b", "ab"],
  ["a {{/* }} why */}} b", "a  b"],
  ["{{- target }} b", "shop b"],
  ["{{ -1 }}", "-1"],
  ["{{ printf `%d` -1 }}", "-1"],
];

for (const [template, text] of RENDERED) {
  Deno.test(`renderTemplate() renders ${JSON.stringify(template)}`, () => {
    assert.equal(render(template), text);
  });
}

const REFUSED: readonly (readonly [template: string, line: number, column: number, reason: RegExp])[] = [
  ["{{ target", 1, 1, /not closed/],
  ["a\nb {{ target }", 2, 3, /not closed/],
  ["{{ targets }}", 1, 4, /"targets" is not supported/],
  ["up\n  {{ if target }}x{{ end }}", 2, 6, /"if" is not supported/],
  ["{{ range variables }}{{ end }}", 1, 4, /"range" is not supported/],
  ["{{ .target }}", 1, 4, /has no data/],
  ["{{ . }}", 1, 4, /"\." is not supported/],
  ["{{ $x := target }}", 1, 4, /"\$" is not supported/],
  ["{{ target := 1 }}", 1, 11, /":" is not supported/],
  ["{{ }}", 1, 4, /ends where a value is needed/],
  ["{{ target | }}", 1, 13, /ends where a value is needed/],
  ["{{ variables.region }}", 1, 13, /variable "region" is not given: given are "direction"/],
  ["{{ variables.toString }}", 1, 13, /variable "toString" is not given/],
  ["{{ variables }}", 1, 3, /a map cannot be printed/],
  ['{{ variables "direction" }}', 1, 4, /"variables" takes no arguments/],
  ["{{ target.name }}", 1, 10, /has no fields/],
  ["{{ target namespace }}", 1, 4, /"target" takes no arguments/],
  ['{{ "a" target }}', 1, 4, /only a function takes arguments/],
  ["{{ (target }}", 1, 4, /parenthesis is not closed/],
  ["{{ target) }}", 1, 10, /"\)" is not supported/],
  ['{{ printf "%s" }}', 1, 4, /"%s" of the format has no argument/],
  ['{{ printf "x" target }}', 1, 4, /fewer verbs/],
  ['{{ printf "%5s" target }}', 1, 4, /"%5" is not supported/],
  ['{{ printf "%d" target }}', 1, 4, /"%d" is not supported/],
  ['{{ index variables "a" "b" }}', 1, 4, /takes a map and a key/],
  ['{{ "\\x41" }}', 1, 4, /escape/],
  ["{{ variables .direction }}", 1, 14, /has no data/],
];

for (const [template, line, column, reason] of REFUSED) {
  Deno.test(`renderTemplate() refuses ${JSON.stringify(template)}`, () => {
    assert.throws(() => render(template), (error: unknown) => {
      assert.ok(error instanceof InvalidSpecError, String(error));
      assert.match(error.message, reason);
      assert.ok(
        error.message.startsWith(
          `Cannot render the query of MetricTemplate "prod/latency": line ${line}, column ${column}: `,
        ),
        error.message,
      );
      assert.notEqual(error.fix, undefined);
      return true;
    });
  });
}
