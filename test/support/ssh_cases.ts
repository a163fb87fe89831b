/**
 * What must hold of Git over SSH, against a real sshd with stock git behind it. Run in `test/wire` where the machine has an
 * sshd, and in the end-to-end suites with one of their own.
 */
import assert from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { type GitRemoteOptions, type OpenGitRemote, openGitRemote } from "../../adapters/platform/git.ts";
import { RejectedError, UnavailableError } from "../../src/errors.ts";
import type { CommitDraft } from "../../src/ports/git.ts";
import { isSound } from "./fsck.ts";
import { MANIFESTS, textOf } from "./git_fixture.ts";
import { BareRepository, runGit } from "./git_repository.ts";
import { makeSshKey } from "./ssh_keys.ts";
import { SshServer, type SshServerOptions } from "./ssh_server.ts";
import { until } from "./until.ts";

const PATH = "apps/team-1/app-5.yaml";
const FIRST_SHELL_MS = 20_000;

export interface SshStand {
  readonly server: SshServer;
  readonly repository: BareRepository;
  readonly folder: string;
  /** A client that knows the server and has the right key, unless told otherwise; closed at the end. */
  open(options?: Partial<GitRemoteOptions>): OpenGitRemote;
}

/** Runs a case with a server and a repository of its own. */
export async function withSsh(
  options: Pick<SshServerOptions, "program" | "acceptsProtocol">,
  body: (stand: SshStand) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "serin-sshd-" });
  const opened: OpenGitRemote[] = [];
  const server = await SshServer.start({ ...options, folder });
  try {
    const repository = await BareRepository.create(`${folder}/fleet.git`);
    await repository.commit(MANIFESTS, { message: "Add manifests" });
    const open = (more: Partial<GitRemoteOptions> = {}) => {
      const remote = openGitRemote({
        url: server.url(repository.folder),
        branch: "main",
        clock: machineClock,
        access: { ssh: { privateKey: server.key.privateText, knownHosts: server.knownHosts } },
        ...more,
      });
      opened.push(remote);
      return remote;
    };
    await body({ server, repository, folder, open });
  } finally {
    for (const remote of opened) await remote.close();
    await server.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** A commit that writes one file. */
export function draft(n: number): CommitDraft {
  const content = new TextEncoder().encode(`n: ${n}\n`);
  const author = { name: "Serin", email: "serin@example.com" };
  return { message: `Note ${n}`, author, timeMs: 0, edits: [{ path: "new.yaml", content }] };
}

/** Refused for good, with a reason for programs and words for people. */
function refusal(reason: string, fix: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RejectedError, String(error));
    assert.equal(error.data["reason"], reason, error.message);
    assert.match(error.fix ?? "", fix);
    return true;
  };
}

async function clonesAndPushes(stand: SshStand): Promise<void> {
  const { repository, server, folder, open } = stand;
  const remote = open();
  const before = await remote.fetch();
  assert.equal((await before.files()).length, 40);
  assert.equal(await textOf(before, PATH), MANIFESTS[PATH]);
  assert.equal(await remote.fetch(), before);
  const theirs = await repository.commit({ [PATH]: "changed: true\n" });
  const after = await remote.fetch();
  assert.equal(after.commit, theirs);
  assert.deepEqual((await after.changed(before)).map((change) => change.path), [PATH]);
  assert.equal(await remote.cannotPush(), undefined);
  const result = await remote.push(after, [draft(1), draft(2)]);
  assert.ok(result.type === "pushed" && result.commits.length === 2, result.type);
  assert.equal(await repository.git("rev-parse", "main"), result.commits[1]);
  await isSound(repository.folder);
  await repository.commit({ "theirs.yaml": "a: 1\n" });
  assert.equal((await remote.push(await remote.at(theirs) ?? before, [draft(3)])).type, "lost");
  assert.deepEqual((await remote.log(2)).map((commit) => commit.message.trim()), ["Note 2", "Note 1"]);
  // Stock git gets the same by the same door.
  await Deno.writeTextFile(`${folder}/client_key`, server.key.privateText, { mode: 0o600 });
  await Deno.writeTextFile(`${folder}/known_hosts`, server.knownHosts);
  const ssh = `ssh -F none -o UserKnownHostsFile=${folder}/known_hosts -o IdentitiesOnly=yes -i ${folder}/client_key`;
  await runGit("/", ["clone", "-q", server.url(repository.folder), `${folder}/clone`], {
    env: { GIT_SSH_COMMAND: ssh },
  });
  assert.equal(await Deno.readTextFile(`${folder}/clone/new.yaml`), "n: 2\n");
}

