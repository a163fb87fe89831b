/**
 * Two refs in one push: together where the server can promise that and nothing stands in the way, else the branch alone,
 * since a decision never waits for what is only told.
 */
import assert from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { Connection } from "../../adapters/platform/git/connection.ts";
import { History } from "../../adapters/platform/git/history.ts";
import { HttpTransport } from "../../adapters/platform/git/http_transport.ts";
import { makeCommits, pushCommits } from "../../adapters/platform/git/push.ts";
import { NO_OID } from "../../adapters/platform/git/receive_pack.ts";
import { parseRemoteAddress } from "../../adapters/platform/git/remote_address.ts";
import { storedSnapshot } from "../../adapters/platform/git/snapshot.ts";
import { type GitFixture, withGit } from "../support/git_fixture.ts";
import { isPush } from "../support/git_http_server.ts";

const LIVE = "refs/serin/live/production";

/** Pushes one commit on the tip, with another ref that moves to it. */
async function pushBoth({ server, remote }: GitFixture, from: string) {
  const url = server.url("fleet.git");
  const address = parseRemoteAddress(url);
  assert.ok(address.type === "http");
  const transport = new HttpTransport({ address, clock: machineClock, timeoutMs: 10_000, answerBytesMax: 1e6 });
  try {
    const connection = new Connection({ transport, url, branch: "main", inflatedBytesMax: 1e7 });
    const base = storedSnapshot(await remote.fetch());
    const edits = [{ path: "new.yaml", content: new TextEncoder().encode("a: 1\n") }];
    const author = { name: "Serin", email: "serin@example.com" };
    const made = await makeCommits(base, [{ message: "Note", author, timeMs: 0, edits }]);
    const mine = made.commits[0] ?? "";
    const beside = { update: { ref: LIVE, from, to: mine }, objects: new Map() };
    const pushed = await pushCommits({ connection, history: new History(connection), base, beside }, made);
    return { ...pushed, mine };
  } finally {
    await transport.close();
  }
}

Deno.test("two refs move together", async () => {
  await withGit({}, async (stand) => {
    const { result, beside, mine } = await pushBoth(stand, NO_OID);
    assert.deepEqual([result.type, beside], ["pushed", "landed"]);
    assert.equal(stand.server.records.filter(isPush).length, 1);
    const refs = await stand.repository.git("for-each-ref", "--format=%(objectname)", "refs/heads/main", LIVE);
    assert.deepEqual(refs.split("\n"), [mine, mine]);
  });
});

Deno.test("when the other one has moved, it stays where it is, and the branch goes alone", async () => {
  await withGit({}, async (stand) => {
    const { repository } = stand;
    const elsewhere = await repository.commit({ "a.yaml": "a: 1\n" }, { branch: "side" });
    await repository.git("update-ref", LIVE, elsewhere);
    const { result, beside, mine } = await pushBoth(stand, NO_OID);
    assert.deepEqual([result.type, beside], ["pushed", "unknown"]);
    assert.equal(await repository.git("rev-parse", "main"), mine);
    assert.equal(await repository.git("rev-parse", LIVE), elsewhere);
  });
});

Deno.test("a server that cannot promise it gets the branch alone", async () => {
  await withGit({}, async (stand) => {
    await stand.repository.git("config", "receive.advertiseAtomic", "false");
    const { result, beside, mine } = await pushBoth(stand, NO_OID);
    assert.deepEqual([result.type, beside], ["pushed", "left-out"]);
    assert.equal(await stand.repository.git("rev-parse", "main"), mine);
    assert.equal(await stand.repository.git("for-each-ref", LIVE), "");
  });
});
