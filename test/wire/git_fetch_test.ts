/** Fetching over real HTTP from stock git: whole, incremental, after every way a branch can move, and by hash. */
import assert from "node:assert/strict";
import { RejectedError } from "../../src/errors.ts";
import { isSound } from "../support/fsck.ts";
import { MANIFESTS, textOf, withGit } from "../support/git_fixture.ts";
import { type GitExchangeRecord, isPackFetch } from "../support/git_http_server.ts";
import { runGit } from "../support/git_repository.ts";

const PATH = "apps/team-1/app-5.yaml";

function bytesOf(records: readonly GitExchangeRecord[]): number {
  return records.reduce((sum, record) => sum + record.request.length + record.answerBytes, 0);
}

Deno.test("a first fetch has every file, as stock git lists them", async () => {
  await withGit({}, async ({ repository, remote }) => {
    const snapshot = await remote.fetch();
    const files = await snapshot.files();
    const listed = await repository.git("ls-tree", "-r", "--format=%(objectmode) %(objectname) %(path)", "main");
    assert.deepEqual(files.map((file) => `${file.mode} ${file.oid} ${file.path}`), listed.split("\n"));
    assert.equal(await textOf(snapshot, PATH), MANIFESTS[PATH]);
    assert.equal(await snapshot.read("apps/team-1"), undefined);
    assert.equal(await snapshot.read(`${PATH}/below`), undefined);
    assert.equal(await snapshot.read("nowhere.yaml"), undefined);
    assert.equal((await snapshot.files("apps/team-1/")).length, 10);
    assert.deepEqual(await snapshot.files("apps/team"), []);
    assert.equal(remote.tip, snapshot);
    const info = await snapshot.info();
    assert.equal(info.message, "Add manifests");
    assert.deepEqual(info.author, { name: "Ada", email: "ada@example.com", timeMs: 1_767_225_600_000 });
  });
});

Deno.test("a poll without news is one request of about 200 bytes", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    for (let index = 0; index < 30; index++) await repository.git("update-ref", `refs/heads/other-${index}`, "main");
    const first = await remote.fetch();
    server.records.length = 0;
    assert.equal(await remote.fetch(), first);
    assert.equal(server.records.length, 1);
    assert.ok(bytesOf(server.records) <= 220, `${bytesOf(server.records)} bytes`);
  });
});

Deno.test("one commit later, only what changed is sent", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    const before = await remote.fetch();
    const firstBytes = bytesOf(server.records);
    await repository.commit({
      [PATH]: `${MANIFESTS[PATH]}# seen\n`,
      "apps/team-2/app-2.yaml": null,
      "new/one.yaml": "a: 1\n",
    });
    server.records.length = 0;
    const after = await remote.fetch();
    assert.equal(server.records.length, 2);
    assert.ok(bytesOf(server.records) < firstBytes / 5, `${bytesOf(server.records)} of ${firstBytes} bytes`);
    const changed = await after.changed(before);
    assert.deepEqual(changed.map(({ path, was, is }) => [path, was !== undefined, is !== undefined]), [
      [PATH, true, true],
      ["apps/team-2/app-2.yaml", true, false],
      ["new/one.yaml", false, true],
    ]);
    assert.equal(await textOf(after, PATH), `${MANIFESTS[PATH]}# seen\n`);
    assert.equal(await textOf(before, PATH), MANIFESTS[PATH]);
    assert.deepEqual((await before.changed(after)).map((change) => change.path), changed.map((change) => change.path));
    assert.deepEqual(await after.changed(after), []);
  });
});

Deno.test("merges, force pushes, amended and orphan tips are all fetched whole", async () => {
  await withGit({}, async ({ repository, remote }) => {
    const root = await repository.git("rev-parse", "main");
    const listFromGit = (commit: string) => repository.git("ls-tree", "-r", "--format=%(objectname) %(path)", commit);
    const expectTip = async (commit: string) => {
      const snapshot = await remote.fetch();
      assert.equal(snapshot.commit, commit);
      const files = (await snapshot.files()).map((file) => `${file.oid} ${file.path}`).join("\n");
      assert.equal(files, await listFromGit(commit));
      for (const file of await snapshot.files()) assert.ok(await snapshot.read(file.path) !== undefined, file.path);
    };
    for (let index = 0; index < 6; index++) await repository.commit({ [`main-${index}.yaml`]: `n: ${index}\n` });
    const ahead = await repository.git("rev-parse", "main");
    await expectTip(ahead);
    const side = await repository.commit({ "side.yaml": "side: true\n" }, { branch: "side", parents: [root] });
    await expectTip(await repository.commit({ "side.yaml": "side: true\n" }, { parents: [ahead, side] }));
    await expectTip(await repository.commit({ "forced.yaml": "f: 1\n" }, { parents: [root] }));
    await expectTip(await repository.commit({ "forced.yaml": "f: 2\n" }, { parents: [root], message: "Amended" }));
    await expectTip(await repository.commit({ "only.yaml": "o: 1\n" }, { parents: [] }));
    await repository.git("update-ref", "refs/heads/main", root);
    await expectTip(root);
  });
});

