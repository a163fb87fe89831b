/** Our signatures before stock git, and commits of stock git before our check: SSH keys and OpenPGP keys. */
import assert from "node:assert/strict";
import { RejectedError } from "../../src/errors.ts";
import type { CommitDraft } from "../../src/ports/git.ts";
import type { SignaturePolicy } from "../../adapters/platform/git.ts";
import { isSound } from "../support/fsck.ts";
import { type GitFixture, textOf, withGit } from "../support/git_fixture.ts";
import { runGit } from "../support/git_repository.ts";
import {
  commitSigned,
  GpgHome,
  gpgSigning,
  keygen,
  missingTools,
  sshSigning,
  verifyCommit,
} from "../support/signing_tools.ts";
import { makeSshKey } from "../support/ssh_keys.ts";

const PATH = "apps/team-1/app-5.yaml";

function draft(n: number): CommitDraft {
  const content = new TextEncoder().encode(`n: ${n}\n`);
  const author = { name: "Serin", email: "serin@example.com" };
  return {
    message: `Note ${n}\n\nwhy: grün`,
    author,
    timeMs: 1_767_312_000_000,
    edits: [{ path: "new.yaml", content }],
  };
}

/** Refused because of its signature, in words that match; what was there before stands. */
function unsigned(says: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RejectedError, String(error));
    assert.equal(error.data["reason"], "not-signed");
    assert.match(error.message, says);
    return true;
  };
}

/** Tests that need programs are left out, in so many words, where the machine has them not. */
const lacking: readonly string[] = await missingTools("ssh-keygen", "gpg", "gpgconf");
const leftOut = new Map<string, number>();
function testWith(tool: "ssh-keygen" | "gpg", name: string, body: (stand: GitFixture) => Promise<void>): void {
  if (!lacking.includes(tool)) Deno.test(name, () => withGit({}, inScratch(body)));
  else leftOut.set(tool, (leftOut.get(tool) ?? 0) + 1);
}

function inScratch(body: (stand: GitFixture) => Promise<void>): (stand: GitFixture) => Promise<void> {
  return async (stand) => {
    await Deno.mkdir(stand.scratch, { mode: 0o700 });
    await body(stand);
  };
}

testWith("ssh-keygen", "commits that we sign with an SSH key are good to git verify-commit", async (stand) => {
  const { repository, open, scratch } = stand;
  const made = await makeSshKey();
  const allowedSignersFile = `${scratch}/allowed_signers`;
  await Deno.writeTextFile(allowedSignersFile, `serin@example.com namespaces="git" ${made.publicText}\n`);
  const remote = open({ signingKey: () => Promise.resolve(made.privateText) });
  const result = await remote.push(await remote.fetch(), [draft(1), draft(2)]);
  assert.ok(result.type === "pushed" && result.commits.length === 2);
  for (const oid of result.commits) await verifyCommit(repository, sshSigning({ allowedSignersFile }), oid);
  await isSound(repository.folder);
  assert.equal(await repository.git("log", "-1", "--format=%s", "main"), "Note 2");
  const strangers = `${scratch}/strangers`;
  await Deno.writeTextFile(strangers, `eve@example.com ${(await makeSshKey()).publicText}\n`);
  await assert.rejects(
    verifyCommit(repository, sshSigning({ allowedSignersFile: strangers }), result.commits[0] ?? ""),
  );
});

testWith(
  "ssh-keygen",
  "a key that ssh-keygen made signs as one of ours does",
  async ({ repository, open, scratch }) => {
    const { file, line } = await keygen(scratch, "ed25519");
    await Deno.writeTextFile(`${scratch}/allowed_signers`, `* ${line}\n`);
    const remote = open({ signingKey: () => Deno.readTextFile(file) });
    const result = await remote.push(await remote.fetch(), [draft(1)]);
    assert.ok(result.type === "pushed");
    const signing = sshSigning({ allowedSignersFile: `${scratch}/allowed_signers` });
    await verifyCommit(repository, signing, result.commits[0] ?? "");
    const rsa = await keygen(scratch, "rsa");
    const other = open({ signingKey: () => Deno.readTextFile(rsa.file) });
    await assert.rejects(other.push(await other.fetch(), [draft(2)]), {
      name: "InvalidSpecError",
      message: /of kind "ssh-rsa"/,
    });
  },
);

