/** Pushing over real HTTP to stock git: compare-and-swap, lost answers, and what the server then holds. */
import assert from "node:assert/strict";
import type { CommitDraft, FileEdit } from "../../src/ports/git.ts";
import { CuttingProxy } from "../support/cutting_proxy.ts";
import { isSound } from "../support/fsck.ts";
import { MANIFESTS, textOf, withGit } from "../support/git_fixture.ts";
import { isPush } from "../support/git_http_server.ts";
import { type BareRepository, runGit } from "../support/git_repository.ts";

const PATH = "apps/team-1/app-5.yaml";
const TIME_MS = 1_767_312_000_000;
const text = new TextEncoder();

function edit(path: string, content: string | null): FileEdit {
  return { path, content: content === null ? null : text.encode(content) };
}

function draft(message: string, ...edits: readonly FileEdit[]): CommitDraft {
  return { message, author: { name: "Serin", email: "serin@example.com" }, timeMs: TIME_MS, edits };
}

/** Stock git finds nothing to say about the repository; refs that dangle from lost races are no matter. */
async function expectSound(repository: BareRepository): Promise<void> {
  await isSound(repository.folder);
}

Deno.test("two drafts are pushed in one go, and stock git clones them", async () => {
  await withGit({}, async ({ repository, server, remote, scratch }) => {
    const base = await remote.fetch();
    const first = draft("Promote app-5\n\nSerin-Decision: promote\n", edit(PATH, "image: 6.0.1\n"));
    const second = draft(
      "Note it",
      edit(".serin/prod/app-5/status.yaml", "phase: Succeeded\n"),
      edit("apps/team-0/app-0.yaml", null),
    );
    const result = await remote.push(base, [first, second]);
    assert.equal(result.type, "pushed");
    assert.ok(result.type === "pushed" && result.commits.length === 2);
    assert.equal(server.records.filter(isPush).length, 1);
    await expectSound(repository);
    assert.deepEqual(
      (await repository.git("log", "-3", "--format=%H")).split("\n"),
      [...result.commits].reverse().concat(base.commit),
    );
    await runGit("/", ["clone", "-q", server.url("fleet.git"), scratch]);
    assert.equal(await Deno.readTextFile(`${scratch}/${PATH}`), "image: 6.0.1\n");
    assert.equal(await Deno.readTextFile(`${scratch}/.serin/prod/app-5/status.yaml`), "phase: Succeeded\n");
    await assert.rejects(Deno.stat(`${scratch}/apps/team-0/app-0.yaml`), Deno.errors.NotFound);
    const after = await remote.fetch();
    assert.equal(after.commit, result.commits[1]);
    assert.equal(await textOf(after, PATH), "image: 6.0.1\n");
    assert.equal(await textOf(base, PATH), MANIFESTS[PATH]);
    const between = await remote.at(result.commits[0] ?? "");
    assert.ok(between !== undefined && await between.read("apps/team-0/app-0.yaml") !== undefined);
    assert.equal(
      (await repository.git("log", "-1", "--format=%(trailers:key=Serin-Decision,valueonly)", "main~1")).trim(),
      "promote",
    );
  });
});

Deno.test("a commit's id follows from its arguments, as stock git computes it", async () => {
  await withGit({}, async ({ repository, remote }) => {
    const base = await remote.fetch();
    const result = await remote.push(base, [draft("Write grün\n\nwhy: because", edit("new.yaml", "a: 1\n"))]);
    assert.ok(result.type === "pushed");
    const tree = await repository.git("rev-parse", "main^{tree}");
    const who = ["AUTHOR", "COMMITTER"].flatMap((role) => [
      [`GIT_${role}_NAME`, "Serin"],
      [`GIT_${role}_EMAIL`, "serin@example.com"],
      [`GIT_${role}_DATE`, `${TIME_MS / 1000} +0000`],
    ]);
    const made = await runGit(repository.folder, [
      "commit-tree",
      tree,
      "-p",
      base.commit,
      "-m",
      "Write grün\n\nwhy: because",
    ], {
      env: Object.fromEntries(who),
    });
    assert.equal(result.commits[0], new TextDecoder().decode(made).trim());
  });
});

Deno.test("drafts that change nothing send nothing", async () => {
  await withGit({}, async ({ server, remote }) => {
    const base = await remote.fetch();
    server.records.length = 0;
    const same = draft("Nothing", edit(PATH, MANIFESTS[PATH] ?? ""), edit("not/there.yaml", null));
    assert.deepEqual(await remote.push(base, [same]), { type: "unchanged" });
    assert.equal(server.records.length, 0);
    const result = await remote.push(base, [same, draft("One", edit("one.yaml", "1\n")), same]);
    assert.ok(result.type === "pushed" && result.commits.length === 1);
  });
});

