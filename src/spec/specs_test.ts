/** Files of custom resources, good and bad, against what is to be said of them. */
import assert from "node:assert/strict";
import { describeSpecs, specFixtures, SPECS, wantOf } from "../../test/support/spec_fixtures.ts";

const HINT = "Run deno run -A test/support/spec_fixtures.ts --update, and read the difference";

for (const name of specFixtures()) {
  Deno.test(`fixtures/specs/${name} is read as its .want.txt says`, () => {
    const said = describeSpecs(name, Deno.readFileSync(new URL(name, SPECS)));
    assert.equal(said, Deno.readTextFileSync(wantOf(name)), HINT);
    if (name.startsWith("good/")) assert.doesNotMatch(said, /error: |^broken /m);
    else assert.match(said, /error: /);
  });
}

Deno.test("describeSpecs() says the same whatever the line endings and the byte order mark", () => {
  for (const name of specFixtures()) {
    const text = Deno.readTextFileSync(new URL(name, SPECS));
    // A block scalar's own line endings are part of its value, but YAML reads them as line feeds.
    const windows = new TextEncoder().encode(`\uFEFF${text.replaceAll("\n", "\r\n")}`);
    assert.equal(describeSpecs(name, windows), describeSpecs(name, new TextEncoder().encode(text)), name);
  }
});
