/** Stories of lists and watches: pages of one version, what a watch replays, bookmarks, and versions that are too old. */
import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { listAt, numberAt, objectAt, stringAt } from "../../../src/core/kube_object.ts";
import type { ApiAnswer } from "../api_case.ts";
import { ask, configMapsIn, MERGE, type Story, type StoryServer, versionOf, watched } from "./story.ts";

function namesOf(answer: ApiAnswer): readonly string[] {
  return listAt(answer.body, "items").map((item) => stringAt(item, "metadata", "name") ?? "");
}

function tokenOf(answer: ApiAnswer): string {
  return encodeURIComponent(stringAt(answer.body, "metadata", "continue") ?? "");
}

async function make(server: StoryServer, namespace: string, ...names: readonly string[]): Promise<string> {
  let last = "";
  for (const name of names) {
    const answer = await ask(server, "POST", configMapsIn(namespace), { body: { metadata: { name } } });
    strictEqual(answer.status, 201);
    last = versionOf(answer);
  }
  return last;
}

async function pagesOfOneVersion(server: StoryServer, namespace: string): Promise<void> {
  const path = configMapsIn(namespace);
  await make(server, namespace, "a", "b", "c", "d", "e");
  const first = await ask(server, "GET", `${path}?limit=2`);
  deepStrictEqual(namesOf(first), ["a", "b"]);
  strictEqual(numberAt(first.body, "metadata", "remainingItemCount"), 3);
  // What happens meanwhile is not in the list.
  await ask(server, "DELETE", `${path}/d`);
  await make(server, namespace, "c2");
  const second = await ask(server, "GET", `${path}?limit=2&continue=${tokenOf(first)}`);
  deepStrictEqual(namesOf(second), ["c", "d"]);
  strictEqual(versionOf(second), versionOf(first));
  const third = await ask(server, "GET", `${path}?limit=2&continue=${tokenOf(second)}`);
  deepStrictEqual(namesOf(third), ["e"]);
  strictEqual(tokenOf(third), "");
  const anew = await ask(server, "GET", path);
  deepStrictEqual(namesOf(anew), ["a", "b", "c", "c2", "e"]);
  ok(Number(versionOf(anew)) > Number(versionOf(first)));
  strictEqual(listAt(anew.body, "items").some((item) => stringAt(item, "kind") !== undefined), false);
  // How many a selector leaves is not counted.
  const selected = await ask(server, "GET", `${path}?limit=1&labelSelector=!nothing`);
  strictEqual(numberAt(selected.body, "metadata", "remainingItemCount"), undefined);
}

async function replay(server: StoryServer, namespace: string): Promise<void> {
  const path = configMapsIn(namespace);
  const from = await make(server, namespace, "a", "b");
  await ask(server, "PATCH", `${path}/a`, { contentType: MERGE, body: { metadata: { labels: { on: "yes" } } } });
  // A change of nothing is no event.
  await ask(server, "PATCH", `${path}/a`, { contentType: MERGE, body: { metadata: { labels: { on: "yes" } } } });
  await ask(server, "DELETE", `${path}/b`);
  await make(server, namespace, "c");
  const seen = await watched(server, `${path}?watch=true&timeoutSeconds=1&resourceVersion=${from}`);
  deepStrictEqual(seen.map(({ type, name }) => `${type} ${name}`), ["MODIFIED a", "DELETED b", "ADDED c"]);
  // A deletion has a version of its own, by which it is told from what comes late.
  const versions = seen.map(({ version }) => version);
  deepStrictEqual(versions, versions.toSorted((a, b) => a - b));
  ok(Number(from) < (versions[0] ?? 0) && (versions[0] ?? 0) < (versions[1] ?? 0));
  strictEqual(stringAt(seen[0]?.object, "kind"), "ConfigMap");

  const selected = await watched(
    server,
    `${path}?watch=true&timeoutSeconds=1&resourceVersion=${from}&labelSelector=on%3Dyes`,
  );
  deepStrictEqual(selected.map(({ type, name }) => `${type} ${name}`), ["ADDED a"]);
  const present = await watched(server, `${path}?watch=true&timeoutSeconds=1&resourceVersion=0&labelSelector=on`);
  deepStrictEqual(present.map(({ type, name }) => `${type} ${name}`), ["ADDED a"]);
  const future = await watched(server, `${path}?watch=true&timeoutSeconds=1&resourceVersion=99999999`);
  deepStrictEqual(future, []);
}

