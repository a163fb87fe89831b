/**
 * What takes more than one request to show, told once and run against any API server: the embedded one in
 * `test/wire/sandbox_stories_test.ts`, a real one in the end-to-end suite `contract`. Both must do the same.
 */
import type { KubeEndpoint } from "../../../adapters/platform/kube/config.ts";
import { type Json, numberAt, objectAt, stringAt } from "../../../src/core/kube_object.ts";
import { type ApiAnswer, type ApiCall, type ApiServer, callApi } from "../api_case.ts";

export interface StoryServer {
  /** As somebody who may do everything. */
  readonly api: ApiServer;
  /** The same, for the product's client. */
  readonly endpoint: KubeEndpoint;
  /** Makes versions and continue tokens of before too old, and ends all watches. */
  forget(): Promise<void>;
  /** The answer to somebody without any right, and who that is. */
  refused(call: ApiCall): Promise<{ readonly answer: ApiAnswer; readonly user: string }>;
  /** Runs something while the server has more to do than it takes: writes at this API are answered 429. */
  busy<T>(body: (busy: Pick<StoryServer, "api" | "endpoint">) => Promise<T>): Promise<T>;
}

export interface Story {
  readonly name: string;
  /** Whether Kubernetes' controllers must run. */
  readonly controllers: boolean;
  /** @param namespace its own, made already */
  tell(server: StoryServer, namespace: string): Promise<void>;
}

/** A request in a few words. */
export async function ask(
  server: Pick<StoryServer, "api">,
  method: string,
  path: string,
  more: Pick<ApiCall, "body" | "contentType"> = {},
): Promise<ApiAnswer> {
  return await callApi(server.api, { method, path, ...more });
}

export const MERGE = "application/merge-patch+json";

export function versionOf(answer: ApiAnswer): string {
  return stringAt(answer.body, "metadata", "resourceVersion") ?? "";
}

export function configMapsIn(namespace: string): string {
  return `/api/v1/namespaces/${namespace}/configmaps`;
}

/** One event of a watch. */
export interface Seen {
  readonly type: string;
  readonly name: string;
  readonly version: number;
  readonly object: Json;
}

/**
 * All events of a watch that the server itself ends.
 *
 * @param path with its query, `timeoutSeconds` among it
 */
export async function watched(server: Pick<StoryServer, "api">, path: string): Promise<readonly Seen[]> {
  const { url, headers, client } = server.api;
  const response = await fetch(url + path, {
    headers: { ...headers },
    ...(client === undefined ? {} : { client }),
  });
  const lines = (await response.text()).split("\n").filter((line) => line !== "");
  if (response.status !== 200) throw new Error(`A watch is answered ${response.status}: ${lines[0]}`);
  return lines.map((line) => {
    const event: Json = JSON.parse(line);
    const object = objectAt(event, "object");
    return {
      type: stringAt(event, "type") ?? "",
      name: stringAt(object, "metadata", "name") ?? "",
      version: Number(stringAt(object, "metadata", "resourceVersion") ?? numberAt(object, "code")),
      object,
    };
  });
}
