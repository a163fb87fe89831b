/** The command line against a real HTTP server on loopback, with the agent behind it faked. */
import assert from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { serveLoopback } from "../../src/sandbox/loopback_server.ts";
import { createServer } from "../../src/server/server.ts";
import { hashOf } from "../../src/server/tokens.ts";
import { cli, type CliRun } from "../support/cli.ts";
import { aCanaryDetail, type FakeAgent, fakeAgent } from "../support/fake_agent.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/until.ts";

interface World {
  readonly agent: FakeAgent;
  readonly run: (...args: readonly string[]) => Promise<CliRun>;
  readonly down: () => Promise<void>;
}

/** A server for the time of a test, and a command line that knows its address and a token of this role. */
async function withServer(
  role: "viewer" | "approver" | "admin" | "none" | "unknown",
  test: (world: World) => Promise<void>,
  more: { readonly env?: Readonly<Record<string, string>>; readonly isTerminal?: boolean } = {},
): Promise<void> {
  const agent = fakeAgent();
  const server = createServer({
    agent,
    tokens: (["viewer", "approver", "admin"] as const).map((one) => ({ name: one, hash: hashOf(one), roles: [one] })),
    publicRead: false,
    webhooks: new Map(),
    registry: { contentType: "text/plain", metrics: () => Promise.resolve("") },
    clock: machineClock,
    cluster: "eu-1",
    version: "1.0.0",
  });
  const loopback = serveLoopback((request) => server.fetch(request));
  const run: World["run"] = (...args) =>
    cli(args, {
      clock: machineClock,
      isTerminal: more.isTerminal ?? false,
      env: { SERIN_ADDRESS: loopback.url, ...(role === "none" ? {} : { SERIN_TOKEN: role }), ...more.env },
      fetch: (url, init) => fetch(url, init),
    });
  try {
    await test({ agent, run, down: () => loopback.down() });
  } finally {
    await loopback.down();
  }
}

Deno.test("status lists canaries in columns", async () => {
  await withServer("viewer", async ({ run }) => {
    const { status, stdout } = await run("status");
    assert.equal(status, 0);
    const [titles, row] = stdout.split("\n");
    assert.match(titles ?? "", /^CANARY +PHASE +WEIGHT/);
    assert.match(row ?? "", /^prod\/shop +waiting-promotion +50% +0\/3 +abc123 +def456/);
    const json = JSON.parse((await run("status", "-o", "json")).stdout);
    assert.equal(json.canaries[0].weight, 50);
    assert.equal((await run("status", "-n", "other")).stdout, "No canaries.\n");
  });
});

Deno.test("status of one canary says what it waits for and why", async () => {
  await withServer("viewer", async ({ run, agent }) => {
    agent.set(aCanaryDetail({
      stalled: "line one\nline two",
      evidence: [{ name: "errors", outcome: "failed", value: 3, message: "3 is over 1", at: 0 }],
      complaints: [{
        file: "a.yaml",
        line: 7,
        field: "spec",
        message: "Is odd",
        fix: "Mend it",
        severity: "error",
        canary: null,
      }],
      events: [{ at: 0, kind: "advanced", severity: "info", message: "\x1b[2Jforged\r" }],
    }));
    const { status, stdout } = await run("status", "prod/shop");
    assert.equal(status, 0);
    for (
      const words of [
        "confirm-promotion",
        "line two",
        "failed errors: 3 is over 1",
        "a.yaml:7: spec: Is odd (fix: Mend it)",
      ]
    ) {
      assert.ok(stdout.includes(words), stdout);
    }
    assert.ok(!stdout.includes("\x1b"), "control characters of others reach the terminal");
    assert.equal((await run("status", "shop", "-n", "prod")).stdout, stdout);
  });
});

Deno.test("a canary that is not known is status 1", async () => {
  await withServer("viewer", async ({ run }) => {
    const { status, stderr } = await run("status", "prod/none");
    assert.equal(status, 1);
    assert.match(stderr, /Canary "prod\/none" is not known/);
  });
});

Deno.test("approve is bound to the revision and gate that are there, and says which", async () => {
  await withServer("approver", async ({ run, agent }) => {
    const { status, stdout, stderr } = await run("approve", "prod/shop", "--reason", "Fine");
    assert.deepEqual([status, stdout], [0, "Done: approve.\n"]);
    assert.match(
      stderr,
      /Approving revision abc123 \(registry\.example\.com\/team\/shop:1\.1\.0\) at "confirm-promotion"/,
    );
    assert.deepEqual(agent.taken.map(({ command }) => command), [
      { type: "approve", by: "approver", revision: "abc123", gate: "confirm-promotion", reason: "Fine" },
    ]);
    const again = await run("approve", "prod/shop");
    assert.equal(again.status, 1);
    assert.match(again.stderr, /does not wait for an approval/);
  });
});

Deno.test("approve of another revision or gate is refused with the reason", async () => {
  await withServer("approver", async ({ run, agent }) => {
    const other = await run("approve", "prod/shop", "--revision", "zzz");
    assert.equal(other.status, 1);
    assert.match(other.stderr, /It waits for revision abc123, not for zzz/);
    const gate = await run("approve", "prod/shop", "--gate", "confirm-rollout");
    assert.equal(gate.status, 1);
    assert.match(gate.stderr, /It waits at "confirm-promotion", not at "confirm-rollout"/);
    assert.deepEqual(agent.taken, []);
  });
});

Deno.test("approve of a canary without a candidate does not ask the agent to", async () => {
  await withServer("approver", async ({ run, agent }) => {
    agent.set(aCanaryDetail({ phase: "idle", candidate: null, gate: null, waitsFor: null }));
    const { status, stderr } = await run("approve", "prod/shop");
    assert.equal(status, 1);
    assert.match(stderr, /nothing is on its way/);
  });
});

