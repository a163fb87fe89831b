/**
 * `serin demo`: the main job on the embedded sandbox, in real time. A good release is pushed and promoted, a bad one is
 * pushed and reverted; what happens is told as it happens, and the repository is left to be read.
 */
import { jsonLines, type Load, startLoad } from "../sandbox/load/load_generator.ts";
import { type Program, startProgram } from "../program.ts";
import type { Clock } from "../ports/clock.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { VERSION } from "../version.ts";
import { type Clone, cloneRepository } from "./clone.ts";
import { Narrator } from "./narrator.ts";
import { CANARY, configFor, endpointOf, filesOf, HOST, MANIFEST, openSandbox, REPOSITORY } from "./stage.ts";

export interface DemoOptions {
  readonly clock: Clock;
  /** Folder for the repository and the logs; null: a new one in the system's temporary folder. */
  readonly dir: string | null;
  /** Leaves it all running after the story, until interrupted. */
  readonly keep: boolean;
  readonly print: (line: string) => void;
  readonly colour: boolean;
  /** Resolves when a person interrupts. */
  readonly interrupted: Promise<void>;
}

/** How long either rollout may take before the demo says that it failed. */
const ROLLOUT_MS_MAX = 40_000;
const LOAD_PER_SECOND = 40;

const FILES = new URL("../../fixtures/demo/", import.meta.url);

/** @returns the exit status: 0 when the good release was promoted and the bad one reverted */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { clock, print } = options;
  const dir = options.dir ?? await Deno.makeTempDir({ prefix: "serin-demo-" });
  await Deno.mkdir(dir, { recursive: true });
  const narrator = new Narrator({ clock, print, colour: options.colour });
  const token = crypto.randomUUID();
  const log = await Deno.open(`${dir}/agent.log`, { create: true, write: true, truncate: true });
  const sandbox = await openSandbox({ clock, dir, files: await filesOf(FILES) });
  const config = configFor(sandbox, {
    token: { name: "demo", hash: `sha256:${await sha256(token)}` },
    settings: "listen: 127.0.0.1:0\nflaggerMetrics: true\n",
  });
  const program = await startProgram({
    config,
    clock,
    endpoint: endpointOf(sandbox),
    identity: "serin-demo",
    version: VERSION,
    readText: (path) => Deno.readTextFile(path),
    write: (line) => void log.writeSync(new TextEncoder().encode(line)),
    overhear: (telling) => narrator.overhear(telling),
  });
  let load: Load | null = null;
  try {
    narrator.places([
      ["Page", `${program.url}/  (log in with the token ${token})`],
      ["Git", sandbox.git.urlOf(REPOSITORY)],
      ["Users ask", `${sandbox.mesh.gatewayUrl}  (Host: ${HOST})`],
      ["Agent's log", `${dir}/agent.log`],
    ]);
    await reach(program, clock, "initialised");
    load = startLoad({ url: sandbox.mesh.gatewayUrl, host: HOST, ratePerSecond: LOAD_PER_SECOND, clock });
    const clone = await cloneRepository(sandbox.git.urlOf(REPOSITORY), `${dir}/clone`);
    const told = await tell(program, { clock, narrator, clone, load });
    await Deno.writeTextFile(`${dir}/requests.jsonl`, jsonLines(load.log));
    if (told && options.keep) await keepRunning(options, { narrator, sandbox, program, dir });
    return told ? 0 : 1;
  } finally {
    await load?.stop();
    await program.stop();
    await sandbox.stop();
    log.close();
    narrator.ending(dir, `${dir}/server/${REPOSITORY}`);
  }
}

interface Story {
  readonly clock: Clock;
  readonly narrator: Narrator;
  readonly clone: Clone;
  readonly load: Load;
}

/** The story: one good bump, one bad. */
async function tell(program: Program, story: Story): Promise<boolean> {
  const { narrator, clone, clock, load } = story;
  narrator.chapter("A good release: 6.0.1 is pushed with a stock git push.");
  await clone.bump(MANIFEST, { from: ":6.0.0", to: ":6.0.1", message: "Bump podinfo to 6.0.1" });
  if (!await reach(program, clock, "succeeded")) return narrator.failed("6.0.1 was not promoted in time");
  const promotedAt = clock.now();
  await clone.pull();
  narrator.commit(await clone.git("log", "-1", "--format=%h %s"));

  narrator.chapter("A bad release: 6.0.2-bad answers half of its requests with an error.");
  await clone.bump(MANIFEST, { from: ":6.0.1", to: ":6.0.2-bad", message: "Bump podinfo to 6.0.2-bad" });
  if (!await reach(program, clock, "failed")) return narrator.failed("6.0.2-bad was not reverted in time");
  const revertedAt = clock.now();
  // A second of traffic, to show that users only meet the good release now.
  await clock.sleep(1000);
  await clone.pull();
  narrator.commit(await clone.git("log", "-1", "--format=%h %s"));
  narrator.served(load.log, { promotedAt, revertedAt });
  narrator.history(await clone.git("log", "--format=%h %an: %s", "--reverse"));
  return true;
}

/** Waits until the last rollout ended so and the canary rests. */
async function reach(program: Program, clock: Clock, outcome: string): Promise<boolean> {
  const giveUpAt = clock.monotonic() + ROLLOUT_MS_MAX;
  while (clock.monotonic() < giveUpAt) {
    const view = program.composed.agent.canary(CANARY);
    if (view?.phase === "idle" && view.last?.outcome === outcome) return true;
    await clock.sleep(50);
  }
  return false;
}

async function keepRunning(
  options: DemoOptions,
  parts: { readonly narrator: Narrator; readonly sandbox: Sandbox; readonly program: Program; readonly dir: string },
): Promise<void> {
  parts.narrator.chapter("It goes on until you press Ctrl-C.");
  parts.narrator.hint([
    `cd ${parts.dir}/clone && git pull`,
    `edit ${MANIFEST}: try 6.0.3, 6.0.4-slow, 6.0.5-flaky or 6.0.6-unready`,
    `git commit -am "Try it" && git push origin HEAD:main`,
  ]);
  await options.interrupted;
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
