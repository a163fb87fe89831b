/** An `AlertProvider` document in, the core's type or complaints out. */
import type { AlertProvider } from "../core/canary.ts";
import type { Complaint } from "../core/catalogue.ts";
import { stringAt } from "../core/kube_object.ts";
import { complaintsAbout, sourceOf, type SpecDocument } from "./complaints.ts";
import { apiOf, checkId, idOf, readSpec } from "./read_spec.ts";
import { alertProviderSpecOf } from "./schema_others.ts";

/** An alert provider, and what is wrong with it. */
export interface ParsedAlertProvider {
  /** null when there are errors. */
  readonly provider: AlertProvider | null;
  readonly complaints: readonly Complaint[];
}

/** Never throws; complaints name no canary. */
export function parseAlertProvider(document: SpecDocument): ParsedAlertProvider {
  const complaints = complaintsAbout(document, null);
  checkId(document, complaints);
  const api = apiOf(document, complaints);
  const spec = api === null ? undefined : readSpec(document, api, alertProviderSpecOf, complaints)?.spec;
  const id = idOf(document.value);
  if (spec === undefined || id === null || complaints.hasErrors()) {
    return { provider: null, complaints: complaints.all };
  }
  const provider: AlertProvider = {
    id,
    source: sourceOf(document),
    type: stringAt(spec, "type") ?? "",
    address: stringAt(spec, "address") ?? null,
    secretName: stringAt(spec, "secretRef", "name") ?? null,
    channel: stringAt(spec, "channel") ?? "general",
    username: stringAt(spec, "username") ?? "flagger",
    proxyUrl: stringAt(spec, "proxy") ?? null,
  };
  return { provider, complaints: complaints.all };
}
