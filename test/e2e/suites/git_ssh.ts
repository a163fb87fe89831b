/**
 * Git over SSH to a real sshd of its own, as test/wire has it where a machine brings one; and commits signed by a real gpg of
 * its own, pushed that way.
 */
import { ok } from "node:assert/strict";
import { isSound } from "../../support/fsck.ts";
import { draft, SSH_CASES, type SshStand, withSsh } from "../../support/ssh_cases.ts";
import { GpgHome, gpgSigning, verifyCommit } from "../../support/signing_tools.ts";
import { gpgOnPath } from "../gpg_programs.ts";
import type { Suite } from "../suite.ts";

export const gitSsh: Suite = {
  name: "git-ssh",
  about: "fetch and push over SSH with strict host keys, shared connections, and everything that can go wrong",
  servers: ["sshd", "gpg"],
  async run(run) {
    const program = run.programs.get("sshd");
    if (program === undefined) throw new Error("There is no sshd");
    for (const [name, { run: body, acceptsProtocol = true }] of Object.entries(SSH_CASES)) {
      await run.checks.check(name, () => withSsh({ program, acceptsProtocol }, body));
    }
    await gpgOnPath(run.programs, `${run.folder}/gpg`);
    await run.checks.check(
      "signs with OpenPGP as git verify-commit wants it, and accepts a branch that gpg's key has signed",
      () => withSsh({ program }, openPgpOverSsh),
    );
  },
};

async function openPgpOverSsh({ repository, folder, open }: SshStand): Promise<void> {
  const home = await GpgHome.create(`${folder}/gpg`);
  try {
    await home.addKey("Serin <serin@example.com>");
    const secret = await home.secretKey("serin@example.com");
    const remote = open({ signingKey: () => Promise.resolve(secret) });
    const result = await remote.push(await remote.fetch(), [draft(1), draft(2)]);
    ok(result.type === "pushed" && result.commits.length === 2, result.type);
    for (const oid of result.commits) await verifyCommit(repository, gpgSigning(home), oid);
    const openpgp = await home.publicKey("serin@example.com");
    const careful = open({ signedBy: () => Promise.resolve({ openpgp }) });
    ok((await careful.fetch()).commit === result.commits[1]);
    await isSound(repository.folder);
  } finally {
    await home.close();
  }
}
