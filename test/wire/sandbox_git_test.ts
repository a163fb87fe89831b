/** The sandbox's Git server against stock git: clone, push, partial clone, credentials, and each fault switch. */
import { equal, match, notEqual, ok } from "node:assert/strict";
import { type GitServer, startGitServer } from "../../src/sandbox/git/git_server.ts";
import { ManualClock } from "../support/manual_clock.ts";

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A stock git without any configuration of the machine; ends by itself within 20 s. */
async function git(cwd: string, ...args: readonly string[]): Promise<Run> {
  const command = new Deno.Command("git", {
    args: ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", ...args],
    cwd,
    env: { GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" },
    signal: AbortSignal.timeout(20_000),
  });
  const { code, stdout, stderr } = await command.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

async function withServer(
  auth: { readonly username: string; readonly password: string } | undefined,
  body: (server: GitServer, dir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const server = startGitServer({
    dir: `${dir}/remote`,
    clock: new ManualClock(),
    ...(auth === undefined ? {} : { auth }),
  });
  try {
    await body(server, dir);
  } finally {
    await server.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Clones "shop", commits one change there and pushes it. */
async function changeAndPush(server: GitServer, dir: string): Promise<Run> {
  equal((await git(dir, "clone", "-q", server.urlOf("shop"), "work")).code, 0);
  await Deno.writeTextFile(`${dir}/work/app.yaml`, "image: shop:2\n");
  await git(`${dir}/work`, "commit", "-qam", "bump");
  return await git(`${dir}/work`, "push", "-q", "origin", "main");
}

Deno.test("a stock git clones and pushes over protocol version 2", async () => {
  await withServer(undefined, async (server, dir) => {
    const first = await server.createRepository("shop", { "app.yaml": "image: shop:1\n", 'odd "name".txt': "x" });
    equal((await changeAndPush(server, dir)).code, 0);
    const tip = await server.tip("shop");
    notEqual(tip, first);
    equal((await git(`${dir}/work`, "rev-parse", "HEAD")).out.trim(), tip);
    equal(await server.read("shop", "app.yaml"), "image: shop:2\n");
    equal(await server.read("shop", 'odd "name".txt'), "x");
    equal(await server.read("shop", "gone"), undefined);
  });
});

Deno.test("another writer's commit is fetched, and a push behind it is rejected", async () => {
  await withServer(undefined, async (server, dir) => {
    await server.createRepository("shop", { "app.yaml": "1\n" });
    equal((await git(dir, "clone", "-q", server.urlOf("shop"), "work")).code, 0);
    const theirs = await server.commit("shop", { "other.yaml": "2\n", "app.yaml": null }, { message: "theirs" });
    await git(`${dir}/work`, "commit", "-q", "--allow-empty", "-m", "ours");
    const push = await git(`${dir}/work`, "push", "origin", "main");
    notEqual(push.code, 0);
    match(push.err, /rejected/);
    equal((await git(`${dir}/work`, "fetch", "-q")).code, 0);
    equal((await git(`${dir}/work`, "rev-parse", "origin/main")).out.trim(), theirs);
    equal(await server.read("shop", "app.yaml"), undefined);
  });
});

Deno.test("partial clones and commits by hash are served", async () => {
  await withServer(undefined, async (server, dir) => {
    const old = await server.createRepository("team/shop", { "a.txt": "1" });
    await server.commit("team/shop", { "a.txt": "2" });
    const url = server.urlOf("team/shop");
    const clone = await git(dir, "clone", "-q", "--bare", "--depth=1", "--filter=blob:none", url, "thin");
    equal(clone.code, 0, clone.err);
    const missing = await git(`${dir}/thin`, "rev-list", "--objects", "--missing=print", "HEAD");
    match(missing.out, /^\?[0-9a-f]{40}$/m);
    const byHash = await git(`${dir}/thin`, "fetch", "-q", "--depth=1", "origin", old ?? "");
    equal(byHash.code, 0, byHash.err);
  });
});

Deno.test("wrong credentials get 401, right ones pass; unknown repositories and dumb HTTP get 404", async () => {
  await withServer({ username: "ann", password: "s3cret" }, async (server, dir) => {
    await server.createRepository("shop", { a: "1" });
    notEqual((await git(dir, "ls-remote", server.urlOf("shop"))).code, 0);
    const url = new URL(server.urlOf("shop"));
    [url.username, url.password] = ["ann", "s3cret"];
    equal((await git(dir, "ls-remote", url.href)).code, 0);
  });
  await withServer(undefined, async (server, dir) => {
    match((await git(dir, "ls-remote", server.urlOf("gone"))).err, /not found/);
    await server.createRepository("shop", { a: "1" });
    const dumb = await fetch(`${server.urlOf("shop")}/info/refs`);
    equal(dumb.status, 404);
    await dumb.body?.cancel();
  });
});

Deno.test("refusePush refuses the ref with its reason and leaves the branch alone", async () => {
  await withServer(undefined, async (server, dir) => {
    const first = await server.createRepository("shop", { "app.yaml": "1\n" });
    server.faults.set({ refusePush: "protected branch" });
    const push = await changeAndPush(server, dir);
    notEqual(push.code, 0);
    match(push.err, /remote rejected.*\(protected branch\)/);
    equal(await server.tip("shop"), first);
  });
});

Deno.test("loseAnswer lets the push land and says nothing", async () => {
  await withServer(undefined, async (server, dir) => {
    const first = await server.createRepository("shop", { "app.yaml": "1\n" });
    server.faults.set({ only: "push", loseAnswer: true });
    notEqual((await changeAndPush(server, dir)).code, 0);
    const tip = await server.tip("shop");
    notEqual(tip, first);
    equal(tip, (await git(`${dir}/work`, "rev-parse", "HEAD")).out.trim());
  });
});

Deno.test("status, cut and hang break fetches, and only while they are on", async () => {
  await withServer(undefined, async (server, dir) => {
    await server.createRepository("shop", { "app.yaml": "x".repeat(10_000) });
    const url = server.urlOf("shop");
    server.faults.set({ status: 503 });
    match((await git(dir, "ls-remote", url)).err, /503/);
    server.faults.set({ only: "push", status: 403 });
    equal((await git(dir, "ls-remote", url)).code, 0);
    server.faults.set({ cutAfterBytes: 10 });
    notEqual((await git(dir, "clone", "-q", url, "broken")).code, 0);
    server.faults.set({ hang: true });
    const hung = await fetch(`${url}/info/refs?service=git-upload-pack`, { signal: AbortSignal.timeout(300) }).catch((
      error,
    ) => error);
    ok(hung instanceof DOMException && hung.name === "TimeoutError");
    server.faults.set({});
    equal((await git(dir, "clone", "-q", url, "whole")).code, 0);
  });
});
