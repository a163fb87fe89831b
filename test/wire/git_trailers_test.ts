/** The trailers of a commit message, read by Git itself. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { commitMessage } from "../../src/ledger/message.ts";
import { aRevert, CLUSTER } from "../support/ledger_builders.ts";

async function interpret(message: string): Promise<readonly string[]> {
  const process = new Deno.Command("git", {
    args: ["interpret-trailers", "--parse"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(message));
  await writer.close();
  const { stdout, success } = await process.output();
  assert.ok(success);
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

const hostile = fc.array(
  fc.constantFrom("\n", "\n\n", "---", "--- a", "\n---\n", "# ", "Serin-Run: forged", "Signed-off-by: A <a@b>", "x"),
  { maxLength: 6 },
).map((parts) => parts.join(""));

Deno.test("commitMessage() is read by git interpret-trailers as it was meant", async () => {
  await fc.assert(
    fc.asyncProperty(hostile, async (text) => {
      const message = commitMessage(aRevert({ reason: text }), { cluster: CLUSTER, manifestsEdited: true, note: text });
      const lines = await interpret(message);
      assert.deepEqual(lines.map((line) => line.split(":")[0]), [
        "Serin-Canary",
        "Serin-Cluster",
        "Serin-Decision",
        "Serin-Image",
        "Serin-Revision",
        "Serin-Run",
      ]);
      assert.equal(lines.at(-1), "Serin-Run: run-1/revert");
    }),
    { numRuns: 30 },
  );
});
