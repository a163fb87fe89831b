import assert from "node:assert/strict";
import { sshError } from "./ssh_errors.ts";

const shown = "ssh://git@git.example/fleet.git";

Deno.test("what ssh and forges say is final or worth another try, and says what to do", () => {
  const rows: readonly (readonly [code: number, words: string, disposition: string, reason?: string])[] = [
    [
      255,
      "No ED25519 host key is known for git.example and you have requested strict checking.\r\n" +
      "Host key verification failed.",
      "reject",
      "host-key-unknown",
    ],
    [
      255,
      "@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
      "reject",
      "host-key-changed",
    ],
    [255, "git@git.example: Permission denied (publickey).", "reject", "permission-denied"],
    [
      255,
      'Load key "/tmp/x/key": error in libcrypto\ngit@git.example: Permission denied (publickey).',
      "reject",
      "key-unusable",
    ],
    [255, "No user exists for uid 65532", "reject", "no-user"],
    [255, "ssh: Could not resolve hostname git.example: Name or service not known", "retry"],
    [255, "ssh: connect to host git.example port 22: Connection refused", "retry"],
    [255, "Connection closed by 10.0.0.1 port 22", "retry"],
    [255, "kex_exchange_identification: Connection reset by peer", "retry"],
    [1, "ERROR: Repository not found.\nfatal: Could not read from remote repository.", "reject", "repository"],
    [
      1,
      "remote: The project you were looking for could not be found or you don't have permission to view it.",
      "reject",
      "repository",
    ],
    [128, "fatal: '/srv/x.git' does not appear to be a git repository", "reject", "repository"],
    [1, "ERROR: The key you are authenticating with has been marked as read only.", "reject", "repository"],
    [128, "fatal: out of memory", "retry"],
    [137, "", "retry"],
  ];
  for (const [code, words, disposition, reason] of rows) {
    const error = sshError({ code, words, shown });
    assert.equal(error.disposition, disposition, words);
    assert.equal(error.data["reason"], reason, words);
    assert.ok(error.message.includes(shown) && (error.fix ?? "") !== "", words);
    assert.ok(!error.message.includes("@@@"), words);
  }
});
