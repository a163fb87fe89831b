/** The demo, run as a user runs it, and read with stock git. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { runGit } from "../../src/demo/clone.ts";

const ROOT = new URL("../../", import.meta.url);
const FLAGS = [
  "--frozen",
  "--no-prompt",
  "--allow-net=127.0.0.1,localhost",
  "--allow-read",
  "--allow-write",
  "--allow-run=git",
  "--ignore-env",
];

Deno.test("the demo ends by itself with a promotion and a revert that git shows", async () => {
  const dir = await Deno.makeTempDir({ prefix: "serin-demo-test-" });
  try {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", ...FLAGS, "src/main.ts", "demo", "--dir", dir],
      cwd: ROOT,
    });
    const { code, stdout } = await command.output();
    strictEqual(code, 0, new TextDecoder().decode(stdout));
    await runGit(dir, ["clone", "--quiet", `${dir}/server/fleet.git`, `${dir}/read`]);
    const git = (...args: readonly string[]): Promise<string> => runGit(`${dir}/read`, args);
    const subjects = (await git("log", "--format=%an: %s", "--reverse")).trim().split("\n").filter((line) =>
      line.startsWith("Serin")
    );
    deepStrictEqual(subjects, [
      "Serin: Initialise demo/podinfo at podinfo:6.0.0",
      "Serin: Promote demo/podinfo to podinfo:6.0.1",
      "Serin: Revert demo/podinfo to podinfo:6.0.1",
    ]);
    strictEqual((await git("fsck", "--strict")).trim(), "");
    const trailers = await git("log", "-1", "--format=%(trailers:only)");
    for (
      const key of ["Serin-Canary", "Serin-Decision", "Serin-Evidence", "Serin-Image", "Serin-Revision", "Serin-Run"]
    ) {
      ok(trailers.includes(`${key}: `), `the revert has no trailer ${key}`);
    }
    const changed = await git("show", "--format=", "--unified=0", "HEAD", "--", ".", ":!.serin");
    deepStrictEqual(
      changed.split("\n").filter((line) => /^[+-][^+-]/.test(line)).map((line) => line.replace(/\s+/g, " ")),
      [
        "- image: registry.example/podinfo:6.0.2-bad # a bot bumps this line",
        "+ image: registry.example/podinfo:6.0.1 # a bot bumps this line",
      ],
    );
    const folder = `${dir}/read/.serin/sandbox/demo/podinfo`;
    match(await Deno.readTextFile(`${folder}/primary.yaml`), /podinfo:6\.0\.1/);
    match(await Deno.readTextFile(`${folder}/status.yaml`), /quarantine:[\s\S]*6\.0\.2-bad/);
    const log = (await Deno.readTextFile(`${dir}/requests.jsonl`)).trim().split("\n").map((line) => JSON.parse(line));
    const lastBad = log.findLastIndex((entry) => entry.version === "6.0.2-bad");
    const after = log.slice(lastBad + 1);
    ok(after.length > 5 && after.every((entry) => entry.version === "6.0.1" && entry.status === 200));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
