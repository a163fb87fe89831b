/** Real manifests: an image is bumped and restored, and the file is byte for byte what it was. */
import assert from "node:assert/strict";
import { manifestsCorpus, manifestsUnder } from "../../test/support/manifests_corpus.ts";
import type { Manifest } from "../core/catalogue.ts";
import { type Image, imagesOf, releaseOf } from "../core/release.ts";
import { listAt } from "../core/kube_object.ts";
import { parseFile } from "../spec/parse_file.ts";
import { manifestPath } from "./restore_edit.ts";
import { restoreRelease } from "./restore.ts";
import { spliceScalars } from "./splice.ts";
import type { YamlPath } from "./yaml_file.ts";

interface Bumped {
  readonly path: string;
  readonly content: Uint8Array<ArrayBuffer>;
  readonly manifest: Manifest;
  readonly image: Image;
  readonly at: YamlPath;
}

/** Every container image of every workload with a pod template. */
function* imagesIn(path: string, content: Uint8Array<ArrayBuffer>): Generator<Bumped> {
  for (const manifest of parseFile(path, content).manifests) {
    for (const list of ["initContainers", "containers"]) {
      const containers = listAt(manifest.object, "spec", "template", "spec", list);
      const prefix = [...manifestPath(manifest.place), "spec", "template", "spec", list];
      for (const image of imagesOf(manifest.object)) {
        const index = containers.findIndex((container) =>
          typeof container === "object" && container !== null && "name" in container &&
          container["name"] === image.container
        );
        if (index >= 0) yield { path, content, manifest, image, at: [...prefix, index, "image"] };
      }
    }
  }
}

/** null: restored to the byte; else why it was refused. */
function bumpAndRestore({ path, content, manifest, image, at }: Bumped): string | null {
  const file = { path, content, link: false };
  const value = `${image.image.split("@")[0]}-serin`;
  const bumped = spliceScalars(file, [{ document: manifest.place.document, path: at, value }]);
  if (bumped.type === "refused") return bumped.reason;
  const target = parseFile(path, bumped.content).manifests.find(({ place }) =>
    place.document === manifest.place.document && place.item === manifest.place.item
  );
  assert.ok(target !== undefined, `${path} lost a manifest`);
  const options = { scaler: null, tracking: false };
  const restored = restoreRelease({
    current: releaseOf("b".repeat(40), target.object, () => null, options),
    wanted: releaseOf("a".repeat(40), manifest.object, () => null, options),
    target,
    configs: [],
    file: () => ({ path, content: bumped.content, link: false }),
    original: () => null,
    parse: (name, bytes) => parseFile(name, bytes).manifests,
  });
  if (restored.type !== "restored") return restored.type === "refused" ? restored.reason : restored.type;
  assert.equal(restored.edits.length, 1, path);
  assert.deepEqual(restored.edits[0]?.content, content, `${path} is not what it was`);
  return null;
}

Deno.test("restoreRelease() gives real manifests back to the byte after an image bump", async () => {
  const corpus = await manifestsCorpus();
  if (corpus === null) return;
  let restored = 0;
  const refused: string[] = [];
  for (const path of await manifestsUnder(corpus)) {
    const content = await Deno.readFile(`${corpus}/${path}`);
    for (const bumped of imagesIn(path, content)) {
      const reason = bumpAndRestore(bumped);
      if (reason === null) restored++;
      else refused.push(reason);
    }
  }
  assert.deepEqual(refused, []);
  assert.ok(restored > 50, `only ${restored} images were restored`);
});