testWith("ssh-keygen", "commits that stock git signed with every kind of SSH key count", async (stand) => {
  const { repository, open, scratch } = stand;
  let text = "";
  const remote = open({ signedBy: () => Promise.resolve({ ssh: { text, name: "signers" } }) });
  for (const kind of ["ed25519", "rsa", "ecdsa"]) {
    const { file, line } = await keygen(scratch, kind);
    const stranger = text === "" ? `x ${(await makeSshKey()).publicText}\n` : text;
    const oid = await commitSigned(repository, sshSigning({ keyFile: file }), { message: `By ${kind}` });
    text = stranger;
    await assert.rejects(remote.fetch(), unsigned(/its key is not among the allowed signers/));
    text = `${kind}@example.com ${line}\n`;
    assert.equal((await remote.fetch()).commit, oid, kind);
  }
});

testWith(
  "ssh-keygen",
  "a bump that nobody has signed is held, and acted on once somebody signs on top",
  async (stand) => {
    const { repository, open, scratch } = stand;
    const { file, line } = await keygen(scratch, "ed25519");
    const own = await makeSshKey();
    const policy: SignaturePolicy = { ssh: { text: `ada@example.com ${line}\n`, name: "signers" } };
    const options = { signedBy: () => Promise.resolve(policy), signingKey: () => Promise.resolve(own.privateText) };
    const remote = open(options);
    await assert.rejects(remote.fetch(), unsigned(/of branch "main" of .*: it is not signed/));
    assert.equal(remote.tip, undefined);
    await commitSigned(repository, sshSigning({ keyFile: file }), { message: "Vouch" });
    const base = await remote.fetch();
    const bump = await repository.commit({ [PATH]: "image: evil\n" });
    for (let look = 0; look < 2; look++) await assert.rejects(remote.fetch(), unsigned(/it is not signed/));
    assert.equal(remote.tip, base);
    // Nothing of ours lands on top of it, since our signature would vouch for it.
    assert.deepEqual(await remote.push(base, [draft(1)]), { type: "lost", tip: bump });
    const seen = await remote.at(bump);
    assert.ok(seen !== undefined);
    await assert.rejects(remote.push(seen, [draft(1)]), unsigned(/it is not signed/));
    assert.equal(await repository.git("rev-parse", "main"), bump);
    const vouched = await commitSigned(repository, sshSigning({ keyFile: file }), { message: "Vouch again" });
    const after = await remote.fetch();
    assert.equal(after.commit, vouched);
    assert.equal(await textOf(after, PATH), "image: evil\n");
    // Our own commits count without being listed, also after a restart.
    assert.equal((await remote.push(after, [draft(2)])).type, "pushed");
    const restarted = open(options);
    assert.equal(await textOf(await restarted.fetch(), "new.yaml"), "n: 2\n");
  },
);

testWith(
  "ssh-keygen",
  "a commit that was changed after it was signed does not count, nor one out of its time",
  async (stand) => {
    const { repository, open, scratch } = stand;
    const { file, line } = await keygen(scratch, "ed25519");
    let options = "";
    const remote = open({
      signedBy: () => Promise.resolve({ ssh: { text: `ada ${options}${line}\n`, name: "signers" } }),
    });
    const signing = sshSigning({ keyFile: file });
    const oid = await commitSigned(repository, signing, { message: "Good", atS: Date.UTC(2026, 5, 1) / 1000 });
    options = 'valid-before="20260601" ';
    await assert.rejects(remote.fetch(), unsigned(/the key of ada was not valid at 2026-06-01/));
    options = 'valid-after="20260601",valid-before="20260602" ';
    assert.equal((await remote.fetch()).commit, oid);
    const raw = new TextDecoder().decode(await runGit(repository.folder, ["cat-file", "commit", oid]));
    const forged = await runGit(repository.folder, ["hash-object", "-t", "commit", "-w", "--stdin"], {
      stdin: raw.replace("Good", "Evil"),
    });
    await repository.git("update-ref", "refs/heads/main", new TextDecoder().decode(forged).trim());
    await assert.rejects(remote.fetch(), unsigned(/its SSH signature is not right/));
    options = "cert-authority ";
    await assert.rejects(remote.fetch(), { name: "InvalidSpecError", message: /signers, line 1: certificates/ });
    assert.equal(remote.tip?.commit, oid);
  },
);

