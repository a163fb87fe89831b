/**
 * `deno task servers [NAME ...]`: builds or unpacks the real servers that the end-to-end suites run, all unless named,
 * and prints where they are. A second run takes a moment.
 */
import { serverNamed, SERVERS } from "./catalogue.ts";
import { MissingToolError } from "./commands.ts";
import { cacheFolder, install } from "./install.ts";

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

/** @returns the exit status: 0 when everything is there, 3 when a tool is missing */
async function main(names: readonly string[]): Promise<number> {
  const wanted = names.length === 0 ? SERVERS : names.map(serverNamed);
  let missing = 0;
  for (const server of wanted) {
    try {
      const installed = await install(server, { progress: say });
      for (const [name, path] of installed) say(`${name} ${path}\n`);
    } catch (error) {
      if (!(error instanceof MissingToolError)) throw error;
      missing++;
      say(`${server.name}: left out: ${error.message}\n`);
    }
  }
  say(`${wanted.length - missing} of ${wanted.length} servers are in ${cacheFolder()}\n`);
  return missing === 0 ? 0 : 3;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
