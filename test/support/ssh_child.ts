/** A process with few permissions that fetches and pushes over SSH, told how on its standard input. */
import { machineClock } from "../../adapters/platform/clock.ts";
import { openGitRemote } from "../../adapters/platform/git.ts";

const { url, ssh } = await new Response(Deno.stdin.readable).json();
const remote = openGitRemote({ url, branch: "main", clock: machineClock, access: { ssh } });
const base = await remote.fetch();
const edits = [{ path: "new.yaml", content: new TextEncoder().encode("a: 1\n") }];
const author = { name: "Serin", email: "serin@example.com" };
const result = await remote.push(base, [{ message: "Note", author, timeMs: 0, edits }]);
await remote.close();
Deno.stdout.writeSync(new TextEncoder().encode(`${(await base.files()).length} files, ${result.type}`));
