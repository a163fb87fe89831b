import assert from "node:assert/strict";
import { parseRemoteAddress } from "./remote_address.ts";
import { remoteCommand, sshArguments, type SshTarget } from "./ssh_arguments.ts";

function target(url: string, controlPath = "/tmp/x/c"): SshTarget {
  const address = parseRemoteAddress(url);
  assert.ok(address.type === "ssh");
  const files = { keyFile: "/tmp/x/key", knownHostsFile: "/tmp/x/known_hosts", controlPath };
  return { address, username: "bot", files, connectTimeoutS: 30 };
}

Deno.test("ssh never asks, never trusts a stranger, and reads nothing of the machine's", () => {
  const args = sshArguments(target("ssh://git@git.example:2222/x.git"), "git-upload-pack '/x.git'");
  const options = args.flatMap((arg, index) => args[index - 1] === "-o" ? [arg] : []);
  for (
    const wanted of [
      "BatchMode=yes",
      "StrictHostKeyChecking=yes",
      "UserKnownHostsFile=/tmp/x/known_hosts",
      "GlobalKnownHostsFile=/dev/null",
      "IdentityFile=/tmp/x/key",
      "IdentitiesOnly=yes",
      "IdentityAgent=none",
      "ControlMaster=auto",
      "ControlPath=/tmp/x/c",
    ]
  ) assert.ok(options.includes(wanted), wanted);
  assert.deepEqual(args.slice(0, 2), ["-F", "none"]);
  assert.deepEqual(args.slice(-5), ["-p", "2222", "--", "git@git.example", "git-upload-pack '/x.git'"]);
});

Deno.test("the user is the address's, then the configuration's; and a long path shares no connection", () => {
  assert.ok(sshArguments(target("ssh://git.example/x.git"), "c").includes("bot@git.example"));
  assert.ok(sshArguments(target("ssh://git@[::1]/x.git"), "c").includes("git@::1"));
  const far = sshArguments(target("ssh://git.example/x.git", `/${"x".repeat(100)}/c`), "c").join(" ");
  assert.ok(!far.includes("Control"));
});

Deno.test("a path is one word for the server, whatever it holds", () => {
  assert.equal(remoteCommand("git-upload-pack", "team/fleet.git"), "git-upload-pack 'team/fleet.git'");
  assert.equal(remoteCommand("git-upload-pack", "a'; rm -rf /; '"), `git-upload-pack 'a'\\''; rm -rf /; '\\'''`);
});
