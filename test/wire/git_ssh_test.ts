/** Git over SSH to a real sshd, where this machine has one or `deno task servers` has unpacked one. */
import { SSH_CASES, withSsh } from "../support/ssh_cases.ts";
import { findSshd } from "../support/ssh_server.ts";

const found = await findSshd();
const cases = Object.entries(SSH_CASES);

if ("missing" in found) {
  const line = `git over ssh: ${cases.length} tests left out: ${found.missing}\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
} else {
  for (const [name, { run, acceptsProtocol = true }] of cases) {
    Deno.test(`Git over SSH ${name}`, () => withSsh({ program: found.program, acceptsProtocol }, run));
  }
}
