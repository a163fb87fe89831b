/** `Canary.status` as Flagger's CRD has it, for tools that read it; the agent itself keeps its state elsewhere. */
import {
  field,
  int,
  listOf,
  mapOf,
  object,
  type ObjectSchema,
  oneOf,
  pattern,
  required,
  text,
} from "../schema/schema.ts";

const time = pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}T.+$", "a time");

const condition = object({
  type: required(text, "Type of the condition."),
  status: required(text, "True, False or Unknown."),
  reason: required(text, "The phase it stands for."),
  message: field(text, "The same in words."),
  lastUpdateTime: field(time, "When it was written."),
  lastTransitionTime: field(time, "When its status changed."),
});

/** The whole of `Canary.status`. */
export const canaryStatus: ObjectSchema = object({
  phase: field(
    oneOf(
      ...["", "Initializing", "Initialized", "Waiting", "Progressing", "WaitingPromotion", "Promoting", "Finalising"],
      ...["Succeeded", "Failed", "Terminating", "Terminated"],
    ),
    "Where the rollout is.",
  ),
  failedChecks: field(int(), "Failed checks so far."),
  canaryWeight: field(int(), "Percent of traffic on the canary."),
  iterations: field(int(), "Checks so far."),
  trackedConfigs: field(mapOf(text), "Hashes of tracked ConfigMaps and Secrets."),
  lastAppliedSpec: field(text, "The revision that was last rolled out."),
  lastPromotedSpec: field(text, "The revision that was last promoted."),
  lastTransitionTime: field(time, "When the status was last written."),
  sessionAffinityCookie: field(text, "Cookie of the canary."),
  primarySessionAffinityCookie: field(text, "Cookie of the primary."),
  previousSessionAffinityCookie: field(text, "Cookie of the rollout before."),
  conditions: field(listOf(condition), "Conditions."),
});
