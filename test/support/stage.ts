/**
 * A whole stage for wire tests: sandbox, repository, agent in this process, and a person with a clone. What was
 * announced and logged is kept, so that a test can say what the user saw; alerts and event hooks really go out.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { emitEvent } from "../../adapters/platform/kube/events.ts";
import type { Announcement } from "../../src/core/action.ts";
import { type CanaryId, canaryKey } from "../../src/core/canary.ts";
import type { Command } from "../../src/core/command.ts";
import { type Clone, cloneRepository } from "../../src/demo/clone.ts";
import { CANARY, filesOf, HOST, REPOSITORY, setStage, type Stage, type StageOptions } from "../../src/demo/stage.ts";
import type { CanaryDetail, CommandAnswer } from "../../src/ports/agent.ts";
import type { Cluster } from "../../src/ports/cluster.ts";
import type { Http } from "../../src/ports/http.ts";
import { type Load, type LoadOptions, startLoad } from "../../src/sandbox/load/load_generator.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { readSecret } from "../../src/shell/answers.ts";
import type { Tables } from "../../src/shell/tables.ts";
import type { Telling } from "../../src/shell/telling.ts";
import { createAnnouncer } from "../../src/telemetry/announce.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { until } from "./until.ts";

export const DEMO_FILES = new URL("../../fixtures/demo/", import.meta.url);

export interface Announced extends Announcement {
  readonly canary: string;
  readonly atMs: number;
}

/** One canary of a stage, as a test looks at it. */
export interface Watched {
  readonly id: CanaryId;
  /** As the API shows it. */
  view(): CanaryDetail | undefined;
  /** Waits until the view fulfils a condition; the view is in the error when it does not in time. */
  see(what: string, condition: (view: CanaryDetail) => boolean, timeoutMs?: number): Promise<CanaryDetail>;
  announced(): readonly Announced[];
  command(command: Partial<Command> & Pick<Command, "type">): Promise<CommandAnswer>;
}

