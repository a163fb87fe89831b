/** Servers without protocol v2: fetching, searching the history and pushing as with it, and the same strictness. */
import assert from "node:assert/strict";
import { RejectedError, UnavailableError } from "../../src/errors.ts";
import { concatBytes, encodePacket, FLUSH } from "../../adapters/platform/git/pkt_line.ts";
import { isSound } from "../support/fsck.ts";
import { MANIFESTS, textOf, withGit } from "../support/git_fixture.ts";
import type { GitExchange, GitFault } from "../support/git_http_server.ts";

const PATH = "apps/team-1/app-5.yaml";
const OLD = { server: { protocolV2: false } } as const;
const text = new TextEncoder();

const isFetch = (exchange: GitExchange) => exchange.method === "POST" && exchange.path.endsWith("/git-upload-pack");

Deno.test("without protocol v2, a first fetch has every file and a later one only what changed", async () => {
  await withGit(OLD, async ({ repository, server, remote }) => {
    const before = await remote.fetch();
    const listed = await repository.git("ls-tree", "-r", "--format=%(objectmode) %(objectname) %(path)", "main");
    const files = await before.files();
    assert.deepEqual(files.map((file) => `${file.mode} ${file.oid} ${file.path}`), listed.split("\n"));
    const wholeBytes = server.records.find(isFetch)?.answerBytes ?? 0;
    server.records.length = 0;
    assert.equal(await remote.fetch(), before);
    assert.equal(server.records.length, 1);
    const tip = await repository.commit({ [PATH]: `${MANIFESTS[PATH]}# seen\n` });
    server.records.length = 0;
    const after = await remote.fetch();
    assert.equal(after.commit, tip);
    assert.equal(server.records.length, 2);
    assert.ok((server.records.find(isFetch)?.answerBytes ?? 0) < wholeBytes / 5);
    assert.deepEqual((await after.changed(before)).map((change) => change.path), [PATH]);
    assert.equal(await textOf(after, PATH), `${MANIFESTS[PATH]}# seen\n`);
  });
});

Deno.test("without protocol v2, a history that was rewritten is fetched whole", async () => {
  await withGit(OLD, async ({ repository, remote }) => {
    const root = await repository.git("rev-parse", "main");
    for (let index = 0; index < 4; index++) await repository.commit({ [PATH]: `n: ${index}\n` });
    await remote.fetch();
    await repository.commit({ "forced.yaml": "f: 1\n" }, { parents: [root] });
    assert.equal(await textOf(await remote.fetch(), "forced.yaml"), "f: 1\n");
    await repository.commit({ "only.yaml": "o: 1\n" }, { parents: [] });
    assert.deepEqual((await (await remote.fetch()).files()).map((file) => file.path), ["only.yaml"]);
  });
});

Deno.test("without protocol v2, older commits are found by deepening, and a log by its depth", async () => {
  await withGit(OLD, async ({ repository, remote }) => {
    const first = await repository.git("rev-parse", "main");
    for (let index = 0; index < 6; index++) await repository.commit({ [PATH]: `n: ${index}\n` });
    const wanted = (await repository.git("log", "-4", "--format=%H", "main")).split("\n");
    await remote.fetch();
    assert.deepEqual((await remote.log(4)).map((commit) => commit.oid), wanted);
    const old = await remote.at(first);
    assert.ok(old !== undefined);
    assert.equal(await textOf(old, PATH), MANIFESTS[PATH]);
    assert.equal(await remote.at("1".repeat(40)), undefined);
  });
});

Deno.test("without protocol v2, a push lands, and one whose answer is lost is looked up", async () => {
  await withGit(OLD, async ({ repository, server, remote }) => {
    const author = { name: "Serin", email: "serin@example.com" };
    const draft = (n: number) => ({
      message: `Note ${n}`,
      author,
      timeMs: 0,
      edits: [{ path: "new.yaml", content: text.encode(`n: ${n}\n`) }],
    });
    assert.equal((await remote.push(await remote.fetch(), [draft(1)])).type, "pushed");
    const base = await remote.fetch();
    server.fault = { type: "after", answer: "lost", when: (exchange) => exchange.path.endsWith("/git-receive-pack") };
    assert.equal((await remote.push(base, [draft(2)])).type, "pushed");
    server.fault = undefined;
    await repository.commit({ "theirs.yaml": "a: 1\n" });
    assert.equal((await remote.push(await remote.at(base.commit) ?? base, [draft(3)])).type, "lost");
    await isSound(repository.folder);
  });
});