async function leavingASelection(server: StoryServer, namespace: string): Promise<void> {
  const path = configMapsIn(namespace);
  const labels = (on: string) => ({ contentType: MERGE, body: { metadata: { labels: { on } } } });
  await make(server, namespace, "a");
  const from = versionOf(await ask(server, "PATCH", `${path}/a`, labels("yes")));
  await ask(server, "PATCH", `${path}/a`, labels("no"));
  await ask(server, "PATCH", `${path}/a`, labels("yes"));
  await ask(server, "DELETE", `${path}/a`);
  const seen = await watched(
    server,
    `${path}?watch=true&timeoutSeconds=1&resourceVersion=${from}&labelSelector=on%3Dyes`,
  );
  deepStrictEqual(seen.map(({ type, name }) => `${type} ${name}`), ["DELETED a", "ADDED a", "DELETED a"]);
}

async function bookmarks(server: StoryServer, namespace: string): Promise<void> {
  const path = configMapsIn(namespace);
  const from = await make(server, namespace, "a");
  const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${from}`;
  const watching = watched(server, `${path}?${query}&timeoutSeconds=4`);
  // Of this kind, but not in this namespace: nothing to tell, and yet the place to resume from moves.
  const moved = await ask(server, "POST", configMapsIn("default"), { body: { metadata: { generateName: "b-" } } });
  const seen = await watching;
  // One at least, before the end.
  deepStrictEqual([...new Set(seen.map(({ type }) => type))], ["BOOKMARK"]);
  const last = seen.at(-1);
  ok((last?.version ?? 0) >= Number(versionOf(moved)));
  strictEqual(stringAt(last?.object, "kind"), "ConfigMap");
  deepStrictEqual(Object.keys(objectAt(last?.object ?? null, "metadata")), ["resourceVersion"]);
  const resumed = await watched(
    server,
    `${path}?watch=true&timeoutSeconds=1&resourceVersion=${last?.version ?? 0}`,
  );
  deepStrictEqual(resumed, []);
}

async function tooOld(server: StoryServer, namespace: string): Promise<void> {
  const path = configMapsIn(namespace);
  await make(server, namespace, "a", "b", "c");
  const first = await ask(server, "GET", `${path}?limit=1`);
  await ask(server, "PATCH", `${path}/a`, { contentType: MERGE, body: { data: { k: "v" } } });
  await ask(server, "DELETE", `${path}/b`);
  await make(server, namespace, "d");
  await server.forget();
  const [ended, ...more] = await watched(
    server,
    `${path}?watch=true&timeoutSeconds=2&resourceVersion=${versionOf(first)}`,
  );
  deepStrictEqual([ended?.type, ended?.version, more.length], ["ERROR", 410, 0]);
  strictEqual(stringAt(ended?.object, "reason"), "Expired");
  match(stringAt(ended?.object, "message") ?? "", /^too old resource version: \d+ \(\d+\)$/);
  const late = await ask(server, "GET", `${path}?limit=1&continue=${tokenOf(first)}`);
  deepStrictEqual([late.status, stringAt(late.body, "reason")], [410, "Expired"]);
  match(stringAt(late.body, "message") ?? "", /^The provided continue parameter is too old to display a consistent/);
  // What it gives instead goes on with the list as it is now.
  notStrictEqual(tokenOf(late), "");
  const rest = await ask(server, "GET", `${path}?limit=5&continue=${tokenOf(late)}`);
  deepStrictEqual([rest.status, namesOf(rest).filter((name) => name.length === 1)], [200, ["c", "d"]]);
}

export const LIST_STORIES: readonly Story[] = [
  { name: "the pages of a list show one version", controllers: false, tell: pagesOfOneVersion },
  { name: "a watch replays what came after its version, and nothing else", controllers: false, tell: replay },
  { name: "a watch of a selection tells who enters and who leaves", controllers: false, tell: leavingASelection },
  { name: "a bookmark moves the place to resume from", controllers: false, tell: bookmarks },
  { name: "a version that was compacted is 410, in a watch and in a page", controllers: false, tell: tooOld },
];
