/** The adapters, handed in by the composition root, so that the shell knows ports and no provider. */
import type { Canary } from "../core/canary.ts";
import type { KubeObject, ObjectRef } from "../core/kube_object.ts";
import type { EngineAdapter } from "../ports/engine.ts";
import type { GateAdapter } from "../ports/gate.ts";
import type { MetricsAdapter, PlanQuery } from "../ports/metrics.ts";
import type { NotifierAdapter } from "../ports/notifier.ts";
import type { RouterAdapter } from "../ports/router.ts";
import type { ScalerAdapter } from "../ports/scaler.ts";
import type { WorkloadAdapter } from "../ports/workload.ts";

/** Apex, -primary and -canary Services that must be written so that they are as they should be; none when they are. */
export type DerivedServices = (
  canary: Canary,
  options: {
    readonly apexSelects: "primary" | "target";
    /** The target's manifest, for its selector and ports. */
    readonly target: KubeObject;
    readonly live: readonly KubeObject[];
    /** The apex is to be its user's again: without our marks. */
    readonly handsBack?: boolean;
  },
) => readonly KubeObject[];

export interface Tables {
  readonly routers: ReadonlyMap<string, RouterAdapter>;
  readonly workloads: ReadonlyMap<string, WorkloadAdapter>;
  readonly scalers: ReadonlyMap<string, ScalerAdapter>;
  readonly engines: ReadonlyMap<string, EngineAdapter>;
  /** The objects that an engine's object takes its commits from, which must be asked to look first. */
  readonly engineSources: (owner: KubeObject) => readonly ObjectRef[];
  readonly metrics: ReadonlyMap<string, MetricsAdapter>;
  readonly notifiers: ReadonlyMap<string, NotifierAdapter>;
  readonly gate: GateAdapter;
  readonly planQuery: PlanQuery;
  readonly services: DerivedServices;
  /** Label key and value by which the target's Service selects its pods. */
  readonly selector: (target: KubeObject) => { readonly key: string; readonly value: string };
}
