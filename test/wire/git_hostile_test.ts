/** Servers that want to harm: packs of monstrous sizes, wrong contents, answers that never end. Nothing of it is kept. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { readPack, writePack } from "../../adapters/platform/git/pack.ts";
import { concatBytes, encodePacket, FLUSH } from "../../adapters/platform/git/pkt_line.ts";
import { storedSnapshot } from "../../adapters/platform/git/snapshot.ts";
import { parseFetchAnswer } from "../../adapters/platform/git/upload_pack.ts";
import { UnavailableError } from "../../src/errors.ts";
import { type GitFixture, MANIFESTS, textOf, withGit } from "../support/git_fixture.ts";
import { isPackFetch } from "../support/git_http_server.ts";

const PATH = "apps/team-1/app-5.yaml";
const text = new TextEncoder();

/** An answer to a fetch with this pack in it. */
function answerWith(pack: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes([encodePacket("packfile\n"), encodePacket(concatBytes([Uint8Array.of(1), pack])), FLUSH]);
}

function packOf(count: readonly number[], ...entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const body = concatBytes([text.encode("PACK"), Uint8Array.of(0, 0, 0, 2, ...count), ...entries]);
  return concatBytes([body, createHash("sha1").update(body).digest()]);
}

/** The fetch after a commit gets this answer; then nothing has changed, and an honest server heals it. */
async function survives(
  { repository, server, remote }: GitFixture,
  change: (body: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>,
  says: RegExp,
): Promise<void> {
  const before = await remote.fetch();
  const tip = await repository.commit({ [PATH]: "changed: true\n" });
  const { store } = storedSnapshot(before);
  const held = store.size;
  server.fault = { type: "tamper", change, when: isPackFetch };
  await assert.rejects(remote.fetch(), (error) => {
    assert.ok(error instanceof UnavailableError, String(error));
    assert.match(error.message, says);
    return true;
  });
  assert.equal(remote.tip, before);
  assert.equal(store.size, held);
  assert.equal(await textOf(before, PATH), MANIFESTS[PATH]);
  server.fault = undefined;
  const after = await remote.fetch();
  assert.equal(after.commit, tip);
  assert.equal(await textOf(after, PATH), "changed: true\n");
}

// A blob whose size is said in groups of seven bits: 2^46 bytes.
const MONSTER = concatBytes([
  Uint8Array.of(0xb0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01),
  deflateSync(text.encode("x")),
]);
// A delta for an object that the client has not: its base is 20 bytes of nothing.
const HOMELESS = concatBytes([Uint8Array.of(0x74), new Uint8Array(20), deflateSync(Uint8Array.of(1, 1, 1, 65))]);

const PACKS: Readonly<Record<string, { readonly pack: Uint8Array<ArrayBuffer>; readonly says: RegExp }>> = {
  "an object of a monstrous size": { pack: packOf([0, 0, 0, 1], MONSTER), says: /holds more than \d+ bytes/ },
  "four billion objects announced": { pack: packOf([255, 255, 255, 255]), says: /more than it can hold/ },
  "a delta without its base": { pack: packOf([0, 0, 0, 1], HOMELESS), says: /lacks the base of 1 deltas/ },
  "an empty pack": { pack: packOf([0, 0, 0, 0]), says: /commit [0-9a-f]{40} is missing/ },
};

for (const [name, { pack, says }] of Object.entries(PACKS)) {
  Deno.test(`a pack with ${name} leaves no trace`, async () => {
    await withGit({}, (stand) => survives(stand, () => answerWith(pack), says));
  });
}

Deno.test("a delta that reaches outside its base, or lies about its result, leaves no trace", async () => {
  for (
    const [delta, says] of [
      [[0x92, 0xff, 0xff], /reaches outside its bytes/],
      [[2, 65, 66], /makes less than it announced/],
    ] as const
  ) {
    await withGit({}, async (stand) => {
      const base = await stand.remote.fetch();
      const [file] = await base.files();
      const size = (await base.read(file?.path ?? ""))?.length ?? 0;
      const sizes = [(size & 0x7f) | 0x80, size >> 7, 0xff, 0x7f];
      const content = Uint8Array.from([...sizes, ...delta]);
      const entry = concatBytes([
        Uint8Array.of(0x70 | content.length),
        Uint8Array.fromHex(file?.oid ?? ""),
        deflateSync(content),
      ]);
      await survives(stand, () => answerWith(packOf([0, 0, 0, 1], entry)), says);
    });
  }
});

Deno.test("a file with other content than its hash says is never taken, however often it is sent", async () => {
  await withGit({}, async (stand) => {
    const bases = storedSnapshot(await stand.remote.fetch()).store;
    const forge = async (body: Uint8Array<ArrayBuffer>) => {
      const { pack } = await parseFetchAnswer(body);
      const objects = [...(await readPack(pack, bases, { inflatedBytesMax: 1e7 })).values()];
      return answerWith(
        writePack(
          objects.map((object) =>
            object.type === "blob" ? { type: "blob" as const, bytes: text.encode("image: evil\n") } : object
          ),
        ),
      );
    };
    await survives(stand, forge, /blob [0-9a-f]{40} is missing/);
  });
});

Deno.test("a server that drips is cut off after ten times the silence that it may keep", async () => {
  await withGit({ remote: { timeoutMs: 100 } }, async ({ server, remote, repository }) => {
    const before = await remote.fetch();
    const tip = await repository.commit({ [PATH]: "changed: true\n" });
    server.fault = { type: "drip", everyMs: 20, when: isPackFetch };
    await assert.rejects(remote.fetch(), { name: "UnavailableError", message: /the answer took more than 1000 ms/ });
    assert.equal(remote.tip, before);
    server.fault = undefined;
    assert.equal((await remote.fetch()).commit, tip);
  });
});
