/** The table of target kinds, and the Services derived from a Canary. */
import type { TargetRef } from "../../src/core/canary.ts";
import { InvalidSpecError } from "../../src/errors.ts";
import type { WorkloadAdapter } from "../../src/ports/workload.ts";
import { deployment } from "./deployment.ts";

export { type PodSelector, selectorOf } from "./parts/selector.ts";
export { services, type ServicesOptions } from "./services.ts";

const ROWS: readonly WorkloadAdapter[] = [deployment];

/** Target kinds by id, "apps/v1/Deployment". */
export const workloads: ReadonlyMap<string, WorkloadAdapter> = new Map(ROWS.map((row) => [row.id, row]));

/** @throws {InvalidSpecError} no row knows the kind */
export function workloadFor(target: Pick<TargetRef, "apiVersion" | "kind">): WorkloadAdapter {
  const id = `${target.apiVersion}/${target.kind}`;
  const found = workloads.get(id);
  if (found !== undefined) return found;
  throw new InvalidSpecError(`Cannot run a canary of "${id}": the kind is not known`, {
    fix: `Use one of ${[...workloads.keys()].join(", ")}`,
  });
}
