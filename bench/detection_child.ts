/**
 * Follows a repository as the agent does, in a process of its own, so that its memory can be told. Each line on standard
 * input is one look; what it took and whether the tip moved is written as a line of JSON.
 */
import { machineClock } from "../adapters/platform/clock.ts";
import { openGitRemote } from "../adapters/platform/git.ts";
import { capabilitiesOf } from "../src/compose.ts";
import { createSource } from "../src/shell/source.ts";

const [url = ""] = Deno.args;
const remote = openGitRemote({ url, branch: "main", clock: machineClock });
const source = createSource({
  name: "fleet",
  remote,
  clock: machineClock,
  pollMs: 3_600_000,
  paths: [],
  cluster: "sandbox",
  capabilities: capabilitiesOf({ provider: "gatewayapi:v1", metricsServer: "http://127.0.0.1:9", profiles: new Map() }),
});
let told: readonly string[] = [];
source.onChange((keys) => {
  told = keys;
});
const encoder = new TextEncoder();
for await (const _ of Deno.stdin.readable) {
  told = [];
  const startedAt = performance.now();
  await source.poll();
  const ms = performance.now() - startedAt;
  const { commit, problem, catalogue } = source.view;
  const line = { ms, commit, problem, told: told.length, canaries: catalogue?.entries.size ?? 0 };
  Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(line)}\n`));
}
await remote.close();