Deno.test("a branch that moved is never overwritten", async () => {
  await withGit({}, async ({ repository, remote, open }) => {
    const base = await remote.fetch();
    const theirs = await repository.commit({ "theirs.yaml": "t: 1\n" });
    assert.deepEqual(await remote.push(base, [draft("Mine", edit("mine.yaml", "m: 1\n"))]), {
      type: "lost",
      tip: theirs,
    });
    const again = await remote.fetch();
    assert.equal(again.commit, theirs);
    assert.equal((await remote.push(again, [draft("Mine", edit("mine.yaml", "m: 1\n"))])).type, "pushed");
    const other = open();
    const bases = await Promise.all([remote.fetch(), other.fetch()]);
    const results = await Promise.all([
      remote.push(bases[0], [draft("A", edit("a.yaml", "a: 1\n"))]),
      other.push(bases[1], [draft("B", edit("b.yaml", "b: 1\n"))]),
    ]);
    assert.deepEqual(results.map((result) => result.type).sort(), ["lost", "pushed"]);
    await expectSound(repository);
  });
});

Deno.test("what a hook refuses is refused with the hook's words", async () => {
  await withGit({}, async ({ repository, remote }) => {
    // As forges frame it.
    const words = "error:\nerror: =====\nGitLab: main is frozen until Monday\n\nerror: ask Ada\nerror:";
    await repository.installPreReceive(`printf '${words.replaceAll("\n", "\\n")}\\n' >&2; exit 1`);
    const base = await remote.fetch();
    const result = await remote.push(base, [draft("Mine", edit("mine.yaml", "m: 1\n"))]);
    assert.ok(result.type === "refused");
    assert.equal(result.reason, "pre-receive hook declined: GitLab: main is frozen until Monday; ask Ada");
    assert.equal(await repository.git("rev-parse", "main"), base.commit);
    assert.equal(await (await remote.fetch()).read("mine.yaml"), undefined);
  });
});

Deno.test("a push whose answer was lost is found out to have landed, sent once", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    const base = await remote.fetch();
    server.fault = { type: "after", answer: "lost", when: isPush };
    const result = await remote.push(base, [draft("Mine", edit("mine.yaml", "m: 1\n"))]);
    assert.ok(result.type === "pushed");
    assert.equal(server.records.filter(isPush).length, 1);
    assert.equal(await repository.git("rev-parse", "main"), result.commits[0]);
  });
});

Deno.test("a push is sent once, also when its connection breaks before the answer begins", async () => {
  await withGit({}, async ({ repository, server, open }) => {
    const proxy = new CuttingProxy(Number(new URL(server.url("")).port));
    try {
      const remote = open({ url: `http://127.0.0.1:${proxy.port}/fleet.git` });
      const base = await remote.fetch();
      const pushed = await remote.push(base, [draft("Warm up", edit("first.yaml", "m: 1\n"))]);
      assert.equal(pushed.type, "pushed");
      proxy.cut = (request) => request.includes("/git-receive-pack HTTP");
      server.records.length = 0;
      const result = await remote.push(await remote.fetch(), [draft("Mine", edit("mine.yaml", "m: 1\n"))]);
      assert.ok(result.type === "pushed");
      assert.equal(server.records.filter(isPush).length, 1);
      assert.equal(await repository.git("rev-parse", "main"), result.commits[0]);
      remote.close();
    } finally {
      await proxy.close();
    }
  });
});

Deno.test("a push whose answer was lost, and after which others pushed, has landed too", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    const base = await remote.fetch();
    const push = (name: string) => remote.push(base, [draft(name, edit(`${name}.yaml`, "m: 1\n"))]);
    server.fault = {
      type: "after",
      answer: "lost",
      run: () => repository.commit({ "theirs.yaml": "t: 1\n" }),
      when: isPush,
    };
    assert.equal((await push("mine")).type, "pushed");
    server.fault = undefined;
    const tip = await remote.fetch();
    assert.equal(await textOf(tip, "mine.yaml"), "m: 1\n");
    assert.equal(await textOf(tip, "theirs.yaml"), "t: 1\n");
    assert.deepEqual(await push("late"), { type: "lost", tip: tip.commit });
  });
});