for (const command of ["reject", "pause", "resume", "retry", "rollback", "adopt"] as const) {
  Deno.test(`${command} reaches the agent with the name, revision and reason`, async () => {
    await withServer("admin", async ({ run, agent }) => {
      const { status, stdout } = await run(command, "prod/shop", "-r", "Because", "--output", "json");
      assert.equal(status, 0);
      assert.deepEqual(JSON.parse(stdout), { message: `Done: ${command}.`, revision: "abc123" });
      const [taken] = agent.taken;
      assert.deepEqual([taken?.command.type, taken?.command.by, taken?.command.revision, taken?.command.reason], [
        command,
        "admin",
        "abc123",
        "Because",
      ]);
    });
  });
}

Deno.test("confirm-removal reaches the agent", async () => {
  await withServer("admin", async ({ run, agent }) => {
    assert.equal((await run("confirm-removal")).stdout, "The removals are confirmed.\n");
    assert.deepEqual(agent.confirmedBy, ["admin"]);
  });
});

Deno.test("a token that is missing, not known, or without the role is status 4", async () => {
  const rows = [["none", /none was given/], ["unknown", /not known/], ["viewer", /needs the role "admin"/]] as const;
  for (const [role, words] of rows) {
    await withServer(role, async ({ run, agent }) => {
      const { status, stderr } = await run("pause", "prod/shop", "--revision", "abc123");
      assert.equal(status, 4, role);
      assert.match(stderr, words);
      assert.deepEqual(agent.taken, []);
    });
  }
});

Deno.test("an agent that is down, or does not lead, is status 3", async () => {
  await withServer("admin", async ({ run, agent, down }) => {
    agent.leading = false;
    const standby = await run("pause", "prod/shop");
    assert.equal(standby.status, 3);
    assert.match(standby.stderr, /serin-0/);
    await down();
    const gone = await run("status");
    assert.equal(gone.status, 3);
    assert.match(gone.stderr, /Cannot reach the agent/);
  });
});

Deno.test("a server that is no agent is status 3, and a redirect takes the token nowhere", async () => {
  const elsewhere: (string | null)[] = [];
  const other = serveLoopback((request) => {
    elsewhere.push(request.headers.get("authorization"));
    return Response.json({ canaries: [] });
  });
  const strange = serveLoopback(({ url }) =>
    url.includes("/go/") ? Response.redirect(`${other.url}/`) : new Response("<html>hello</html>")
  );
  try {
    for (const path of ["", "/go"]) {
      const run = await cli(["status", "--address", `${strange.url}${path}`], {
        clock: machineClock,
        env: { SERIN_TOKEN: "secret" },
        fetch: (url, init) => fetch(url, init),
      });
      assert.equal(run.status, 3);
      assert.match(run.stderr, /is no Serin agent/);
    }
    assert.deepEqual(elsewhere, []);
  } finally {
    await strange.down();
    await other.down();
  }
});

Deno.test("an agent that never answers is given up after 30 s", async () => {
  const clock = new ManualClock();
  const hanging: PromiseWithResolvers<Response> = Promise.withResolvers();
  const server = serveLoopback(() => hanging.promise);
  try {
    const run = cli(["status", "--address", server.url], { clock, fetch: (url, init) => fetch(url, init) });
    await until("the request waits", () => clock.sleeping > 0);
    await clock.advance(30_000);
    const { status, stderr } = await run;
    assert.equal(status, 3);
    assert.match(stderr, /no answer within 30 s/);
  } finally {
    hanging.resolve(new Response(""));
    await server.down();
  }
});

Deno.test("status --watch says each change once, and ends with the rollout's outcome", async () => {
  const rows = [["succeeded", 0], ["failed", 1]] as const;
  for (const [outcome, want] of rows) {
    const states = [
      aCanaryDetail({ phase: "progressing", weight: 20, gate: null, waitsFor: null }),
      aCanaryDetail({ phase: "progressing", weight: 20, gate: null, waitsFor: null }),
      aCanaryDetail({ phase: "promoting", weight: 50, gate: null, waitsFor: null }),
      aCanaryDetail({
        phase: "idle",
        weight: 0,
        candidate: null,
        gate: null,
        waitsFor: null,
        last: { outcome, revision: "abc123", reason: "", at: 0 },
      }),
    ];
    let asked = 0;
    const clock = new ManualClock();
    const server = serveLoopback(() => Response.json(states[Math.min(asked++, states.length - 1)]));
    try {
      let isDone = false;
      const watched = cli(["status", "prod/shop", "--watch", "--address", server.url], {
        clock,
        fetch: (url, init) => fetch(url, init),
      }).finally(() => isDone = true);
      await until("the rollout is over", async () => {
        await clock.advance(1_000);
        return isDone;
      });
      const { status, stdout } = await watched;
      assert.equal(status, want);
      assert.deepEqual(stdout.split("\n").slice(0, -1), [
        "progressing 20%, 0/3 checks failed",
        "promoting 50%, 0/3 checks failed",
        `idle 0%, 0/3 checks failed, last ${outcome}`,
      ]);
    } finally {
      await server.down();
    }
  }
});

Deno.test("colours are for terminals, and not with NO_COLOR", async () => {
  await withServer("viewer", async ({ run }) => {
    assert.ok((await run("status")).stdout.includes("\x1b[33mwaiting-promotion\x1b[0m"));
  }, { isTerminal: true });
  await withServer("viewer", async ({ run }) => {
    assert.ok(!(await run("status")).stdout.includes("\x1b"));
  }, { isTerminal: true, env: { NO_COLOR: "1" } });
});
