/** What the agent takes on a stand with many canaries: from its start to rest, at rest, and while a tenth progress. */
import { machineClock } from "../../adapters/platform/clock.ts";
import { cloneRepository } from "../../src/demo/clone.ts";
import { type Asked, askedByAgent, beyondIdle, tally } from "../../test/e2e/audit.ts";
import { type InstalledAgent, startAgent } from "../../test/e2e/servers/agent.ts";
import { startPrometheus } from "../../test/e2e/servers/prometheus.ts";
import { until } from "../../test/support/until.ts";
import { ageMsOf, cpuMsOf, memoryOf } from "../process_figures.ts";
import type { Row } from "../report.ts";
import { deploymentPath, shopName } from "../../test/support/fleet_files.ts";
import { sendHint, WEBHOOK_SECRET } from "../stand.ts";
import { deploymentOf } from "./estate.ts";
import type { Share } from "./gateway.ts";
import { REPOSITORY, type Stand, type StandOptions } from "./stand.ts";

const IDLE_MS = 60_000;
const HINTS = 5;
/** Time for the first shares of a tenth of all. */
const FIRST_SHARES_MS = 90_000;
const PROGRESS_MS = 45_000;
/** As often as a Prometheus would ask. */
const SCRAPE_MS = 15_000;
const REST_MS_MAX = 240_000;

export async function measure(stand: Stand, options: StandOptions): Promise<readonly Row[]> {
  const { folder, programs, processes, canaries, say } = options;
  const prometheus = await startPrometheus({
    processes,
    programs,
    folder,
    podsUrl: "http://127.0.0.1:9/",
    targets: {},
  });
  await stand.quiet();
  await Deno.writeTextFile(`${folder}/webhook`, WEBHOOK_SECRET);
  const { git, plane } = stand;
  const hosts = [git.url, prometheus.url].map((url) => new URL(url).host);
  const settings = `provider: gatewayapi:v1
metricsServer: ${prometheus.url}
engine: self
secrets: { copy: false }
sources:
  - name: fleet
    url: ${git.urlOf(REPOSITORY)}
    branch: main
    pollInterval: 30s
    webhookSecretFile: ${folder}/webhook
`;
  const agent = await startAgent({ processes, plane, folder, settings, allowedHosts: hosts });
  const rows: Row[] = [];
  const add = (what: string, unit: Row["unit"], values: readonly number[], promised?: string): void => {
    rows.push({
      benchmark: "e2e",
      what: `${canaries} canaries: ${what}`,
      unit,
      values,
      ...(promised === undefined ? {} : { promised }),
    });
    say(`${what}: ${values.map((value) => value.toFixed(2)).join(", ")} ${unit}\n`);
  };
  const watched = { stand, agent, add, say, folder, canaries };
  await starting(watched);
  const scrapes = startScrapes(agent.url);
  try {
    await idling(watched);
    await hinting(watched);
    await progressing(watched);
  } finally {
    add("a scrape of /metrics", "ms", await scrapes.stop());
  }
  const memory = await memoryOf(agent.running.pid);
  add("peak memory of the agent in all", "MiB", [memory.peak]);
  return rows;
}

interface Watched {
  readonly stand: Stand;
  readonly agent: InstalledAgent;
  readonly add: (what: string, unit: Row["unit"], values: readonly number[], promised?: string) => void;
  readonly say: (line: string) => void;
  readonly folder: string;
  readonly canaries: number;
}

