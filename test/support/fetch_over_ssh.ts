/**
 * A fetch over SSH from a port where nobody listens, for what happens before: with no program, or no right to run it. Run
 * by itself it says what it met as JSON, so that a test can have it in a process with a PATH of its own.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { type GitRemoteOptions, openGitRemote } from "../../adapters/platform/git.ts";
import { RejectedError } from "../../src/errors.ts";
import { makeSshKey } from "./ssh_keys.ts";

/** What a refusal says; `reason` is of its data. */
export interface Refusal {
  readonly reason: unknown;
  readonly message: string;
  readonly fix: string;
}

/** null: the error is no refusal. */
export function refusalOf(error: unknown): Refusal | null {
  if (!(error instanceof RejectedError)) return null;
  return { reason: error.data["reason"], message: error.message, fix: error.fix ?? "" };
}

/** Never succeeds. */
export async function fetchOverSsh(): Promise<unknown> {
  const key = await makeSshKey();
  const options: GitRemoteOptions = {
    url: "ssh://git@127.0.0.1:1/fleet.git",
    branch: "main",
    clock: machineClock,
    access: { ssh: { privateKey: key.privateText, knownHosts: `[127.0.0.1]:1 ${key.publicText}\n` } },
  };
  const remote = openGitRemote(options);
  try {
    return await remote.fetch();
  } finally {
    await remote.close();
  }
}

if (import.meta.main) {
  const met = await fetchOverSsh().then(() => null, (error: unknown) => refusalOf(error) ?? String(error));
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(met)));
}