async function sharesOneConnection({ repository, server, open }: SshStand): Promise<void> {
  const remote = open();
  let base = await remote.fetch();
  for (let round = 0; round < 3; round++) {
    await repository.commit({ [PATH]: `n: ${round}\n` });
    base = await remote.fetch();
    assert.equal((await remote.push(base, [draft(round)])).type, "pushed");
  }
  assert.equal(server.connections, 1);
  assert.equal(server.open, 1);
  await remote.close();
  await until("the connection ends with the remote", () => server.open === 0, FIRST_SHELL_MS);
}

async function strangersAreRefused({ server, repository, open }: SshStand): Promise<void> {
  const { privateText: privateKey } = server.key;
  const other = await makeSshKey("other");
  const port = new URL(server.url("/x")).port;
  const changed = `[127.0.0.1]:${port} ${other.publicText}\n`;
  const elsewhere = server.knownHosts.replace(port, "1");
  await assert.rejects(
    open({ access: { ssh: { privateKey, knownHosts: elsewhere } } }).fetch(),
    refusal("host-key-unknown", /ssh-keyscan/),
  );
  await assert.rejects(
    open({ access: { ssh: { privateKey, knownHosts: changed } } }).fetch(),
    refusal("host-key-changed", /Ask whoever runs the server/),
  );
  await assert.rejects(
    open({ access: { ssh: { privateKey: other.privateText, knownHosts: server.knownHosts } } }).fetch(),
    refusal("permission-denied", /deploy key/),
  );
  await assert.rejects(
    open({ url: server.url(`${repository.folder}-absent`) }).fetch(),
    refusal("repository", /path in the url/),
  );
  const broken = privateKey.replace(/\n.{20}/, "\n");
  await assert.rejects(open({ access: { ssh: { privateKey: broken, knownHosts: server.knownHosts } } }).fetch(), {
    name: "RejectedError",
    message: /key/,
  });
}

async function incompleteAccessIsRefused({ server, open }: SshStand): Promise<void> {
  const { privateText: privateKey } = server.key;
  const { knownHosts } = server;
  const rows = [
    [{}, /no SSH key/],
    [{ ssh: { privateKey, knownHosts: " \n" } }, /no known hosts/],
    [{ ssh: { privateKey: server.key.publicText, knownHosts } }, /no private key/],
  ] as const;
  for (const [access, message] of rows) {
    await assert.rejects(open({ access }).fetch(), { name: "InvalidSpecError", message });
  }
  assert.equal(server.connections, 0);
}

async function aReadOnlyKeyIsSaid({ server, open }: SshStand): Promise<void> {
  const only = `case "$SSH_ORIGINAL_COMMAND" in git-upload-pack*) eval "$SSH_ORIGINAL_COMMAND";; ` +
    `*) echo "ERROR: The key you are authenticating with has been marked as read only." >&2; exit 1;; esac`;
  await server.authorize(`command="${only.replaceAll('"', '\\"')}" ${server.key.publicText}`);
  const remote = open();
  const base = await remote.fetch();
  assert.match(await remote.cannotPush() ?? "", /may not use it.*marked as read only/);
  await assert.rejects(remote.push(base, [draft(1)]), refusal("repository", /write where the agent is to push/));
}

async function aNewKeyIsUsedAtOnce({ server, open }: SshStand): Promise<void> {
  let key = server.key;
  const remote = open({
    access: () => Promise.resolve({ ssh: { privateKey: key.privateText, knownHosts: server.knownHosts } }),
  });
  await remote.fetch();
  const next = await makeSshKey("next");
  await server.authorize(next.publicText);
  key = next;
  await remote.fetch();
  assert.equal(server.connections, 2);
  await until("the old connection has ended", () => server.open === 1, FIRST_SHELL_MS);
}

