/**
 * Rollouts told as text under `fixtures/scenarios/`, with what each turn did. `-- --update` writes the outputs anew:
 * read the difference before it is committed.
 */
import { strictEqual } from "node:assert/strict";
import { formatScenario, parseScenario, play } from "../../test/support/scenario.ts";

const FOLDER = new URL("../../fixtures/scenarios/", import.meta.url);

const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();

for (const file of files) {
  Deno.test(`scenario ${file.replace(/\.txt$/, "")}`, () => {
    const url = new URL(file, FOLDER);
    const text = Deno.readTextFileSync(url);
    const told = formatScenario(play(parseScenario(text)));
    if (Deno.args.includes("--update")) {
      if (told !== text) Deno.writeTextFileSync(url, told);
      return;
    }
    strictEqual(told, text);
  });
}
