/** Whatever the text, the plain reader says what the library says, or leaves it to the library. */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { LineCounter, parseAllDocuments, stringify } from "yaml";
import { manifestsCorpus, manifestsUnder } from "../../test/support/manifests_corpus.ts";
import type { Json } from "../core/kube_object.ts";
import { readPlainYaml } from "./plain_yaml.ts";

/** As a plain YAML 1.2 reader has it; null where there is a mistake, or an end in sight for none. */
function byLibrary(content: string): readonly { readonly value: Json; readonly line: number }[] | null {
  const counter = new LineCounter();
  const documents = parseAllDocuments(content, {
    lineCounter: counter,
    merge: true,
    prettyErrors: false,
    logLevel: "silent",
  });
  const found: { readonly value: Json; readonly line: number }[] = [];
  for (const document of documents) {
    if (document.errors.length > 0) return null;
    const value = document.toJS();
    if (value === null) continue;
    found.push({ value, line: counter.linePos(document.contents?.range?.[0] ?? 0).line });
  }
  return found;
}

function check(content: string): boolean {
  const plain = readPlainYaml(content);
  if (plain !== null) deepEqual(plain, byLibrary(content), content);
  return plain !== null;
}

const MANIFEST = `# about it
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  labels: { app: shop, tier: x }
  annotations:
    serin.dev/canary: web
spec:
  replicas: 2
  template:
    spec:
      containers:
        - name: shop
          image: registry.example/podinfo:6.0.0 # a bot bumps this line
          args: ["9898", 1.5, [a, b], {}]
          ports:
          - { name: http, containerPort: 9898 }
          env:
            - name: URL
              value: "http://example.com/?a=b"

            - name: EMPTY
              value:
      terminationGracePeriodSeconds: 30
---
# nothing
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  weights: '10'
  list:
  - 1
  - -5
`;

Deno.test("manifests as people write them are plain", () => {
  ok(check(MANIFEST));
  const [first, second] = readPlainYaml(MANIFEST) ?? [];
  deepEqual([first?.line, second?.line], [3, 30]);
});

Deno.test("what is not surely plain is left to the library", () => {
  const rows = [
    "a: |\n  text\n",
    "a: >-\n  text\n",
    "a: &x 1\nb: *x\n",
    "a: !!str 1\n",
    'a: "x\\n"\n',
    "a: one\n  two\n",
    "a: 0644\n",
    "a: yes\n",
    "yes: a\n",
    "a: 1\na: 2\n",
    "<<: { a: 1 }\n",
    "a: b: c\n",
    "a:\tb\n",
    "a: b\r\n",
    "- a\n",
    "text\n",
    "a: {{ b }}\n",
    "a: [b\n  , c]\n",
    "a: b\n c: d\n",
    "%YAML 1.1\n---\na: b\n",
    "a: 1_000\n",
    "a: 2026-01-01\n",
    "? a\n: b\n",
    "__proto__: a\n",
    "a: 'it''s'\n",
    'a: "b # c"\n',
  ];
  for (const row of rows) equal(readPlainYaml(row), null, row);
});

const word = fc.constantFrom(
  ...[
    "app",
    "true",
    "no",
    "null",
    "~",
    "1",
    "-1",
    "0",
    "007",
    "1.50",
    "1e3",
    "0x1f",
    "12:30",
    "10m",
    "64Mi",
    ".5",
    "1.",
    "-",
  ],
  ...[
    "a b",
    "a: b",
    "a #b",
    "#a",
    "'",
    '"x"',
    "it's",
    "{{ x }}",
    "[a]",
    "{}",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
    "a:",
    ":a",
  ],
  ...[
    "v1",
    "apps/v1",
    "http://x/?a=b",
    "a,b",
    "(x)",
    "$x",
    "<<",
    "=",
    "---",
    "...",
    "| ",
    ">",
    "\u00e9t\u00e9",
    "+1",
    "y",
    "On",
  ],
);
const key = fc.constantFrom("a", "b", "app.kubernetes.io/name", "yes", "1", "x-y", "c");
const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 4 },
    word,
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.boolean(),
    tie("map"),
    tie("list"),
  ),
  map: fc.dictionary(key, tie("value"), { maxKeys: 4 }),
  list: fc.array(tie("value"), { maxLength: 4 }),
})).map;

Deno.test("what the library writes is read as the library reads it", () => {
  const styles = fc.record({
    indentSeq: fc.boolean(),
    defaultStringType: fc.constantFrom("PLAIN" as const, "QUOTE_DOUBLE" as const, "QUOTE_SINGLE" as const),
    collectionStyle: fc.constantFrom("any" as const, "block" as const, "flow" as const),
  });
  fc.assert(fc.property(json, styles, (value, style) => void check(stringify(value, style))), { numRuns: 2_000 });
});

Deno.test("a manifest with anything put in or taken out is read as the library reads it, or not at all", () => {
  const insert = fc.oneof(
    word,
    fc.constantFrom(" ", "\n", "  ", ": ", "- ", "#", ",", "\n\n", "\n  ", "{", "}", "[", "]", "'", '"'),
  );
  const edits = fc.array(fc.tuple(fc.nat(MANIFEST.length), fc.nat(3), insert), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(edits, (list) => {
      let text = MANIFEST;
      for (const [at, gone, put] of list) text = text.slice(0, at) + put + text.slice(at + gone);
      check(text);
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("short texts of YAML's own characters are read as the library reads them, or not at all", () => {
  const piece = fc.oneof(
    word,
    fc.constantFrom("a", "b", ": ", ":", "\n", "\n  ", "- ", "  ", " ", "#", ", ", "{ ", " }", "[", "]"),
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), (parts) => void check(parts.join(""))), {
    numRuns: 20_000,
  });
});

Deno.test("real manifests are read as the library reads them, or not at all", async () => {
  const folder = await manifestsCorpus();
  if (folder === null) return;
  const paths = (await manifestsUnder(folder)).filter((path) => !path.endsWith(".json"));
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(`${folder}/${path}`)));
  ok(texts.filter(check).length > 20);
});
