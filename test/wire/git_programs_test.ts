/** Machines without the programs that SSH and OpenPGP need, and agents that may not run them: the reason is said. */
import assert from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { PrivateFolder } from "../../adapters/platform/git/private_folder.ts";
import { runProgram } from "../../adapters/platform/git/run_program.ts";
import { RejectedError } from "../../src/errors.ts";
import { fetchOverSsh, type Refusal, refusalOf } from "../support/fetch_over_ssh.ts";
import { missingTools } from "../support/signing_tools.ts";

const FETCH = new URL("../support/fetch_over_ssh.ts", import.meta.url).pathname;

function assertLacks(refusal: Refusal | null, says: RegExp, fix: RegExp): void {
  assert.equal(refusal?.reason, "no-program");
  assert.match(refusal.message, says);
  assert.match(refusal.fix, fix);
}

function lacking(says: RegExp, fix: RegExp): (error: unknown) => boolean {
  return (error) => {
    const refusal = refusalOf(error);
    assert.ok(refusal !== null, String(error));
    assertLacks(refusal, says, fix);
    return true;
  };
}

Deno.test("a machine without ssh is told apart from one whose server is away", async () => {
  // In a process of its own: tests of other files run in this one, and find their programs on its PATH.
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--frozen", "--allow-all", FETCH],
    env: { PATH: "/nowhere" },
  }).output();
  const met = new TextDecoder().decode(stdout);
  assert.ok(met.startsWith("{"), `${met}${new TextDecoder().decode(stderr)}`);
  assertLacks(JSON.parse(met), /there is no program "ssh"/, /an image that has "ssh"/);
});

Deno.test({
  name: "an agent that may write no file says which flag it lacks",
  permissions: { run: ["ssh"], read: true, write: false, env: true },
  fn: () =>
    assert.rejects(fetchOverSsh(), (error) => {
      assert.ok(error instanceof RejectedError && error.data["reason"] === "no-folder", String(error));
      assert.match(error.fix ?? "", /--allow-write=\/tmp/);
      return true;
    }),
});

Deno.test("a folder for keys is its owner's alone, and goes with all that is in it", async () => {
  const folder = await PrivateFolder.create("test");
  const file = await folder.write("key", "secret\n");
  assert.equal(((await Deno.stat(folder.path)).mode ?? 0) & 0o777, 0o700);
  assert.equal(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
  await assert.rejects(folder.write("key", "again"), Deno.errors.AlreadyExists);
  await folder.remove();
  await assert.rejects(Deno.stat(folder.path), Deno.errors.NotFound);
  await folder.remove();
});

const needSsh: readonly Deno.TestDefinition[] = [{
  name: "an agent that may not run ssh says which flag it lacks",
  permissions: { run: ["git"], read: true, write: true, env: true },
  fn: () => assert.rejects(fetchOverSsh(), lacking(/may not run "ssh"/, /--allow-run=ssh/)),
}, {
  name: "a program that waits for ever is ended, when it is silent for too long or its caller gives up",
  async fn() {
    const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const giveUp = new AbortController();
    const run = (timeoutMs: number, signal?: AbortSignal) =>
      runProgram({
        program: "ssh",
        args: ["-F", "none", "-p", String(silent.addr.port), "--", "git@127.0.0.1", "true"],
        stdin: new Uint8Array(0),
        outputBytesMax: 1000,
        timeoutMs,
        clock: machineClock,
        signal,
      });
    try {
      assert.match((await run(200)).cut?.why ?? "", /no answer within 200 ms/);
      const running = run(60_000, giveUp.signal);
      giveUp.abort(new Error("no longer wanted"));
      await assert.rejects(running, /no longer wanted/);
    } finally {
      silent.close();
    }
  },
}];
const missing = await missingTools("ssh");
if (missing.length === 0) { for (const test of needSsh) Deno.test(test); }
else {
  const line = `programs: ${needSsh.length} tests left out: "ssh" is not on the PATH\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
}