async function starting({ agent, add, canaries, stand, say }: Watched): Promise<void> {
  const { pid } = agent.running;
  add("spawn to ready", "ms", [await ageMsOf(pid)], "under 60 s with 5,000");
  const ready = await memoryOf(pid);
  add("peak memory when ready", "MiB", [ready.peak]);
  await restOf(pid);
  add("spawn to rest, all looked at", "ms", [await ageMsOf(pid)]);
  const memory = await memoryOf(pid);
  add("peak memory until at rest", "MiB", [memory.peak], "at most 300 with 5,000");
  add("memory at rest", "MiB", [memory.now]);
  add("processor time of the agent for it", "ms", [await cpuMsOf(pid)]);
  const response = await fetch(`${agent.url}/api/v1/canaries`, {
    headers: { authorization: `Bearer ${agent.apiToken}` },
  });
  const { canaries: list } = await response.json();
  const atRest = list.filter((one: { readonly phase: string; readonly stalled: string | null }) =>
    one.phase === "idle" && one.stalled === null
  );
  if (atRest.length !== canaries) {
    throw new Error(`Only ${atRest.length} of ${list.length} are at rest: ${JSON.stringify(list[0]).slice(0, 600)}`);
  }
  const written = (await askedByAgent(stand.plane.auditLog)).filter(({ verb, resource }) =>
    !["get", "list", "watch"].includes(verb) && resource !== "leases"
  );
  say(`requests from spawn to rest: ${tally(await askedByAgent(stand.plane.auditLog))}\n`);
  if (written.length > 0) throw new Error(`The estate was not in order: ${tally(written)}`);
}

/** Less than a twentieth of a core for three seconds. */
async function restOf(pid: number): Promise<void> {
  const endMs = machineClock.monotonic() + REST_MS_MAX;
  for (let before = await cpuMsOf(pid), calm = 0; calm < 6;) {
    await machineClock.sleep(500);
    const now = await cpuMsOf(pid);
    calm = now - before <= 25 ? calm + 1 : 0;
    before = now;
    if (machineClock.monotonic() > endMs) throw new Error("The agent does not come to rest");
  }
}

interface Used {
  readonly agent: number;
  readonly apiserver: number;
  readonly etcd: number;
}

async function used({ stand, agent }: Watched): Promise<Used> {
  const [own, apiserver, etcd] = await Promise.all(
    [agent.running.pid, stand.pidOf("kube-apiserver"), stand.pidOf("etcd")].map(cpuMsOf),
  );
  return { agent: own ?? 0, apiserver: apiserver ?? 0, etcd: etcd ?? 0 };
}

function addUsed(
  { add }: Watched,
  where: string,
  spent: { readonly from: Used; readonly to: Used; readonly ms: number },
) {
  for (const name of ["agent", "apiserver", "etcd"] as const) {
    add(`processor of ${name}, ${where}`, "cores", [(spent.to[name] - spent.from[name]) / spent.ms]);
  }
}

async function idling(watched: Watched): Promise<void> {
  const { stand, agent, add, say } = watched;
  const fromMs = machineClock.now();
  const from = await used(watched);
  await machineClock.sleep(IDLE_MS);
  addUsed(watched, "idle", { from, to: await used(watched), ms: IDLE_MS });
  const asked = (await askedByAgent(stand.plane.auditLog)).filter(({ atMs }) => atMs >= fromMs);
  const beyond = beyondIdle(asked, fromMs, fromMs + IDLE_MS);
  add("API requests idle for a minute, beyond Lease and watches", "requests", [beyond.length], "0");
  add("Lease renewals and watches opened anew, a minute", "requests", [asked.length - beyond.length]);
  say(`idle: ${tally(asked)}\n`);
  const memory = await memoryOf(agent.running.pid);
  add("memory after a minute at rest", "MiB", [memory.now]);
}

async function hinting({ stand, agent, add, folder }: Watched): Promise<void> {
  const clone = await cloneRepository(stand.git.urlOf(REPOSITORY), `${folder}/clone`);
  const begun: number[] = [];
  const scaled: number[] = [];
  for (let index = 0; index < HINTS; index += 1) {
    const name = shopName(index);
    await clone.bump(deploymentPath(index), { from: ":6.0.0", to: ":6.0.1", message: `Bump ${name}` });
    const atMs = machineClock.now();
    await sendHint(agent.url);
    const first = async (named: string, verb: string): Promise<Asked | undefined> =>
      (await askedByAgent(stand.plane.auditLog)).find((one) =>
        one.atMs >= atMs && one.name === named && one.verb === verb
      );
    await until("the rollout has begun", async () => {
      await machineClock.sleep(250);
      return await first(`serin-${name}`, "update") !== undefined && await first(name, "patch") !== undefined;
    }, 60_000);
    begun.push((await first(`serin-${name}`, "update"))?.atMs ?? NaN);
    scaled.push((await first(name, "patch"))?.atMs ?? NaN);
    begun[index] = (begun[index] ?? NaN) - atMs;
    scaled[index] = (scaled[index] ?? NaN) - atMs;
    await machineClock.sleep(1_000);
  }
  add("hint to rollout begun (its state saved)", "ms", begun, "under 2 s with 5,000");
  add("hint to the target's first write", "ms", scaled);
}

