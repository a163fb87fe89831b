/**
 * `deno task e2e --keep`, without the servers: from out here a browser reaches the page that is inside, the script that is
 * printed runs a command inside, and an interrupt ends it and leaves nothing.
 */
import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { parse } from "../e2e/arguments.ts";
import { Keeper, lookAround, openWays } from "../e2e/keep.ts";
import { checkNamespaces, runInside } from "../e2e/namespace.ts";
import { SUITES } from "../e2e/suites/mod.ts";
import { until } from "../support/until.ts";

const KEPT = new URL("../support/kept_main.ts", import.meta.url).href;

/** Why this machine cannot have it, or null. */
async function whyNot(): Promise<string | null> {
  try {
    await checkNamespaces();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

Deno.test("what is kept is reached from outside, and ends when it is asked to", async () => {
  const reason = await whyNot();
  if (reason !== null) {
    Deno.stdout.writeSync(new TextEncoder().encode(`e2e --keep: 1 test left out: ${reason}\n`));
    return;
  }
  const ways = await openWays();
  const lines: string[] = [];
  let inside = 0;
  const interrupt = new AbortController();
  try {
    const ended = runInside(KEPT, [String(ways.pagePort), ways.folder], {
      told: (line) => void lines.push(line),
      async entered(pid) {
        inside = pid;
        await ways.entered(pid);
      },
      interrupted: interrupt.signal,
    });
    await until("it says how to look around", () => lines.some((line) => line.endsWith("ip -brief addr")), 30_000);
    match(lines.join("\n"), new RegExp(`page: http://127\\.0\\.0\\.1:${ways.pagePort}/ in a browser`));
    const page = await fetch(`http://127.0.0.1:${ways.pagePort}/some/path`);
    strictEqual(await page.text(), "GET /some/path inside");
    const printed = lines.find((line) => line.endsWith("ip -brief addr")) ?? "";
    const { success, stdout } = await new Deno.Command("sh", { args: ["-c", printed] }).output();
    ok(success);
    match(new TextDecoder().decode(stdout), /10\.244\.0\.1\/16/);
    // As the process out here does when it is sent a SIGINT that reaches nobody else.
    interrupt.abort();
    strictEqual(await ended, 0);
    strictEqual(lines.at(-1), "Taking everything down.");
  } finally {
    await ways.close();
  }
  await rejects(Deno.stat(`/proc/${inside}`), Deno.errors.NotFound);
  await rejects(Deno.stat(ways.folder), Deno.errors.NotFound);
});

Deno.test("a keeper without ways keeps nothing; one that has kept does not keep again", async () => {
  const said: string[] = [];
  const options = { interrupted: Promise.resolve(), say: (text: string) => void said.push(text) };
  const none = new Keeper(null, options);
  await none.keep();
  deepStrictEqual([said, none.hasKept], [[], false]);
  const ways = await openWays();
  try {
    const keeper = new Keeper(ways, options);
    await keeper.keep();
    const once = said.length;
    await keeper.keep();
    deepStrictEqual([said.length, keeper.hasKept], [once, true]);
  } finally {
    await ways.close();
  }
});

Deno.test("of two worlds both are told", () => {
  const sight = (page: string) => ({ page: new URL(page), token: "t", commands: [`get ${page}`] });
  const lines = lookAround({ folder: "/tmp/x", pagePort: 5 }, [sight("http://10.244.0.1:1/"), sight("http://b:2/")]);
  deepStrictEqual(lines.filter((line) => line.includes("get ")), [
    "  /tmp/x/inside get http://10.244.0.1:1/",
    "  /tmp/x/inside get http://b:2/",
  ]);
  match(lines.join("\n"), /\/tmp\/x\/inside curl -s http:\/\/b:2\/, token t/);
});

Deno.test("--keep is for one suite, and what leads inside comes through as it is", () => {
  throws(() => parse(["--keep"], SUITES), /--keep wants the name of one suite/);
  throws(() => parse(["--keep", "flux", "argocd"], SUITES), /--keep wants the name of one suite/);
  strictEqual(parse(["flux", "--keep"], SUITES).ways, null);
  deepStrictEqual(parse(["flux", "--keep", "--ways=81,/tmp/a,b"], SUITES).ways, { pagePort: 81, folder: "/tmp/a,b" });
});