Deno.test("a deleted branch is reported and never read as an empty tree", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    const before = await remote.fetch();
    await repository.git("update-ref", "refs/heads/main-2", "main");
    await repository.git("update-ref", "-d", "refs/heads/main");
    await assert.rejects(remote.fetch(), (error) => {
      assert.ok(error instanceof RejectedError);
      assert.equal(error.data["reason"], "no-branch");
      assert.match(
        error.message,
        /branch "main" of "http:\/\/127.0.0.1:\d+\/fleet.git": there is no such branch, only "main-2"/,
      );
      return true;
    });
    assert.equal(remote.tip, before);
    assert.equal(await textOf(before, PATH), MANIFESTS[PATH]);
    assert.ok(server.records.length > 0);
    await repository.git("update-ref", "refs/heads/main", before.commit);
    assert.equal((await remote.fetch()).commit, before.commit);
  });
});

Deno.test("an empty repository and one that does not exist are told apart", async () => {
  await withGit({ files: null }, async ({ server, remote, open }) => {
    await assert.rejects(remote.fetch(), (error) => {
      assert.ok(error instanceof RejectedError);
      assert.equal(error.data["reason"], "empty-repository");
      assert.match(error.message, /the repository is empty/);
      return true;
    });
    const absent = open({ url: server.url("absent.git") });
    await assert.rejects(absent.fetch(), { name: "RejectedError", message: /no such repository.*404/ });
  });
});

Deno.test("SHA-256 repositories are refused with a reason, whatever protocol the server speaks", async () => {
  for (const protocolV2 of [true, false]) {
    await withGit({ init: ["--object-format=sha256"], server: { protocolV2 } }, async ({ remote }) => {
      await assert.rejects(remote.fetch(), { name: "RejectedError", message: /object format is "sha256"/ });
      assert.match(await remote.cannotPush() ?? "", /sha256/);
    });
  }
});

Deno.test("submodules and links are no files, are never fetched, and stay as they are beside our commits", async () => {
  await withGit({}, async ({ repository, remote }) => {
    const elsewhere = "5".repeat(40);
    const link = (await repository.git("rev-parse", `main:${PATH}`)).trim();
    const index = { env: { GIT_INDEX_FILE: `${repository.folder}/odd-index` } };
    await runGit(repository.folder, ["read-tree", "main"], index);
    const lines = `160000 ${elsewhere}\tvendor/charts\n120000 ${link}\tapps/link.yaml\n`;
    await runGit(repository.folder, ["update-index", "--add", "--index-info"], { ...index, stdin: lines });
    const tree = new TextDecoder().decode(await runGit(repository.folder, ["write-tree"], index)).trim();
    const parents = [await repository.git("rev-parse", "main")];
    await repository.commitTree(tree, { branch: "main", parents, message: "Add a submodule" });
    const base = await remote.fetch();
    assert.equal((await base.files()).length, 40);
    assert.deepEqual([await base.read("vendor/charts"), await base.read("apps/link.yaml")], [undefined, undefined]);
    const edits = [{ path: "vendor/note.yaml", content: new TextEncoder().encode("a: 1\n") }];
    const author = { name: "Serin", email: "serin@example.com" };
    assert.equal((await remote.push(base, [{ message: "Note", author, timeMs: 0, edits }])).type, "pushed");
    assert.equal(
      await repository.git("ls-tree", "main", "vendor/charts", "apps/link.yaml"),
      `120000 blob ${link}\tapps/link.yaml\n160000 commit ${elsewhere}\tvendor/charts`,
    );
    await isSound(repository.folder);
  });
});

Deno.test("another default branch changes nothing, and a branch that comes back is followed again", async () => {
  await withGit({}, async ({ repository, remote }) => {
    const before = await remote.fetch();
    await repository.commit({ "other.yaml": "a: 1\n" }, { branch: "trunk", parents: [] });
    await repository.git("symbolic-ref", "HEAD", "refs/heads/trunk");
    assert.equal(await remote.fetch(), before);
    await repository.git("update-ref", "-d", "refs/heads/main");
    await assert.rejects(
      remote.fetch(),
      (error) => error instanceof RejectedError && error.data["reason"] === "no-branch",
    );
    assert.equal(remote.tip, before);
    const again = await repository.commit({ "new.yaml": "a: 2\n" }, { parents: [] });
    const after = await remote.fetch();
    assert.equal(after.commit, again);
    assert.deepEqual((await after.files()).map((file) => file.path), ["new.yaml"]);
    assert.equal(await textOf(before, PATH), MANIFESTS[PATH]);
  });
});