testWith("gpg", "commits that we sign with an OpenPGP key are good to git verify-commit", async (stand) => {
  const { repository, open, scratch } = stand;
  const home = await GpgHome.create(`${scratch}/gpg`);
  try {
    await home.addKey("Serin <serin@example.com>");
    const secret = await home.secretKey("serin@example.com");
    const remote = open({
      signingKey: () => Promise.resolve(secret),
      // Nobody else may, and the branch as it is was not signed by anybody.
      signedBy: () => Promise.resolve({ ssh: { text: `x ${own.publicText}\n`, name: "signers" } }),
    });
    const own = await makeSshKey();
    await assert.rejects(remote.fetch(), unsigned(/not signed/));
    const plain = open({ signingKey: () => Promise.resolve(secret) });
    const result = await plain.push(await plain.fetch(), [draft(1), draft(2)]);
    assert.ok(result.type === "pushed");
    for (const oid of result.commits) await verifyCommit(repository, gpgSigning(home), oid);
    await isSound(repository.folder);
    assert.equal((await remote.fetch()).commit, result.commits[1]);
  } finally {
    await home.close();
  }
});

testWith(
  "gpg",
  "commits that stock git signed with OpenPGP count while the key is allowed and valid",
  async (stand) => {
    const { repository, open, scratch } = stand;
    const home = await GpgHome.create(`${scratch}/gpg`);
    try {
      await home.addKey("ada@example.com");
      await home.addKey("eve@example.com");
      let openpgp = await home.publicKey("eve@example.com");
      const remote = open({ signedBy: () => Promise.resolve({ openpgp }) });
      const oid = await commitSigned(repository, gpgSigning(home, "ada@example.com"), { message: "By Ada" });
      await assert.rejects(remote.fetch(), unsigned(/its OpenPGP key is not among the allowed keys/));
      openpgp = await home.publicKey("ada@example.com");
      assert.equal((await remote.fetch()).commit, oid);
      const raw = new TextDecoder().decode(await runGit(repository.folder, ["cat-file", "commit", oid]));
      const forged = await runGit(repository.folder, ["hash-object", "-t", "commit", "-w", "--stdin"], {
        stdin: raw.replace("By Ada", "By Eve"),
      });
      await repository.git("update-ref", "refs/heads/main", new TextDecoder().decode(forged).trim());
      await assert.rejects(remote.fetch(), unsigned(/its OpenPGP signature is not right/));
      const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(await home.gpg("--with-colons", "--list-keys", "ada@example.com"))
        ?.[1];
      // gpg writes a certificate of revocation beside each new key, behind a colon so that nobody uses it by accident.
      const certificate = await Deno.readTextFile(`${home.path}/openpgp-revocs.d/${fingerprint}.rev`);
      await Deno.writeTextFile(`${scratch}/revoked.asc`, certificate.replace(":-----BEGIN", "-----BEGIN"));
      await home.gpg("--import", `${scratch}/revoked.asc`);
      openpgp = await home.publicKey("ada@example.com");
      await repository.git("update-ref", "refs/heads/main", oid);
      const fresh = open({ signedBy: () => Promise.resolve({ openpgp }) });
      await assert.rejects(fresh.fetch(), unsigned(/its OpenPGP key was revoked/));
      const ssh = open({ signedBy: () => Promise.resolve({ ssh: { text: "x ssh-ed25519 AAAA\n", name: "signers" } }) });
      await assert.rejects(ssh.fetch(), unsigned(/signed with OpenPGP, and no OpenPGP key is allowed/));
    } finally {
      await home.close();
    }
  },
);

testWith("gpg", "OpenPGP keys that cannot be used are refused, and leave nothing behind", async ({ open, scratch }) => {
  const home = await GpgHome.create(`${scratch}/gpg`);
  try {
    await home.addKey("locked@example.com", { passphrase: "hunter2" });
    const locked = await home.secretKey("locked@example.com", "hunter2");
    const broken = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----\n";
    for (
      const [key, message] of [[locked, /passphrase/], [broken, /OpenPGP/], ["nothing", /no known format/]] as const
    ) {
      const remote = open({ signingKey: () => Promise.resolve(key) });
      await assert.rejects(remote.push(await remote.fetch(), [draft(1)]), { name: "InvalidSpecError", message });
    }
  } finally {
    await home.close();
  }
});

for (const [tool, count] of leftOut) {
  const line = `git signatures: ${count} tests left out: "${tool}" is not on the PATH\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
}
