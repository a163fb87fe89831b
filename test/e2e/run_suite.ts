/** One suite inside its namespace: its servers, its checks, and what it leaves for the checks over all suites. */
import { serverNamed } from "../servers/catalogue.ts";
import { install } from "../servers/install.ts";
import { Keeper, type Ways } from "./keep.ts";
import { Processes } from "./processes.ts";
import { Checks, type Suite } from "./suite.ts";

/** What a suite leaves, as JSON, to the process that began it. */
export interface Outcome {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly left: readonly { readonly kind: string; readonly value: unknown }[];
}

export interface RunSuiteOptions {
  /** How a person gets to what is kept; null where nothing is. */
  readonly ways: Ways | null;
  /** Resolves with Ctrl-C. */
  readonly interrupted: Promise<void>;
  /** Ends this process, once Ctrl-C has cut the suite short and all that it had started is down. */
  readonly cut: () => never;
  readonly say: (text: string) => void;
}

export async function runSuite(suite: Suite, options: RunSuiteOptions): Promise<Outcome> {
  const { ways, say } = options;
  say(`${suite.name}: ${suite.about}\n`);
  const checks = new Checks(say);
  const keeper = new Keeper(ways, options);
  const left: { readonly kind: string; readonly value: unknown }[] = [];
  const folder = await Deno.makeTempDir({ prefix: `serin-e2e-${suite.name}-` });
  const processes = new Processes(folder);
  void options.interrupted.then(async () => {
    if (keeper.hasKept) return;
    await processes.killAll();
    await Deno.remove(folder, { recursive: true });
    options.cut();
  });
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
      keeper,
    });
  } catch (error) {
    await checks.check("the suite ran to its end", () => Promise.reject(error));
  } finally {
    await processes.killAll();
  }
  if (ways !== null && !keeper.hasKept) say("  nothing was kept: this suite has no agent that stays up\n");
  if (checks.failures.length > 0) say(`  logs are in ${folder}\n`);
  else await Deno.remove(folder, { recursive: true });
  return { passed: checks.passed, failures: checks.failures, left };
}
