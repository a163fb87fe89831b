/**
 * The ref beside the branch, before stock git: written by itself and along with decisions, never in a decision's way; and the
 * whole agent with `statusRef`.
 */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import type { OpenGitRemote } from "../../adapters/platform/git.ts";
import { MANIFEST, REPOSITORY } from "../../src/demo/stage.ts";
import type { AsideDraft, AsideRef, CommitDraft } from "../../src/ports/git.ts";
import { isSound } from "../support/fsck.ts";
import { type GitFixture, withGit } from "../support/git_fixture.ts";
import { isPush } from "../support/git_http_server.ts";
import { gitEnv, runGit } from "../support/git_repository.ts";
import { withStage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const REF = "refs/serin/status/east/main";
const author = { name: "Serin", email: "serin@example.com" };

function decision(n: number): CommitDraft {
  const edits = [{ path: "decision.yaml", content: new TextEncoder().encode(`n: ${n}\n`) }];
  return { message: `Decide ${n}`, author, timeMs: machineClock.now(), edits };
}

/** A ref whose text the test sets; told is what landed. */
class Telling implements AsideRef {
  readonly ref = REF;
  readonly told: string[] = [];
  text: string | undefined;
  isNews = true;

  draft(): AsideDraft | undefined {
    const { text, isNews } = this;
    if (text === undefined || text === this.told.at(-1)) return undefined;
    const files = new Map([["prod/shop.json", new TextEncoder().encode(text)]]);
    return { message: "Progress", author, timeMs: 0, files, isNews };
  }

  landed({ files }: AsideDraft): void {
    this.told.push(new TextDecoder().decode(files.get("prod/shop.json")));
  }
}

interface Stand extends GitFixture {
  readonly telling: Telling;
}

function withTelling(body: (stand: Stand) => Promise<void>): Promise<void> {
  return withGit({}, async (fixture) => {
    const telling = new Telling();
    fixture.remote.keepAside(telling);
    await body({ ...fixture, telling });
    await isSound(fixture.repository.folder);
  });
}

async function decide(remote: OpenGitRemote, n: number): Promise<void> {
  strictEqual((await remote.push(await remote.fetch(), [decision(n)])).type, "pushed");
}

const said = ({ repository }: Stand) => repository.git("cat-file", "blob", `${REF}:prod/shop.json`);
const pushes = ({ server }: Stand) => server.records.filter(isPush).length;

Deno.test("a status is one commit without parents, replaced and never on the branch", async () => {
  await withTelling(async (stand) => {
    const { remote, repository, telling } = stand;
    const before = await repository.git("rev-parse", "main");
    telling.isNews = false;
    telling.text = "nothing goes on";
    await remote.pushAside();
    strictEqual(await repository.git("for-each-ref", "refs/serin"), "", "no ref is made for nothing");
    telling.isNews = true;
    for (const text of ["at 10", "at 20", "at 30"]) {
      telling.text = text;
      await remote.pushAside();
      await remote.pushAside();
      strictEqual(await said(stand), text);
      strictEqual(await repository.git("rev-list", "--count", REF), "1");
    }
    strictEqual(pushes(stand), 3);
    strictEqual(await repository.git("rev-parse", "main"), before);
    strictEqual(await repository.git("ls-tree", "-r", "--name-only", REF), "prod/shop.json");
  });
});

Deno.test("a status goes along with a decision in one push, where the server moves both or none", async () => {
  await withTelling(async (stand) => {
    const { remote, repository, telling } = stand;
    telling.text = "at 10";
    await remote.pushAside();
    telling.text = "promoted";
    await decide(remote, 1);
    deepStrictEqual([pushes(stand), await said(stand)], [2, "promoted"]);
    strictEqual(await repository.git("log", "-1", "--format=%s", "main"), "Decide 1");
    await repository.git("config", "receive.advertiseAtomic", "false");
    const old = stand.open();
    const other = new Telling();
    old.keepAside(other);
    other.text = "at 20";
    await old.pushAside();
    other.text = "promoted again";
    await decide(old, 2);
    strictEqual(await said(stand), "at 20", "it waits for its own push");
    await old.pushAside();
    strictEqual(await said(stand), "promoted again");
  });
});

Deno.test("a status that somebody else moved, or a hook forbids, is in no decision's way", async () => {
  await withTelling(async (stand) => {
    const { remote, repository, telling } = stand;
    telling.text = "at 10";
    await remote.pushAside();
    await repository.git("update-ref", REF, await repository.git("rev-parse", "main"));
    telling.text = "at 20";
    await decide(remote, 1);
    deepStrictEqual(telling.told, ["at 10"]);
    await remote.pushAside();
    strictEqual(await said(stand), "at 20", "it looks where the ref is now");
    await repository.installPreReceive(
      'while read -r _ _ ref; do case "$ref" in refs/serin/*) echo no >&2; exit 1;; esac; done',
    );
    telling.text = "at 30";
    await decide(remote, 2);
    await rejects(remote.pushAside(), {
      name: "RejectedError",
      message: /Cannot write "refs\/serin\/status\/east\/main"/,
    });
    await decide(remote, 3);
    strictEqual(await repository.git("log", "-1", "--format=%s", "main"), "Decide 3");
    strictEqual(await said(stand), "at 20");
  });
});

Deno.test("the agent tells a rollout in flight in its own ref, and that it is over; the branch has decisions alone", async () => {
  const settings = "    statusRef: true\n";
  const ref = "refs/serin/status/sandbox/main";
  await withStage({ settings }, async (stage) => {
    const bare = stage.sandbox.git.path(REPOSITORY);
    const git = async (...args: readonly string[]) =>
      new TextDecoder().decode(await runGit(bare, ["-c", "safe.directory=*", ...args], { env: gitEnv() })).trim();
    strictEqual(await git("for-each-ref", "refs/serin"), "");
    stage.load();
    await stage.clone.bump(MANIFEST, { from: ":6.0.0", to: ":6.0.1", message: "Bump podinfo" });
    await until("progress is told", async () => await git("for-each-ref", ref) !== "", 30_000);
    const progress: unknown = JSON.parse(await git("cat-file", "blob", `${ref}:demo/podinfo.json`));
    match(JSON.stringify(progress), /"canary":"demo\/podinfo","phase":"(starting|progressing)".*podinfo:6\.0\.1/);
    await stage.see("promoted", ({ phase, last }) => phase === "idle" && last?.outcome === "succeeded");
    await until("that it is over is told", async () => {
      return await git("ls-tree", "-r", "--name-only", ref) === "cluster.json" ||
        (await machineClock.sleep(200), false);
    }, 60_000);
    strictEqual(await git("rev-list", "--count", ref), "1");
    const subjects = (await git("log", "--format=%an: %s", "main")).split("\n");
    ok(subjects.every((line) => !line.includes("Progress")), subjects.join("; "));
    await isSound(bare);
  });
});
