/** Live status: what is told, when, and by whom. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { LiveStatus, type Progress, progressIn, statusFiles } from "./live_status.ts";
import type { CanaryDetail, CanarySummary } from "../ports/agent.ts";

const AT_30: Progress = {
  namespace: "prod",
  name: "shop",
  phase: "progressing",
  phaseSince: Date.UTC(2026, 0, 1, 12),
  weight: 30,
  iterations: 0,
  failedChecks: 1,
  threshold: 5,
  candidate: "7d9c",
  candidateImages: ["registry.example.com/shop:2.0.0"],
  lockImages: ["registry.example.com/shop:1.0.0"],
  waitsFor: null,
  gate: null,
};

function stand() {
  const clock = new ManualClock();
  const state = { canaries: [] as readonly Progress[], leads: true, fails: false };
  const pushed: string[] = [];
  const logged: string[] = [];
  const live: LiveStatus = new LiveStatus({
    clock,
    cluster: "east",
    branch: "main",
    author: { name: "Serin", email: "serin@example.com" },
    canaries: () => state.canaries,
    isLeader: () => state.leads,
    push() {
      if (state.fails) return Promise.reject(new Error("no such right"));
      const draft = live.draft();
      if (draft === undefined) return Promise.resolve();
      const told = [...draft.files.keys()].slice(1).join(" ");
      pushed.push(`${clock.monotonic() / 1000}: ${told}`);
      live.landed(draft);
      return Promise.resolve();
    },
    log: (_, event, fields) => void logged.push(`${event} ${fields["ref"]} ${fields["error"]}`),
  });
  return { clock, state, pushed, logged, live };
}

async function running(made: ReturnType<typeof stand>, body: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const run = made.live.run(stop.signal);
  try {
    await body();
  } finally {
    stop.abort();
    await run;
  }
}

Deno.test("live status is written on a change, soon after a quiet time, and not more often than every 30 s", async () => {
  const made = stand();
  const { clock, state, pushed } = made;
  await running(made, async () => {
    state.canaries = [AT_30];
    await clock.advance(5_000);
    deepStrictEqual(pushed, ["5: prod/shop.json"]);
    await clock.advance(60_000);
    strictEqual(pushed.length, 1, "nothing has changed");
    for (let weight = 31; weight <= 60; weight++) {
      state.canaries = [{ ...AT_30, weight }];
      await clock.advance(1_000);
    }
    ok(pushed.length <= 2, pushed.join("; "));
    await clock.advance(30_000);
    state.canaries = [];
    await clock.advance(60_000);
    strictEqual(pushed.at(-1)?.endsWith(": "), true, "what is over is no longer told");
    const count = pushed.length;
    await clock.advance(300_000);
    strictEqual(pushed.length, count);
  });
});

Deno.test("only the leader tells, and tells anew when it leads again", async () => {
  const made = stand();
  const { clock, state, pushed } = made;
  state.canaries = [AT_30];
  await running(made, async () => {
    state.leads = false;
    await clock.advance(60_000);
    deepStrictEqual(pushed, []);
    state.leads = true;
    await clock.advance(5_000);
    state.leads = false;
    await clock.advance(60_000);
    state.leads = true;
    await clock.advance(5_000);
    strictEqual(pushed.length, 2);
  });
});

Deno.test("what cannot be written is said once, tried again every 30 s, and stops nothing", async () => {
  const made = stand();
  const { clock, state, pushed, logged } = made;
  state.canaries = [AT_30];
  state.fails = true;
  await running(made, async () => {
    await clock.advance(120_000);
    deepStrictEqual(logged, ["status-ref-failed refs/serin/status/east/main Error: no such right"]);
    state.fails = false;
    await clock.advance(35_000);
    strictEqual(pushed.length, 1);
  });
});

Deno.test("statusFiles() tells where a rollout is, and no credential that others' words hold", () => {
  const waitsFor = 'The push was refused: use https://ada:s3cret@git.example/x.git, "token=ghp_0123456789abcdef"';
  const files = statusFiles("east", [{ ...AT_30, waitsFor, name: "web" }, AT_30]);
  deepStrictEqual([...files.keys()], ["cluster.json", "prod/shop.json", "prod/web.json"]);
  deepStrictEqual(JSON.parse(files.get("prod/shop.json") ?? ""), {
    canary: "prod/shop",
    phase: "progressing",
    since: "2026-01-01T12:00:00.000Z",
    weight: 30,
    iterations: 0,
    failedChecks: 1,
    threshold: 5,
    revision: "7d9c",
    images: ["registry.example.com/shop:2.0.0"],
    usersAreOn: ["registry.example.com/shop:1.0.0"],
    gate: null,
    waitsFor: null,
  });
  const text = [...files.values()].join("");
  ok(!text.includes("s3cret") && !text.includes("ghp_") && text.includes("The push was refused"), text);
});

Deno.test("progressIn() takes what is in flight of its own sources", () => {
  const all = [["a", "idle", "one"], ["b", "progressing", "one"], ["c", "pushing", "two"], [
    "d",
    "new",
    "one",
  ]] as const;
  const summaries = all.map(([name, phase]): CanarySummary => ({ ...REST, ...AT_30, name, phase }));
  const agent = {
    canaries: () => summaries,
    canary: ({ name }: { readonly name: string }): CanaryDetail | undefined => {
      const summary = summaries.find((one) => one.name === name);
      const source = all.find(([other]) => other === name)?.[2] ?? "";
      return summary === undefined
        ? undefined
        : { ...DETAIL, ...summary, source: { name: source, file: "", commit: null } };
    },
  };
  deepStrictEqual(progressIn(agent, new Set(["one"])).map(({ name }) => name), ["b"]);
});

const REST = {
  flaggerPhase: "Progressing",
  provider: "kubernetes",
  target: "Deployment/shop",
  lock: null,
  stalled: null,
  paused: null,
  last: null,
} as const;
const DETAIL = { strategy: "", evidence: [], approvals: [], complaints: [], events: [] } as const;