Deno.test("without protocol v2, an empty repository, an absent branch and an absent repository are told apart", async () => {
  const reasonOf = (reason: string) => (error: unknown) => {
    assert.ok(error instanceof RejectedError && error.data["reason"] === reason, String(error));
    return true;
  };
  await withGit({ ...OLD, files: null }, async ({ repository, remote, server, open }) => {
    await assert.rejects(remote.fetch(), reasonOf("empty-repository"));
    await repository.commit({ "a.yaml": "a: 1\n" }, { branch: "main-2" });
    await assert.rejects(remote.fetch(), reasonOf("no-branch"));
    await assert.rejects(open({ url: server.url("absent.git") }).fetch(), { name: "RejectedError", message: /404/ });
  });
});

const withoutFlush = (body: Uint8Array<ArrayBuffer>) => body.slice(0, -4);
const FAULTS: Readonly<Record<string, { readonly fault: GitFault; readonly says: RegExp }>> = {
  "an empty 200": { fault: { type: "empty" }, says: /empty or does not end/ },
  "an advertisement without end": { fault: { type: "tamper", change: withoutFlush }, says: /empty or does not end/ },
  "a list of refs that is none": {
    fault: { type: "tamper", change: () => concatBytes([encodePacket("hello there\0side-band\n"), FLUSH]) },
    says: /a line that is no ref/,
  },
  "an answer without end": { fault: { type: "tamper", change: withoutFlush, when: isFetch }, says: /does not end/ },
  "an answer that is cut": { fault: { type: "cut", bytes: 300, when: isFetch }, says: /inside a packet/ },
  "a NAK and nothing more": {
    fault: { type: "tamper", change: () => concatBytes([encodePacket("NAK\n"), FLUSH]), when: isFetch },
    says: /does not end/,
  },
  "a flipped byte": {
    fault: {
      type: "tamper",
      change: (body) => body.with(body.length - 40, (body[body.length - 40] ?? 0) ^ 0x20),
      when: isFetch,
    },
    says: /checksum/,
  },
  "a fatal sideband message": {
    fault: { type: "tamper", change: () => concatBytes([encodePacket("\x03disk full\n"), FLUSH]), when: isFetch },
    says: /disk full/,
  },
};

for (const [name, { fault, says }] of Object.entries(FAULTS)) {
  Deno.test(`without protocol v2, ${name} leaves the old snapshot, and the next fetch heals`, async () => {
    await withGit(OLD, async ({ repository, server, remote }) => {
      const before = await remote.fetch();
      const tip = await repository.commit({ [PATH]: "changed: true\n" });
      server.fault = fault;
      await assert.rejects(remote.fetch(), (error) => {
        assert.ok(error instanceof UnavailableError, String(error));
        assert.match(error.message, says);
        return true;
      });
      assert.equal(remote.tip, before);
      assert.equal(await textOf(before, PATH), MANIFESTS[PATH]);
      server.fault = undefined;
      const after = await remote.fetch();
      assert.equal(after.commit, tip);
      assert.equal(await textOf(after, PATH), "changed: true\n");
    });
  });
}

Deno.test("a server that can send no part of a history is refused with what to do", async () => {
  await withGit(OLD, async ({ server, remote }) => {
    server.fault = {
      type: "tamper",
      when: (exchange) => exchange.method === "GET",
      change: (body) => text.encode(new TextDecoder().decode(body).replace(" shallow", " sha11ow")),
    };
    await assert.rejects(remote.fetch(), { name: "RejectedError", message: /neither protocol v2 nor "shallow"/ });
  });
});
