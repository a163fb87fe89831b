/** Kubernetes events, the short notes that `kubectl describe` shows with an object. One request each, never updated. */
import type { JsonObject, KubeObject, ObjectRef } from "../../../src/core/kube_object.ts";
import { ConflictError } from "../../../src/errors.ts";
import type { Cluster } from "../../../src/ports/cluster.ts";
import { NotFoundError } from "./status_errors.ts";

/** What is said about an object, once. */
export interface EventDraft {
  readonly regarding: ObjectRef & { readonly uid?: string };
  readonly type: "Normal" | "Warning";
  /** One word in CamelCase, why this is said. */
  readonly reason: string;
  /** A sentence; cut at 1024 characters. */
  readonly message: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

const COMPONENT = "serin";
const MESSAGE_CHARS_MAX = 1024;
const NAME_CHARS_MAX = 253;

/**
 * Writes an event. Its name follows from what it says and when, so that saying it again after a crash, with the same
 * time, writes it only once.
 *
 * @throws {RejectedError} no right to create events, or their namespace is being deleted
 * @throws {UnavailableError} the server does not answer
 */
export async function emitEvent(
  cluster: Pick<Cluster, "create">,
  draft: EventDraft,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await cluster.create(eventObject(draft), signal === undefined ? {} : { signal });
  } catch (error) {
    const isThere = error instanceof ConflictError && !(error instanceof NotFoundError);
    if (!isThere) throw error;
  }
}

function eventObject(draft: EventDraft): KubeObject {
  const { regarding, type, reason, now } = draft;
  // Events about objects without a namespace go where kubectl looks for them.
  const namespace = regarding.namespace ?? "default";
  const message = draft.message.slice(0, MESSAGE_CHARS_MAX);
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
  const suffix = `.${now.toString(16)}${hash(`${regarding.kind}/${reason}/${message}`)}`;
  const event: KubeObject & { readonly involvedObject: JsonObject } & JsonObject = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { namespace, name: regarding.name.slice(0, NAME_CHARS_MAX - suffix.length) + suffix },
    involvedObject: { ...regarding },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: time,
    lastTimestamp: time,
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    reportingInstance: COMPONENT,
  };
  return event;
}

/** FNV-1a, 32 bits in hex: tells apart what is said in the same millisecond. */
function hash(text: string): string {
  let sum = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  return sum.toString(16).padStart(8, "0");
}
