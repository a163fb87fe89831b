/** What it means when ssh, or Git behind it, ends badly, and what a person can do about it. */
import { RejectedError, type SerinError, UnavailableError } from "../../../src/errors.ts";

export interface SshFailure {
  /** 255 is ssh's own; everything else comes from the server's side. */
  readonly code: number;
  /** What was said on stderr. */
  readonly words: string;
  /** The remote's address, for messages. */
  readonly shown: string;
}

interface Meaning {
  readonly says: RegExp;
  readonly reason: string;
  readonly why: string;
  readonly fix: string;
}

/** In this order: a changed host key is also one that is not known. */
const OF_SSH: readonly Meaning[] = [
  {
    says: /REMOTE HOST IDENTIFICATION HAS CHANGED|Offending .* key|revoked/i,
    reason: "host-key-changed",
    why: "the server's host key is not the one in known_hosts",
    fix: "Ask whoever runs the server whether its key was changed; only then put the new one into known_hosts. " +
      "Until then somebody may stand in between.",
  },
  {
    says: /Host key verification failed|No .* host key is known|no matching host key/i,
    reason: "host-key-unknown",
    why: "known_hosts has no key of this server",
    fix:
      "Get the key with ssh-keyscan, compare its fingerprint with what the server's owner publishes, and put the line " +
      "into known_hosts. With a port other than 22 it begins with [host]:port.",
  },
  {
    says: /Load key .*(libcrypto|invalid format|passphrase)|UNPROTECTED PRIVATE KEY|bad permissions/i,
    reason: "key-unusable",
    why: "the private key cannot be used",
    fix: "Give a private key in OpenSSH or PEM format, without a passphrase, whole and with its last line.",
  },
  {
    says: /Permission denied|Too many authentication failures/i,
    reason: "permission-denied",
    why: "the server does not accept the key",
    fix:
      "Add the public key to the repository as a deploy key, with write access where the agent is to push, and check " +
      "the user name in the url.",
  },
  {
    says: /No user exists for uid/i,
    reason: "no-user",
    why: "ssh wants the user that it runs as to have a name",
    fix: "Use an image whose /etc/passwd has the user that the agent runs as.",
  },
];

/** Of Git servers and of forges in front of them. */
const OF_GIT: Meaning = {
  says:
    /does not appear to be a git repository|repository.*not found|not found|no such|access (rights|denied)|denied|read.?only|not allowed|disallowed|unauthorized|shell access|dubious ownership|permission/i,
  reason: "repository",
  why: "there is no such repository, or the key may not use it",
  fix:
    "Check the path in the url, and that the key has access to this repository: read, and write where the agent is to push.",
};

/** A refusal is final until somebody changes something; anything else is worth another try. */
export function sshError(failure: SshFailure): SerinError {
  const { code, words, shown } = failure;
  const said = words === "" ? "" : `: ${JSON.stringify(oneLine(words))}`;
  const meaning = code === 255
    ? OF_SSH.find(({ says }) => says.test(words))
    : OF_GIT.says.test(words)
    ? OF_GIT
    : undefined;
  if (meaning !== undefined) {
    const { why, fix, reason } = meaning;
    return new RejectedError(`Cannot use Git remote "${shown}": ${why}${said}`, { fix, data: { reason, url: shown } });
  }
  const what = code === 255 ? "there is no connection" : `the server's Git ended with status ${code}`;
  return new UnavailableError(`Cannot reach Git remote "${shown}": ${what}${said}`, {
    fix: "Check that the address is right and that the server can be reached from here.",
    data: { url: shown, code },
  });
}

/** Without the frames that ssh draws, and without words about files that nobody but us has seen. */
function oneLine(words: string): string {
  const lines = words.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !/^@+$/.test(line)).join(" ").slice(0, 600);
}