async function progressing(watched: Watched): Promise<void> {
  const { stand, agent, add, say, canaries } = watched;
  const count = canaries / 10;
  const indices = Array.from({ length: count }, (_, at) => canaries - 1 - at);
  const bumped = new Set(indices.map(shopName));
  const files = Object.fromEntries(
    indices.map((index) => [deploymentPath(index), deploymentOf(index, "6.0.1")]),
  );
  const sharesFrom = stand.gateway.shares.length;
  const readiesFrom = stand.gateway.readies.length;
  await stand.git.commit(REPOSITORY, files);
  const bumpedMs = machineClock.now();
  await sendHint(agent.url);
  const shares = (): readonly Share[] =>
    stand.gateway.shares.slice(sharesFrom).filter(({ name, weight }) => bumped.has(name) && weight > 0);
  const have = (): number => new Set(shares().map(({ name }) => name)).size;
  const all = async (): Promise<boolean> => have() >= count || (await machineClock.sleep(200), false);
  await until("all have a share", all, FIRST_SHARES_MS).catch(() => say(`only ${have()} of ${count} have a share\n`));
  const fromMs = machineClock.now();
  const from = await used(watched);
  await machineClock.sleep(PROGRESS_MS);
  const toMs = machineClock.now();
  addUsed(watched, "a tenth progressing", { from, to: await used(watched), ms: toMs - fromMs });
  const readies = new Map(stand.gateway.readies.slice(readiesFrom).map(({ name, atMs }) => [name, atMs]));
  const moves = Map.groupBy(shares(), ({ name }) => name);
  const firsts = [...moves.values()].flatMap(([first]) => first === undefined ? [] : [first]);
  add(`of ${count} bumped at once have a share`, "canaries", [moves.size], `${count}`);
  add("bump to first share", "ms", firsts.map(({ atMs }) => atMs - bumpedMs));
  add(
    "pods ready to first share",
    "ms",
    firsts.map(({ name, atMs }) => atMs - (readies.get(name) ?? NaN)),
    "under 10 s",
  );
  const gaps = [...moves.values()].flatMap((list) =>
    list.slice(1).map(({ atMs }, at) => atMs - (list[at]?.atMs ?? NaN))
  );
  add("from one share to the next, interval 10 s", "ms", gaps, "10 s");
  const asked = await askedByAgent(stand.plane.auditLog);
  const beyond = beyondIdle(asked, fromMs, toMs);
  // Those that were hinted at move on meanwhile.
  const moved = stand.gateway.shares.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;
  add("API requests a weight step", "requests", [beyond.length / moved], "at most 4");
  add("API requests a minute, a tenth progressing", "requests", [60_000 * beyond.length / (toMs - fromMs)]);
  say(`a tenth progressing, ${moved} steps: ${tally(beyond)}\n`);
  add("memory while a tenth progress", "MiB", [(await memoryOf(agent.running.pid)).now]);
}

/** Scrapes of the agent's own series, with how long each took. */
function startScrapes(url: string): { stop(): Promise<readonly number[]> } {
  const end = new AbortController();
  const took: number[] = [];
  const work = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const startedAt = performance.now();
      await (await fetch(`${url}/metrics`)).arrayBuffer();
      took.push(performance.now() - startedAt);
      await machineClock.sleep(SCRAPE_MS, end.signal).catch(() => undefined);
    }
  };
  const running = work();
  return {
    async stop() {
      end.abort();
      await running;
      return took;
    },
  };
}