Deno.test("a push that did not arrive is unavailable and can be made again", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    const base = await remote.fetch();
    const push = () => remote.push(base, [draft("Mine", edit("mine.yaml", "m: 1\n"))]);
    server.fault = { type: "status", status: 503, when: isPush };
    await assert.rejects(push(), { name: "UnavailableError", message: /503; the branch has not moved so far/ });
    server.fault = { type: "status", status: 503 };
    await assert.rejects(push(), {
      name: "UnavailableError",
      message: /Cannot find out whether a push to branch "main"/,
    });
    server.fault = undefined;
    assert.equal((await push()).type, "pushed");
    await expectSound(repository);
  });
});

Deno.test("credentials that may not push are said to be so", async () => {
  await withGit({}, async ({ server, remote }) => {
    assert.equal(await remote.cannotPush(), undefined);
    server.fault = { type: "status", status: 403, when: (exchange) => exchange.path.includes("receive-pack") };
    assert.match(await remote.cannotPush() ?? "", /not allowed/);
    const base = await remote.fetch();
    await assert.rejects(remote.push(base, [draft("Mine", edit("mine.yaml", "m: 1\n"))]), { name: "RejectedError" });
    server.fault = { type: "status", status: 500 };
    await assert.rejects(remote.cannotPush(), { name: "UnavailableError" });
  });
});

Deno.test("names that are not UTF-8, odd modes, links and executables survive a push beside them", async () => {
  await withGit({}, async ({ repository, remote }) => {
    const blob = await repository.git("rev-parse", `main:${PATH}`);
    const oid = Uint8Array.fromHex(blob);
    const entry = (mode: string, name: readonly number[]) => [...text.encode(`${mode} `), ...name, 0, ...oid];
    const tree = Uint8Array.from([
      ...entry("100644", [0x61, 0xff, 0xfe]),
      ...entry("100644", [...text.encode("plain.yaml")]),
      ...entry("100755", [...text.encode("run.sh")]),
      ...entry("120000", [...text.encode("shortcut")]),
      ...entry("100664", [...text.encode("wide.yaml")]),
    ]);
    const hash = await runGit(repository.folder, ["hash-object", "-t", "tree", "--literally", "-w", "--stdin"], {
      stdin: tree,
    });
    await repository.commitTree(new TextDecoder().decode(hash).trim(), { branch: "main", parents: [], message: "Odd" });
    const base = await remote.fetch();
    const names = (await base.files()).map((file) => file.path);
    assert.deepEqual(names, ["a\udcff\udcfe", "plain.yaml", "run.sh", "wide.yaml"]);
    assert.equal(await textOf(base, "a\udcff\udcfe"), MANIFESTS[PATH]);
    const edits = [edit("plain.yaml", "p: 1\n"), edit("run.sh", "true\n"), edit("wide.yaml", "w: 1\n")];
    assert.equal((await remote.push(base, [draft("Edit", ...edits)])).type, "pushed");
    const raw = await runGit(repository.folder, ["cat-file", "tree", "main^{tree}"]);
    const modes = (await repository.git("ls-tree", "-z", "main")).split("\0");
    assert.equal(raw.length, tree.length);
    assert.ok(raw.join(",").startsWith(tree.slice(0, 30).join(",")));
    assert.ok(raw.join(",").includes([...text.encode("100664 wide.yaml")].join(",")));
    assert.equal(modes.filter((line) => line.startsWith("100755")).length, 1);
    assert.equal(modes.filter((line) => line.startsWith("120000")).length, 1);
    await assert.rejects(remote.push(await remote.fetch(), [draft("Link", edit("shortcut", "x"))]), /it is a link/);
  });
});

Deno.test("a branch that is offered is made once, is never moved, and leaves the other one alone", async () => {
  await withGit({}, async ({ repository, remote }) => {
    const base = await remote.fetch();
    const offer = (n: number) =>
      remote.offer?.(base, "serin/revert/prod/shop/7d9c", draft("Offer", edit("a.yaml", `${n}\n`)));
    assert.deepEqual(await offer(1), { type: "made" });
    assert.deepEqual(await offer(2), { type: "there" });
    const branch = "refs/heads/serin/revert/prod/shop/7d9c";
    assert.equal(await repository.git("cat-file", "blob", `${branch}:a.yaml`), "1");
    assert.equal(await repository.git("rev-parse", `${branch}^`), base.commit);
    assert.equal(await repository.git("rev-parse", "main"), base.commit);
    await repository.installPreReceive("exit 1");
    const refused = await remote.offer?.(base, "serin/revert/prod/web/1", draft("Offer", edit("a.yaml", "1\n")));
    assert.equal(refused?.type, "refused");
    await expectSound(repository);
  });
});
