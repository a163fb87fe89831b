/**
 * The agent with 500, 2,000 and 5,000 canaries on a real control plane. Enters a namespace of its own, where everything
 * runs; the first run of a size lays the estate out, which takes minutes, and keeps it for later ones.
 */
import { checkNamespaces, runInside } from "../test/e2e/namespace.ts";
import { serverNamed } from "../test/servers/catalogue.ts";
import { runTool } from "../test/servers/commands.ts";
import { install } from "../test/servers/install.ts";
import type { Row } from "./report.ts";
import { SERVERS } from "./scale/inside.ts";

const SIZES = [500, 2_000, 5_000];
const INSIDE = new URL("scale/inside.ts", import.meta.url).href;

/** @param sizes how many canaries; all three sizes unless told otherwise */
export async function scale(sizes: readonly number[] = SIZES): Promise<readonly Row[]> {
  await checkNamespaces();
  for (const name of SERVERS) {
    await install(serverNamed(name), { progress: say });
  }
  const root = new URL("../", import.meta.url);
  await runTool(Deno.execPath(), ["cache", "--frozen", "src/main.ts", INSIDE], { cwd: root });
  const rows: Row[] = [];
  for (const size of sizes) {
    const file = await Deno.makeTempFile({ prefix: "serin-bench-", suffix: ".json" });
    const status = await runInside(INSIDE, [String(size), file], { told: (line) => say(`${line}\n`) });
    if (status !== 0) throw new Error(`The measurement of ${size} canaries ended with status ${status}`);
    rows.push(...JSON.parse(await Deno.readTextFile(file)));
    await Deno.remove(file);
  }
  return rows;
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}
