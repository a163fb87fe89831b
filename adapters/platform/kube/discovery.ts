/**
 * Which kinds the API server serves and under which paths, asked once per API version and kept. What is not there is
 * asked for again, at growing intervals, since a CRD may be installed at any time.
 */
import { at, type Json, listAt, type ObjectRef, stringAt } from "../../../src/core/kube_object.ts";
import { BugError, InvalidSpecError, RejectedError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { waitFor } from "./abort.ts";
import type { KubeClient } from "./request.ts";
import { NotFoundError } from "./status_errors.ts";

/** A kind as the server serves it. */
export interface ServedKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Plural and group, as RBAC and messages name it: "deployments.apps", "configmaps". */
  readonly resource: string;
}

type KindTable = ReadonlyMap<string, ServedKind>;

const MISS_WAIT_MS_MIN = 250;
const MISS_WAIT_MS_MAX = 60_000;

/** The server's kinds, looked up by API version and kind. */
export class Discovery {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #tables = new Map<string, KindTable>();
  readonly #fetching = new Map<string, Promise<KindTable>>();
  readonly #misses = new Map<string, { readonly count: number; readonly untilMs: number }>();

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /**
   * @throws {RejectedError} the kind is not served; asked again after 250 ms, doubling up to a minute
   * @throws {UnavailableError} the server does not answer
   */
  async find(apiVersion: string, kind: string, signal?: AbortSignal): Promise<ServedKind> {
    const known = this.#tables.get(apiVersion)?.get(kind);
    if (known !== undefined) return known;
    const wanted = `${apiVersion}/${kind}`;
    const miss = this.#misses.get(wanted);
    if (miss === undefined || this.#clock.monotonic() >= miss.untilMs) {
      const found = (await waitFor(this.#fetch(apiVersion), signal)).get(kind);
      if (found !== undefined) {
        this.#misses.delete(wanted);
        return found;
      }
      const count = (miss?.count ?? 0) + 1;
      const waitMs = Math.min(MISS_WAIT_MS_MAX, MISS_WAIT_MS_MIN * 2 ** (count - 1));
      this.#misses.set(wanted, { count, untilMs: this.#clock.monotonic() + waitMs });
    }
    throw new RejectedError(`Cannot use ${kind} of ${apiVersion}: it is not served: install its CRD`, {
      fix: `Install the CustomResourceDefinition that serves kind "${kind}" as "${apiVersion}"`,
      data: { apiVersion, kind },
    });
  }

  /** Forgets an API version, for when the server says that what it served is gone. */
  forget(apiVersion: string): void {
    this.#tables.delete(apiVersion);
  }

  #fetch(apiVersion: string): Promise<KindTable> {
    const running = this.#fetching.get(apiVersion);
    if (running !== undefined) return running;
    const fetching = this.#fetchTable(apiVersion).finally(() => this.#fetching.delete(apiVersion));
    this.#fetching.set(apiVersion, fetching);
    // Whoever waits sees the error; nobody may be waiting any more.
    fetching.catch(() => undefined);
    return fetching;
  }

  async #fetchTable(apiVersion: string): Promise<KindTable> {
    try {
      const list = await this.#client.send({ verb: "get", resource: "discovery", path: versionPath(apiVersion) });
      const table = parseKinds(apiVersion, list);
      this.#tables.set(apiVersion, table);
      return table;
    } catch (error) {
      if (error instanceof NotFoundError) return new Map();
      throw error;
    }
  }
}

/** The path of a kind's collection, in a namespace or everywhere. */
export function collectionPath(served: ServedKind, namespace: string | undefined): string {
  const within = served.namespaced && namespace !== undefined ? `/namespaces/${segment(namespace)}` : "";
  return `${versionPath(served.apiVersion)}${within}/${served.plural}`;
}

/** The path of one object. */
export function objectPath(served: ServedKind, ref: ObjectRef): string {
  if (served.namespaced && ref.namespace === undefined) {
    throw new BugError(
      `Cannot name ${served.resource} "${ref.name}": the kind is namespaced and no namespace is given`,
    );
  }
  return `${collectionPath(served, ref.namespace)}/${segment(ref.name)}`;
}

function versionPath(apiVersion: string): string {
  return apiVersion.includes("/")
    ? `/apis/${apiVersion.split("/").map(segment).join("/")}`
    : `/api/${segment(apiVersion)}`;
}

/** Names come from people's files: one that would lead to another path is refused. */
function segment(name: string): string {
  if (name === "" || name === "." || name === "..") {
    throw new InvalidSpecError(`Cannot use "${name}" as a name in a request: it is empty or a relative path`);
  }
  return encodeURIComponent(name);
}

function parseKinds(apiVersion: string, list: Json): KindTable {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  const table = new Map<string, ServedKind>();
  for (const entry of listAt(list, "resources")) {
    const plural = stringAt(entry, "name");
    const kind = stringAt(entry, "kind");
    // "deployments/scale" and its like are ways to reach a kind, not kinds.
    if (plural === undefined || kind === undefined || plural.includes("/")) continue;
    const namespaced = at(entry, "namespaced") === true;
    table.set(kind, { apiVersion, kind, plural, namespaced, resource: group === "" ? plural : `${plural}.${group}` });
  }
  return table;
}
