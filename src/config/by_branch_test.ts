/** Which sources share a branch, and what they must agree on. */
import { deepEqual } from "node:assert/strict";
import { byBranch, disagreements } from "./by_branch.ts";

const URL = "https://git.example.com/apps.git";

Deno.test("byBranch() takes spellings of one address for one, and branches for several", () => {
  const sources = [
    { name: "a", url: URL, branch: "main" },
    { name: "b", url: "https://git.example.com/apps", branch: "main" },
    { name: "c", url: URL, branch: "next" },
    { name: "d", url: "https://git.example.com/apps/", branch: "main" },
  ];
  deepEqual(byBranch(sources).map((group) => group.map(({ name }) => name)), [["a", "b", "d"], ["c"]]);
});

const key = { signingKeyFile: "/key" };

for (
  const [what, a, b, fields] of [
    ["nothing but their own", { paths: ["x"], pollInterval: "1m" }, { webhookSecretFile: "/s" }, []],
    ["the same key", key, key, []],
    ["a key", key, {}, ["sources.1"]],
    ["other keys", key, { signingKeyFile: "/other" }, ["sources.1.signingKeyFile"]],
    ["who must have signed", { verify: { sshAllowedSignersFile: "/a" } }, {}, ["sources.1"]],
    ["a branch that is the default", { branch: "main" }, {}, []],
    ["another branch", { ...key, branch: "next" }, {}, []],
  ] as const
) {
  Deno.test(`disagreements(): sources of one address with ${what}`, () => {
    const sources = [{ name: "a", url: URL, ...a }, { name: "b", url: URL, ...b }];
    const found = disagreements(JSON.parse(JSON.stringify({ sources })));
    deepEqual(found.map(({ path }) => path.join(".")), fields);
  });
}
