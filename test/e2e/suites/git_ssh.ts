/** Git over SSH to a real sshd of its own, as test/wire has it where a machine brings one. */
import { SSH_CASES, withSsh } from "../../support/ssh_cases.ts";
import type { Suite } from "../suite.ts";

export const gitSsh: Suite = {
  name: "git-ssh",
  about: "fetch and push over SSH with strict host keys, shared connections, and everything that can go wrong",
  servers: ["sshd"],
  async run(run) {
    const program = run.programs.get("sshd");
    if (program === undefined) throw new Error("There is no sshd");
    for (const [name, { run: body, acceptsProtocol = true }] of Object.entries(SSH_CASES)) {
      await run.checks.check(name, () => withSsh({ program, acceptsProtocol }, body));
    }
  },
};