Deno.test("an older commit is fetched by its hash", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    const first = await repository.git("rev-parse", "main");
    for (let index = 0; index < 5; index++) await repository.commit({ [PATH]: `n: ${index}\n` });
    const tip = await remote.fetch();
    server.records.length = 0;
    const old = await remote.at(first);
    assert.ok(old !== undefined);
    assert.equal(await textOf(old, PATH), MANIFESTS[PATH]);
    assert.deepEqual((await tip.changed(old)).map((change) => change.path), [PATH]);
    assert.ok(bytesOf(server.records) < 3000, `${bytesOf(server.records)} bytes`);
    assert.equal(remote.tip, tip);
    assert.equal(await remote.at("not a hash"), undefined);
    assert.equal(await remote.at("1".repeat(40)), undefined);
  });
});

Deno.test("where a server gives no commit by its hash, the history is deepened until it is found", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    const first = await repository.git("rev-parse", "main");
    for (let index = 0; index < 60; index++) await repository.commit({ [PATH]: `n: ${index}\n` });
    const tip = await repository.git("rev-parse", "main");
    server.fault = {
      type: "tamper",
      change: () => new TextEncoder().encode("0019ERR upload-pack: no!\n"),
      when: (exchange) => {
        const text = new TextDecoder().decode(exchange.request);
        return isPackFetch(exchange) && !text.includes(`want ${tip}`);
      },
    };
    const old = await remote.at(first);
    assert.ok(old !== undefined);
    assert.equal(await textOf(old, PATH), MANIFESTS[PATH]);
    assert.equal(server.records.filter((record) => isPackFetch(record) && record.answerBytes > 40).length, 3);
    assert.equal(await remote.at("1".repeat(40)), undefined);
  });
});

Deno.test("a log brings commits without trees and is remembered", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    for (let index = 0; index < 30; index++) await repository.commit({ [PATH]: `n: ${index}\n` });
    const inGit = async (count: number) =>
      (await repository.git("log", `-${count}`, "--format=%H", "main")).split("\n");
    await remote.fetch();
    server.records.length = 0;
    assert.deepEqual((await remote.log(20)).map((commit) => commit.oid), await inGit(20));
    assert.equal(server.records.length, 1);
    assert.ok(bytesOf(server.records) < 20 * 300, `${bytesOf(server.records)} bytes`);
    await repository.commit({ [PATH]: "n: last\n" });
    await remote.fetch();
    server.records.length = 0;
    assert.deepEqual((await remote.log(20)).map((commit) => commit.oid), await inGit(20));
    assert.equal(server.records.length, 0);
    assert.equal((await remote.log(500)).length, 32);
  });
});

Deno.test("without partial clone, a log still works", async () => {
  await withGit({}, async ({ repository, remote }) => {
    await repository.git("config", "uploadpack.allowFilter", "false");
    for (let index = 0; index < 5; index++) await repository.commit({ [PATH]: `n: ${index}\n` });
    const tip = await remote.fetch();
    assert.equal((await remote.log(4)).length, 4);
    assert.equal((await remote.log(10)).at(-1)?.message, "Add manifests");
    assert.equal((await tip.files()).length, 40);
  });
});

Deno.test("snapshots stay readable while somebody holds them, over many moves of the branch", async () => {
  await withGit({}, async ({ repository, remote }) => {
    const first = await remote.fetch();
    for (let index = 0; index < 55; index++) {
      await repository.commit({ [PATH]: `n: ${index}\n` });
      await remote.fetch();
    }
    assert.equal(await textOf(first, PATH), MANIFESTS[PATH]);
    assert.deepEqual((await remote.fetch().then((tip) => tip.changed(first))).map((change) => change.path), [PATH]);
  });
});

Deno.test("packs of stock git with many deltas and large files are read right", async () => {
  await withGit({ files: { "base.txt": "x\n" } }, async ({ repository, remote }) => {
    const lines = Array.from({ length: 3000 }, (_, index) => `line ${index * 7919}`);
    for (let index = 0; index < 12; index++) {
      lines.splice(index * 100, 1, `edited ${index}`);
      await repository.commit({ [`copies/${index}.txt`]: lines.join("\n"), "copies/empty.txt": "" });
    }
    await repository.git("repack", "-adfq", "--depth=50", "--window=50");
    const snapshot = await remote.fetch();
    for (const file of await snapshot.files()) {
      const want = await runGit(repository.folder, ["cat-file", "blob", file.oid]);
      assert.deepEqual(await snapshot.read(file.path), new Uint8Array(want), file.path);
    }
  });
});
