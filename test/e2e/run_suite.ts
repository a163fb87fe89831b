/** One suite inside its namespace: its servers, its checks, and what it leaves for the checks over all suites. */
import { serverNamed } from "../servers/catalogue.ts";
import { install } from "../servers/install.ts";
import { Processes } from "./processes.ts";
import { Checks, type Suite } from "./suite.ts";

/** What a suite leaves, as JSON, to the process that began it. */
export interface Outcome {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly left: readonly { readonly kind: string; readonly value: unknown }[];
}

export interface RunSuiteOptions {
  readonly keep: boolean;
  readonly say: (text: string) => void;
}

export async function runSuite(suite: Suite, options: RunSuiteOptions): Promise<Outcome> {
  const { keep, say } = options;
  say(`${suite.name}: ${suite.about}\n`);
  const checks = new Checks(say);
  const left: { readonly kind: string; readonly value: unknown }[] = [];
  const folder = await Deno.makeTempDir({ prefix: `serin-e2e-${suite.name}-` });
  const processes = new Processes(folder);
  const programs = new Map<string, string>();
  for (const name of suite.servers) {
    for (const [file, path] of await install(serverNamed(name), { progress: say })) programs.set(file, path);
  }
  try {
    await suite.run({
      suite: suite.name,
      folder,
      programs,
      processes,
      checks,
      leave: (kind, value) => left.push({ kind, value }),
      keep: (how) => keep ? untilInterrupted(how, say) : Promise.resolve(),
    });
  } catch (error) {
    await checks.check("the suite ran to its end", () => Promise.reject(error));
  } finally {
    await processes.killAll();
  }
  if (checks.failures.length > 0) say(`  logs are in ${folder}\n`);
  else await Deno.remove(folder, { recursive: true });
  return { passed: checks.passed, failures: checks.failures, left };
}

/** The processes are in a namespace that only this one's id leads to. */
async function untilInterrupted(how: readonly string[], say: (text: string) => void): Promise<void> {
  const inside = `nsenter --target $(pgrep --full --newest "${Deno.mainModule.replace("file://", "")}") --net --mount`;
  say(`\nKept running until Ctrl-C. Before each command:\n  ${inside}\n${how.map((line) => `  ${line}\n`).join("")}`);
  const { promise, resolve } = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGINT", resolve);
  await promise;
  Deno.removeSignalListener("SIGINT", resolve);
}
