/** What a Canary is read against: the build's capabilities, and the templates and alert providers beside it in Git. */
import type { AlertProvider, CanaryId, MetricTemplate } from "../core/canary.ts";
import type { Capabilities } from "./capabilities.ts";

/** Something that a Canary refers to, by name. `known` names what there is, for messages: "namespace/name". */
export type Resolved<T> =
  | { readonly type: "found"; readonly value: T }
  | {
    readonly type: "broken";
    readonly why: "has errors" | "is declared twice";
    readonly file: string;
    readonly line: number;
  }
  | { readonly type: "missing"; readonly known: readonly string[] };

/** All that parsing a Canary depends on besides its document. */
export interface SpecContext {
  readonly capabilities: Capabilities;
  readonly template: (id: CanaryId) => Resolved<MetricTemplate>;
  readonly alertProvider: (id: CanaryId) => Resolved<AlertProvider>;
}
