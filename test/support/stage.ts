/**
 * A whole stage for wire tests: sandbox, repository, agent in this process, and a person with a clone. What was
 * announced and logged is kept, so that a test can say what the user saw.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import type { Announcement } from "../../src/core/action.ts";
import { type Clone, cloneRepository } from "../../src/demo/clone.ts";
import { CANARY, filesOf, HOST, REPOSITORY, setStage, type Stage } from "../../src/demo/stage.ts";
import type { CanaryDetail } from "../../src/ports/agent.ts";
import { type Load, startLoad } from "../../src/sandbox/load/load_generator.ts";
import type { Telling } from "../../src/shell/telling.ts";
import { until } from "./until.ts";

export const DEMO_FILES = new URL("../../fixtures/demo/", import.meta.url);

export interface TestStage extends Stage {
  readonly announced: readonly Announcement[];
  readonly logged: readonly {
    readonly level: string;
    readonly event: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
  readonly clone: Clone;
  readonly dir: string;
  /** The demo's canary as the API shows it. */
  view(): CanaryDetail | undefined;
  /** Waits until the canary's view fulfils a condition; its view is in the error when it does not in time. */
  see(what: string, condition: (view: CanaryDetail) => boolean, timeoutMs?: number): Promise<CanaryDetail>;
  /** Real requests to the demo's host through the gateway. */
  load(ratePerSecond?: number): Load;
}

export interface TestStageOptions {
  /** The repository's first commit; the demo's files unless told otherwise. */
  readonly files?: Readonly<Record<string, string>>;
  /** Replaces text in the demo's files: path to pairs of from and to. */
  readonly change?: Readonly<Record<string, readonly (readonly [string, string])[]>>;
  readonly settings?: string;
  /** Waits for the first start before the body runs; true unless told otherwise. */
  readonly initialised?: boolean;
}

export async function withStage(options: TestStageOptions, body: (stage: TestStage) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  const files = { ...(options.files ?? await filesOf(DEMO_FILES)) };
  for (const [path, pairs] of Object.entries(options.change ?? {})) {
    for (const [from, to] of pairs) files[path] = (files[path] ?? "").replaceAll(from, to);
  }
  const announced: Announcement[] = [];
  const logged: TestStage["logged"][number][] = [];
  const stage = await setStage({
    clock: machineClock,
    dir,
    files,
    token: { name: "robin", hash: `sha256:${"0".repeat(64)}` },
    telling: () => remembering(announced, logged),
    ...(options.settings === undefined ? {} : { settings: options.settings }),
  });
  const loads: Load[] = [];
  try {
    const view = (): CanaryDetail | undefined => stage.composed.agent.canary(CANARY);
    const see: TestStage["see"] = async (what, condition, timeoutMs = 30_000) => {
      const met = (): boolean => {
        const seen = view();
        return seen !== undefined && condition(seen);
      };
      await until(what, met, timeoutMs).catch((error) => {
        const said = announced.map((one) => one.message).join(" | ");
        throw new Error(`${error.message}; the canary is ${JSON.stringify(view(), null, 2)}; announced: ${said}`);
      });
      return view() ?? missing();
    };
    if (options.initialised ?? true) {
      await see("initialised", (seen) => seen.last?.outcome === "initialised" && seen.phase === "idle");
    }
    const clone = await cloneRepository(stage.sandbox.git.urlOf(REPOSITORY), `${dir}/clone`);
    const load = (ratePerSecond = 40): Load => {
      const started = startLoad({ url: stage.sandbox.mesh.gatewayUrl, host: HOST, ratePerSecond, clock: machineClock });
      loads.push(started);
      return started;
    };
    await body({ ...stage, announced, logged, clone, dir, view, see, load });
  } finally {
    for (const load of loads) await load.stop();
    await stage.close();
    await Deno.remove(dir, { recursive: true });
  }
}

function missing(): CanaryDetail {
  throw new Error("the agent does not know the canary yet");
}

function remembering(announced: Announcement[], logged: TestStage["logged"][number][]): Telling {
  return {
    announce(_canary, _state, announcement) {
      announced.push(announcement);
      return Promise.resolve();
    },
    measured: () => {},
    turned: () => {},
    forgotten: () => {},
    recent: () => [],
    log: (level, event, fields) => void logged.push({ level, event, fields }),
  };
}
