/**
 * A bot that pushes a failed release again every second, over real Git, on a clock that jumps over the waits: reverted
 * later each time and ten times a day, without traffic; then lifted by a person's edit, and by `serin retry`.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { parseStatusFile, statusPath } from "../../src/ledger/status_file.ts";
import { manifestOf } from "../support/app_files.ts";
import { fastClock } from "../support/fast_clock.ts";
import {
  bump,
  type FaultStage,
  gated,
  promoted,
  replicasOf,
  rests,
  SPEED,
  subjectsOf,
  told,
  usersOf,
  weightOf,
  withFaults,
} from "../support/fault_stage.ts";
import { JumpClock } from "../support/jump_clock.ts";
import { until } from "../support/until.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STATUS = statusPath("sandbox", { namespace: "demo", name: "shop" });

interface Bot {
  /** Its pushes so far. */
  readonly pushes: number;
  stop(): Promise<void>;
}

/** Looks every second; wherever the manifest does not say the tag, it pushes it. */
function startBot(stage: FaultStage, clock: JumpClock, tag: string): Bot {
  const end = new AbortController();
  let pushes = 0;
  const work = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const text = await stage.sandbox.git.read(REPOSITORY, manifestOf("shop")) ?? "";
      // A push that loses its race is made again a second later.
      const isMissing = !text.includes(`:${tag}`);
      if (isMissing) pushes += await bump(stage.sandbox, tag, "shop").then(() => 1, () => 0);
      await clock.sleep(1_000, end.signal).catch(() => undefined);
    }
  };
  const working = work();
  return {
    get pushes() {
      return pushes;
    },
    async stop() {
      end.abort();
      await working;
    },
  };
}

async function revertsIn(stage: FaultStage): Promise<number> {
  return (await subjectsOf(stage.sandbox)).filter((subject) => subject.startsWith("Revert demo/shop")).length;
}

async function entryOf(stage: FaultStage) {
  const parsed = parseStatusFile(await stage.sandbox.git.read(REPOSITORY, STATUS) ?? "");
  ok(parsed.type === "read", "the status file can be read");
  return parsed.value.quarantine[0];
}

async function reverted(stage: FaultStage, times: number): Promise<void> {
  await until(`${times} reverts`, async () => await revertsIn(stage) === times);
}

/** The bot has pushed again, the agent has seen it, and waits. */
async function waits(stage: FaultStage, bot: Bot, pushes: number, words: RegExp): Promise<void> {
  await until("the bot pushed again", () => bot.pushes >= pushes);
  await stage.of("shop").see(
    "it waits",
    (view) => view.phase === "idle" && words.test(`${view.waitsFor ?? ""} ${view.stalled ?? ""}`),
  );
}

Deno.test("a bot pushes a failed release again every second", async (t) => {
  const clock = new JumpClock(fastClock(SPEED, machineClock.now()));
  await withFaults({ clock, requestTimeoutMs: 15_000, apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const { sandbox, hooks } = stage;
    const shop = stage.of("shop");
    const load = usersOf(stage, "shop");
    const shares: number[] = [];
    hooks.reply("/shop/check", { status: 500, body: "bad release" });
    await bump(sandbox, "2.0.0", "shop");
    await reverted(stage, 1);
    await shop.see("failed", ({ phase, last }) => phase === "idle" && last?.outcome === "failed");
    const checks = hooks.on("/shop/check").length;
    const bot = startBot(stage, clock, "2.0.0");

    await t.step("each time it waits longer, then reverts: 1, 2, 4 ... 60 minutes", async () => {
      for (const [index, minutes] of [1, 2, 4, 8, 16, 32, 60, 60, 60].entries()) {
        const [soFar, delay] = [index + 1, minutes === 1 ? "a minute" : `${minutes} minutes`];
        await waits(stage, bot, soFar, new RegExp(`reverted again ${delay} after the last time`));
        strictEqual(await revertsIn(stage), soFar);
        const entry = await entryOf(stage);
        deepStrictEqual([entry?.reverts, entry?.recentReverts.length], [soFar, soFar]);
        shares.push(weightOf(sandbox, "shop"), replicasOf(sandbox, "shop"));
        clock.jump(minutes * MINUTE);
        await reverted(stage, soFar + 1);
      }
    });

    await t.step("after ten within a day it stops, says so once, and writes nothing more", async () => {
      await waits(stage, bot, 10, /reverted 10 times within a day \(10 in all\).*reverting stops for a day/);
      match(await sandbox.git.read(REPOSITORY, STATUS) ?? "", /reverts: 10\n[^]*nextRevertAt: /);
      const subjects = await subjectsOf(sandbox);
      clock.jump(20 * HOUR);
      const fetched = stage.composed.agent.sources()[0]?.fetchedAt ?? 0;
      await until("Git was read again", () => (stage.composed.agent.sources()[0]?.fetchedAt ?? 0) > fetched);
      strictEqual(shop.view()?.phase, "idle");
      deepStrictEqual(await subjectsOf(sandbox), subjects);
      strictEqual(told(stage, "shop", "stalled").length, 1);
    });

    await t.step("a day after the last one it begins anew", async () => {
      clock.jump(4 * HOUR);
      await reverted(stage, 11);
      await waits(stage, bot, 11, /reverted again a minute after the last time/);
      deepStrictEqual((await entryOf(stage))?.recentReverts.length, 1);
    });

    await t.step("no traffic was spent on it, and no user noticed", async () => {
      shares.push(weightOf(sandbox, "shop"), replicasOf(sandbox, "shop"));
      deepStrictEqual(shares.filter((share) => share !== 0), []);
      strictEqual(hooks.on("/shop/check").length, checks);
      strictEqual(told(stage, "shop", "started").length, 1);
      await rests(sandbox, "shop", "1.0.0");
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    });

    await t.step("a person who deletes its entry from the status file lifts it: it is analysed again", async () => {
      hooks.reply("/shop/check", { status: 200 });
      const text = await sandbox.git.read(REPOSITORY, STATUS) ?? "";
      const lifted = text.replace(/^ {2}quarantine:\n(?: {4}.*\n)+/m, "  quarantine: []\n");
      await sandbox.git.commit(REPOSITORY, { [STATUS]: lifted }, { message: "Let it go" });
      await shop.see("promoted", promoted("2.0.0"));
      strictEqual(await revertsIn(stage), 11);
      await bot.stop();
    });

    await t.step("serin retry lifts it too", async () => {
      hooks.reply("/shop/check", { status: 500, body: "bad release" });
      await bump(sandbox, "3.0.0", "shop");
      await reverted(stage, 12);
      const again = startBot(stage, clock, "3.0.0");
      await waits(stage, again, 1, /reverted again a minute after/);
      hooks.reply("/shop/check", { status: 200 });
      strictEqual((await shop.command({ type: "retry" })).type, "done");
      await shop.see("promoted", promoted("3.0.0"));
      strictEqual(await entryOf(stage), undefined);
      await again.stop();
      strictEqual(await revertsIn(stage), 12);
    });
  });
});