async function hangsAndCutsHeal({ repository, server, open }: SshStand): Promise<void> {
  const remote = open({ timeoutMs: 3_000 });
  const before = await remote.fetch();
  server.spoil({ type: "hang" });
  await assert.rejects(remote.fetch(), (error) => {
    assert.ok(error instanceof UnavailableError, String(error));
    assert.match(error.message, /no answer within 3000 ms/);
    return true;
  });
  assert.equal(remote.tip, before);
  server.spoil(undefined);
  const tip = await repository.commit({ [PATH]: "changed: true\n" });
  assert.equal((await remote.fetch()).commit, tip);
  const big = Array.from({ length: 60_000 }, (_, line) => `${line * 7919 % 104_729}`).join("\n");
  const next = await repository.commit({ "big.txt": big });
  server.spoil({ type: "cut", bytes: 60_000 });
  await assert.rejects(remote.fetch(), { name: "UnavailableError" });
  assert.equal(remote.tip?.commit, tip);
  server.spoil(undefined);
  const healed = await remote.fetch();
  assert.equal(healed.commit, next);
  assert.equal(await textOf(healed, "big.txt"), big);
}

async function aLostAnswerIsLookedUp({ repository, server, open }: SshStand): Promise<void> {
  const remote = open();
  const base = await remote.fetch();
  await remote.cannotPush();
  // Git does its work, then the connection breaks before it can say so.
  await Deno.writeTextFile(`${repository.folder}/hooks/post-update`, "#!/bin/sh\nkill -9 $PPID\n", { mode: 0o755 });
  const result = await remote.push(base, [draft(1)]);
  assert.equal(result.type, "pushed");
  assert.equal(server.connections, 1);
  assert.equal(await repository.git("log", "-1", "--format=%s", "main"), "Note 1");
}

async function aCallerMayGiveUp({ server, open }: SshStand): Promise<void> {
  const remote = open();
  await remote.fetch();
  server.spoil({ type: "hang" });
  const giveUp = new AbortController();
  const fetching = remote.fetch(giveUp.signal);
  giveUp.abort(new Error("no longer wanted"));
  await assert.rejects(fetching, /no longer wanted/);
  server.spoil(undefined);
  assert.equal((await (await remote.fetch()).files()).length, 40);
}

async function theFlagsAreEnough({ server, repository }: SshStand): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--frozen", "--no-prompt", "--allow-run=ssh", "--allow-write=/tmp", "--ignore-env"],
      new URL("./ssh_child.ts", import.meta.url).pathname,
    ],
    env: { TMPDIR: "/tmp", NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ssh = { privateKey: server.key.privateText, knownHosts: server.knownHosts };
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify({ url: server.url(repository.folder), ssh })));
  await writer.close();
  const { stdout, stderr } = await child.output();
  assert.equal(new TextDecoder().decode(stdout), "40 files, pushed", new TextDecoder().decode(stderr));
}

interface SshCase {
  readonly run: (stand: SshStand) => Promise<void>;
  readonly acceptsProtocol?: boolean;
}

/** By what each shows. */
export const SSH_CASES: Readonly<Record<string, SshCase>> = {
  "clones, fetches what changed, pushes, and loses races, as stock git sees it": { run: clonesAndPushes },
  "does the same where the server lets no protocol v2 through": { run: clonesAndPushes, acceptsProtocol: false },
  "shares one connection, which ends with the remote": { run: sharesOneConnection },
  "refuses unknown and changed hosts, wrong keys and absent repositories, and says what to do": {
    run: strangersAreRefused,
  },
  "refuses to begin without a key or without known hosts": { run: incompleteAccessIsRefused },
  "says that a key may only read": { run: aReadOnlyKeyIsSaid },
  "uses a new key at once, on a new connection": { run: aNewKeyIsUsedAtOnce },
  "survives servers that hang and connections that break": { run: hangsAndCutsHeal },
  "looks up a push whose answer was lost": { run: aLostAnswerIsLookedUp },
  "lets a caller give up, and works afterwards": { run: aCallerMayGiveUp },
  "needs no flag beyond those of deploy/overlays/git_programs.yaml": { run: theFlagsAreEnough },
};