export interface TestStage extends Stage, Pick<Watched, "view" | "see"> {
  readonly announced: readonly Announced[];
  readonly logged: readonly {
    readonly level: string;
    readonly event: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
  readonly clone: Clone;
  readonly dir: string;
  /** A canary of the stage by name, in the demo's namespace unless told otherwise. */
  of(name: string, namespace?: string): Watched;
  /** Real requests to the demo's host through the gateway. */
  load(ratePerSecond?: number): Load;
  /** Real requests to any host; through the gateway unless told otherwise. Ended with the stage. */
  loadOn(options: Partial<LoadOptions> & { readonly host: string }): Load;
}

export interface TestStageOptions extends
  Partial<
    Pick<
      StageOptions,
      "clock" | "requestTimeoutMs" | "kustomize" | "settings" | "cluster" | "engine" | "repositoryUrl" | "sandbox"
    >
  > {
  /** What happens in the cluster before the agent starts; what it returns is done before the sandbox ends. */
  readonly prepare?: (sandbox: Sandbox) => Promise<Leave> | Leave;
  /** The repository's first commit; the demo's files unless told otherwise. */
  readonly files?: Readonly<Record<string, string>>;
  /** Replaces text in the demo's files: path to pairs of from and to. */
  readonly change?: Readonly<Record<string, readonly (readonly [string, string])[]>>;
  /** Names of canaries whose first start is waited for before the body runs; the demo's unless told otherwise. */
  readonly initialised?: boolean | readonly string[];
}

type Leave = (() => Promise<void>) | void;

export async function withStage(options: TestStageOptions, body: (stage: TestStage) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  const { files: given, change, initialised = true, prepare, ...rest } = options;
  const files = { ...(given ?? await filesOf(DEMO_FILES)) };
  for (const [path, pairs] of Object.entries(change ?? {})) {
    for (const [from, to] of pairs) files[path] = (files[path] ?? "").replaceAll(from, to);
  }
  const announced: Announced[] = [];
  const logged: TestStage["logged"][number][] = [];
  const end = new AbortController();
  const loads: Load[] = [];
  let stage: Stage | undefined;
  const leaving: (() => Promise<void>)[] = [];
  try {
    const set = await setStage({
      clock: machineClock,
      dir,
      files,
      token: { name: "robin", hash: `sha256:${"0".repeat(64)}` },
      prepare: async (sandbox) => {
        const leave = await prepare?.(sandbox);
        if (typeof leave === "function") leaving.push(leave);
      },
      telling: (clients) => remembering(announced, logged, { ...clients, signal: end.signal }),
      ...rest,
    });
    stage = set;
    const of = (name: string, namespace = CANARY.namespace): Watched => watched(set, { namespace, name }, announced);
    const names = initialised === true ? [CANARY.name] : initialised === false ? [] : initialised;
    await Promise.all(
      names.map((name) =>
        of(name).see("initialised", (seen) => seen.last?.outcome === "initialised" && seen.phase === "idle")
      ),
    );
    const url = options.repositoryUrl ?? set.sandbox.git.urlOf(REPOSITORY);
    const clone = await cloneRepository(url, `${dir}/clone`);
    const loadOn: TestStage["loadOn"] = (wanted) => {
      const started = startLoad({
        url: set.sandbox.mesh.gatewayUrl,
        ratePerSecond: 40,
        // On a busy machine fewer requests, not a pile of open connections.
        waitsAt: 16,
        clock: machineClock,
        ...wanted,
      });
      loads.push(started);
      return started;
    };
    const { view, see } = of(CANARY.name);
    await body({
      sandbox: set.sandbox,
      config: set.config,
      get composed() {
        return set.composed;
      },
      stopAgent: () => set.stopAgent(),
      startAgent: () => set.startAgent(),
      close: () => set.close(),
      announced,
      logged,
      clone,
      dir,
      view,
      see,
      of,
      loadOn,
      load: (ratePerSecond = 40) => loadOn({ host: HOST, ratePerSecond }),
    });
  } finally {
    for (const load of loads) await load.stop();
    end.abort();
    for (const leave of leaving) await leave();
    await stage?.close();
    await Deno.remove(dir, { recursive: true });
  }
}

function watched(stage: Stage, id: CanaryId, announced: readonly Announced[]): Watched {
  const view = (): CanaryDetail | undefined => stage.composed.agent.canary(id);
  const said = () => announced.filter(({ canary }) => canary === canaryKey(id));
  return {
    id,
    view,
    announced: said,
    async see(what, condition, timeoutMs = 60_000) {
      let last: CanaryDetail | undefined;
      const met = (): boolean => {
        const seen = view();
        if (seen !== undefined) last = seen;
        return seen !== undefined && condition(seen);
      };
      await until(what, met, timeoutMs).catch((error) => {
        const messages = said().map((one) => one.message).join(" | ");
        throw new Error(
          `${canaryKey(id)}: ${error.message}; it is ${JSON.stringify(last, null, 2)}; announced: ${messages}`,
        );
      });
      if (last === undefined) throw new Error("the agent does not know the canary yet");
      return last;
    },
    command: (command) =>
      stage.composed.agent.command(id, { by: "robin", reason: "", revision: null, gate: null, ...command }),
  };
}

function remembering(
  announced: Announced[],
  logged: TestStage["logged"][number][],
  parts: { readonly cluster: Cluster; readonly http: Http; readonly tables: Tables; readonly signal: AbortSignal },
): Telling {
  const { cluster, http, tables, signal } = parts;
  const announcer = createAnnouncer({
    clock: machineClock,
    log: createLog({ clock: machineClock, write: () => {} }),
    http,
    gate: tables.gate,
    notifiers: tables.notifiers,
    emitEvent: (note, aborted) => emitEvent(cluster, note, aborted).then(() => undefined),
    readSecret: (ref, aborted) => readSecret(cluster, ref, aborted),
    globalNotifier: null,
    clusterName: "sandbox",
    signal,
  });
  return {
    async announce(canary, state, announcement) {
      // After a turn that failed half way it is told again under the same id; people hear it once.
      if (!announced.some(({ id }) => id === announcement.id)) {
        announced.push({ ...announcement, canary: canaryKey(canary.id), atMs: machineClock.now() });
      }
      await announcer.announce(canary, state, announcement);
    },
    measured: () => {},
    turned: () => {},
    fetched: () => {},
    pushed: () => {},
    forgotten: () => {},
    recent: (key) => announcer.recent(key),
    log: (level, event, fields) => void logged.push({ level, event, fields }),
  };
}
