/** A branch for people to go on from: made once, and never moved. */
import type { OfferResult, Oid } from "../../../src/ports/git.ts";
import { checkedBranch } from "./branch_name.ts";
import type { Connection } from "./connection.ts";
import { writePack } from "./pack.ts";
import type { MadeCommits } from "./push.ts";
import { isUpdated, NO_OID } from "./receive_pack.ts";

/**
 * Pushes made commits as a new branch.
 *
 * @param branch its short name
 * @throws {InvalidSpecError} the name cannot be that of a branch
 * @throws {UnavailableError} no answer
 */
export async function offerCommits(
  connection: Connection,
  branch: string,
  made: MadeCommits,
  signal: AbortSignal | undefined,
): Promise<OfferResult> {
  const ref = `refs/heads/${checkedBranch(branch)}`;
  const to: Oid | undefined = made.commits.at(-1);
  if (to === undefined) return { type: "refused", reason: "there is nothing to offer" };
  if (await connection.refTip(ref, signal) !== undefined) return { type: "there" };
  const pack = writePack(made.objects.fresh.values());
  const report = await connection.send([{ ref, from: NO_OID, to }], pack, signal);
  if (isUpdated(report, ref)) return { type: "made" };
  return { type: "refused", reason: report.refs.get(ref) ?? report.unpack };
}
