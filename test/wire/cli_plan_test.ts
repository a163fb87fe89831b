/** `serin plan` of commits and branches of a real clone, by a process that may reach nothing but its disk and git. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { runGit } from "../../src/demo/clone.ts";
import { edited, locksOf, MANIFESTS } from "../support/planned_shop.ts";

const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];
const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
const FIRST = { ...MANIFESTS, ...locksOf(MANIFESTS) };
const DEPLOYMENT = "apps/shop/deployment.yaml";

type Files = Readonly<Record<string, string>>;

async function write(dir: string, files: Files): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(`${dir}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeTextFile(`${dir}/${path}`, text);
  }
}

async function commit(dir: string, files: Files, message: string): Promise<string> {
  await write(dir, files);
  await runGit(dir, ["add", "."]);
  await runGit(dir, [...PERSON, "commit", "--quiet", "--message", message]);
  return (await runGit(dir, ["rev-parse", "HEAD"])).trim();
}

async function plan(dir: string, args: readonly string[], allowed: readonly string[] = ["--allow-run=git"]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--frozen", "--no-prompt", "--allow-read", "--ignore-env", ...allowed, MAIN, "plan", dir, ...args],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

async function outcomesOf(dir: string, ...args: readonly string[]): Promise<readonly [string | null, string, string]> {
  const { code, stdout, stderr } = await plan(dir, ["-o", "json", ...args]);
  strictEqual(code, 0, stderr);
  const { commit, canaries } = JSON.parse(stdout);
  return [commit, canaries[0].outcome, canaries[1].outcome];
}

Deno.test("serin plan reads a commit, a branch, a branch of origin and the files as they lie", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  try {
    const clone = `${dir}/clone`;
    await Deno.mkdir(clone);
    await runGit(clone, ["init", "--quiet", "--initial-branch=main"]);
    const first = await commit(clone, FIRST, "Start");
    await runGit(clone, ["switch", "--quiet", "--create", "bump"]);
    const bumped = await commit(clone, edited(FIRST, DEPLOYMENT, "shop:1", "shop:2"), "Bump the shop");
    await runGit(clone, ["switch", "--quiet", "main"]);
    await t.step("a commit", async () => {
      deepStrictEqual(await outcomesOf(clone, "--commit", first), [first, "nothing", "nothing"]);
      deepStrictEqual(await outcomesOf(clone, "--commit", "bump"), [bumped, "nothing", "rollout"]);
    });
    await t.step("a branch", async () => {
      deepStrictEqual(await outcomesOf(clone, "--branch", "bump"), [bumped, "nothing", "rollout"]);
      deepStrictEqual(await outcomesOf(clone, "--branch", "main"), [first, "nothing", "nothing"]);
    });
    await t.step("a branch of origin, as last fetched", async () => {
      await runGit(dir, ["clone", "--quiet", "clone", "again"]);
      deepStrictEqual(await outcomesOf(`${dir}/again`, "--branch", "bump"), [bumped, "nothing", "rollout"]);
    });
    await t.step("the files as they lie, without git", async () => {
      await write(clone, edited(FIRST, "apps/api.yaml", "api:1", "api:3"));
      const { code, stdout } = await plan(clone, [], []);
      strictEqual(code, 0);
      match(stdout, /^prod\/api: would start a rollout .*\n {2}apps\/api\.yaml:\d+: .*image: api:1 -> api:3$/m);
      deepStrictEqual(await outcomesOf(clone, "--commit", "HEAD"), [first, "nothing", "nothing"]);
    });
    await t.step("links and submodules of a commit are left out", async () => {
      await Deno.symlink("deployment.yaml", `${clone}/apps/shop/link.yaml`);
      const linked = await commit(clone, {}, "Link");
      deepStrictEqual(await outcomesOf(clone, "--commit", "HEAD"), [linked, "rollout", "nothing"]);
    });
    await t.step("what a partial clone lacks is not fetched", async () => {
      await runGit(clone, ["config", "uploadpack.allowFilter", "true"]);
      await runGit(dir, ["clone", "--quiet", "--no-checkout", "--filter=blob:none", `file://${clone}`, "partial"]);
      const { code, stderr } = await plan(`${dir}/partial`, ["--branch", "main"]);
      strictEqual(code, 2, stderr);
      match(stderr, /Cannot read .*\n.*--refetch/);
    });
    await t.step("what is not there, and a git that may not be run, are said", async () => {
      const missing = await plan(clone, ["--branch", "nope"]);
      deepStrictEqual([missing.code, missing.stdout], [2, ""]);
      match(missing.stderr, /no branch "nope" here, nor on origin/);
      const forbidden = await plan(clone, ["--commit", "HEAD"], []);
      strictEqual(forbidden.code, 2);
      match(forbidden.stderr, /git cannot be run here\n.*--allow-run=git/);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
