/** The writer and a renderer: a failed release that a kustomization carries goes back to the byte, proven by rendering. */
import assert from "node:assert/strict";
import type { CatalogueEntry } from "../core/catalogue.ts";
import { canaryKey } from "../core/canary.ts";
import type { Decision } from "../core/decision.ts";
import type { KubeObject } from "../core/kube_object.ts";
import { type Release, releaseOf } from "../core/release.ts";
import { UnavailableError } from "../errors.ts";
import { buildCatalogue } from "../spec/catalogue.ts";
import { parseFile } from "../spec/parse_file.ts";
import { testCapabilities } from "../../test/support/capabilities.ts";
import { aDecision, aLock, CLUSTER } from "../../test/support/ledger_builders.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import { shopFiles } from "../../test/support/shop_files.ts";
import { findPlaces } from "./places/mod.ts";
import type { CanaryEntry, ReleaseRenderer } from "./places/release_renderer.ts";
import type { ManifestReader } from "./tip.ts";
import { createLedger } from "./writer.ts";

const PATH = "apps/shop/kustomization.yaml";
const OTHER = { namespace: "prod", name: "other" };
const IMAGE = "registry.example.com/shop";
const kustomization = (tag: string): string =>
  `# by hand\nimages:\n  - name: ${IMAGE}\n    newTag: "${tag}" # bump here\n`;

/** What kustomize would make of the target: the one image, with the tag that the kustomization says. */
function renderedRelease(target: KubeObject, bytes: Uint8Array<ArrayBuffer>, commit: string): Release {
  const found = findPlaces({ path: PATH, content: bytes, link: false });
  const tag = found.type === "found" ? found.places[0]?.image.tag : null;
  const text = JSON.stringify(target).replace(/(registry\.example\.com\/shop:)[^"]*/, `$1${tag}`);
  return releaseOf(commit, JSON.parse(text), () => null, { scaler: null, tracking: false });
}

async function renderedEntry(entry: CanaryEntry, read: (path: string) => Promise<Uint8Array<ArrayBuffer> | undefined>) {
  const bytes = await read(PATH) ?? new Uint8Array();
  const release = renderedRelease(entry.target.object, bytes, entry.release.commit);
  return { ...entry, canary: { ...entry.canary, render: "kustomize" }, release } as const;
}

const reader: ManifestReader = {
  async catalogue(snapshot) {
    const files = new Map<string, ReturnType<typeof parseFile>>();
    for (const { path } of await snapshot.files()) {
      const content = await snapshot.read(path);
      if (content !== undefined && path !== PATH) files.set(path, parseFile(path, content));
    }
    const catalogue = buildCatalogue(snapshot.commit, files, testCapabilities());
    const entries = new Map<string, CatalogueEntry>();
    for (const [key, entry] of catalogue.entries) {
      entries.set(key, entry.type === "canary" ? await renderedEntry(entry, (path) => snapshot.read(path)) : entry);
    }
    return { ...catalogue, entries };
  },
  parse: (path, content) => parseFile(path, content).manifests,
};

const renderer: ReleaseRenderer = {
  async carriers(_entry, snapshot) {
    const content = await snapshot.read(PATH) ?? new Uint8Array();
    const found = findPlaces({ path: PATH, content, link: false });
    const places = found.type === "found" ? found.places : [];
    return places.map((place) => ({ place, as: "manifests", containers: ["app"], alsoServes: [] }));
  },
  render(entry, { snapshot, edits }) {
    const content = edits.find(({ path }) => path === PATH)?.content ?? new Uint8Array();
    return Promise.resolve({
      type: "release",
      release: renderedRelease(entry.target.object, content, snapshot.commit),
    });
  },
};

async function revertOf(
  known: ReleaseRenderer | undefined,
  more: readonly Partial<Decision>[] = [],
): Promise<{ readonly git: MemoryGit; readonly outcome: unknown }> {
  const git = new MemoryGit({ ...shopFiles("0.0.0"), [PATH]: kustomization("1.0.0") });
  const clock = new ManualClock();
  const release = async (): Promise<Release> => {
    const entry = (await reader.catalogue(await git.connect().fetch())).entries.get("prod/shop");
    if (entry?.type !== "canary") throw new Error("no canary");
    return entry.release;
  };
  const good = await release();
  git.commit({ files: { [PATH]: `${kustomization("1.1.0")}# later\n` }, message: "Bump\n" });
  const bad = await release();
  const ledger = createLedger({
    remote: git.connect(),
    reader,
    cluster: CLUSTER,
    clock,
    author: { name: "Serin", email: "serin@example.com" },
    isLeader: () => true,
    ...(known === undefined ? {} : { renderer: known }),
  });
  const stop = new AbortController();
  const running = ledger.run(stop.signal);
  try {
    const quarantine = { release: bad, reason: "It failed" };
    const lock = aLock({ release: good });
    assert.equal(canaryKey(lock.canary), "prod/shop");
    ledger.submit(aDecision({ id: "run-1/revert", kind: "revert", release: bad, lock, manifests: good, quarantine }));
    for (const decision of more) ledger.submit(aDecision({ release: good, lock, ...decision }));
    for (let turn = 0; turn < 300 && ledger.outcome("run-1/revert")?.type === "pending"; turn++) await clock.advance(0);
    return { git, outcome: ledger.outcome("run-1/revert") };
  } finally {
    stop.abort();
    await running;
  }
}

Deno.test("the writer puts a kustomization back, with what came later in the file, once rendering proves it", async () => {
  const { git, outcome } = await revertOf(renderer);
  assert.deepEqual(outcome, { type: "committed", commit: git.head });
  assert.equal(git.text(PATH), `${kustomization("1.0.0")}# later\n`);
});

Deno.test("the writer leaves a kustomization alone where nobody renders, or rendering says something else", async () => {
  const nobody = await revertOf(undefined);
  assert.match(JSON.stringify(nobody.outcome), /they are rendered \(kustomize\)/);
  const other = await revertOf({
    ...renderer,
    render: (entry, { snapshot }) =>
      Promise.resolve({
        type: "release",
        release: renderedRelease(entry.target.object, new Uint8Array(), snapshot.commit),
      }),
  });
  assert.match(JSON.stringify(other.outcome), /would render revision/);
  assert.equal(other.git.text(PATH), `${kustomization("1.1.0")}# later\n`);
});

Deno.test("what cannot be rendered now waits, says so, and keeps no other decision from the branch", async () => {
  const away = () => Promise.reject(new UnavailableError("No kustomize here", { data: { reason: "not-rendered" } }));
  const { git, outcome } = await revertOf({ ...renderer, carriers: away }, [{
    id: "run-2/record",
    kind: "record",
    canary: OTHER,
    lock: aLock({ canary: OTHER }),
  }]);
  assert.match(JSON.stringify(outcome), /"pending".*No kustomize here/);
  assert.match(git.log(1)[0]?.message ?? "", /Serin-Run: run-2\/record/);
});
