/**
 * The other side of a crowd, in a process of its own, so that the writer under test takes no time from it: the Git server,
 * and somebody who pushes. Its address is the first line that it writes; a number on its standard input starts somebody
 * who pushes every so many milliseconds, "stop" ends that, and what came of it is the next line, as JSON.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { startGitServer } from "../../src/sandbox/git/git_server.ts";
import { type Rival, startRival } from "./rival.ts";

const [dir = "", repository = ""] = Deno.args;
const server = startGitServer({ dir: `${dir}/server`, clock: machineClock });
const url = server.urlOf(repository);
let rival: Rival | undefined;
let rivals = 0;
say(url);
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const order = chunk.trim();
  if (order !== "stop") {
    rival = await startRival(url, `${dir}/rival-${rivals++}`, Number(order));
    say("started");
    continue;
  }
  say(JSON.stringify(await rival?.stop()));
  rival = undefined;
}
await rival?.stop();
await server.stop();

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
