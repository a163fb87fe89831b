/** The cases of `fixtures/kubernetes-api`: reads them, sends them to any API server, and checks the answers. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  stringAt,
} from "../../src/core/kube_object.ts";

const folder = new URL("../../fixtures/kubernetes-api/", import.meta.url);

/** What is sent; see the folder's README for the other fields of a case. */
export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string;
  /** Text is sent as it is, anything else as JSON. */
  readonly body?: unknown;
}

export interface ApiAnswer {
  readonly status: number;
  readonly warning: string | null;
  /** The header, in seconds as servers send it. */
  readonly retryAfter: string | null;
  readonly body: Json;
}

/** A server to ask: its URL without a slash at the end, and what every request needs. */
export interface ApiServer {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly client?: Deno.HttpClient;
}

/** All cases, in the order in which they must be sent. */
export function apiCases(): readonly JsonObject[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json")).sort();
  return files.flatMap((name): unknown[] => JSON.parse(readFileSync(new URL(name, folder), "utf8"))).filter(
    isJsonObject,
  );
}

/** Sends one request. */
export async function callApi(server: ApiServer, call: ApiCall): Promise<ApiAnswer> {
  const hasBody = call.body !== undefined;
  const response = await fetch(server.url + call.path, {
    method: call.method,
    headers: {
      "user-agent": "probe/1.0",
      ...server.headers,
      ...(hasBody ? { "content-type": call.contentType ?? "application/json" } : {}),
    },
    ...(hasBody ? { body: typeof call.body === "string" ? call.body : JSON.stringify(call.body) } : {}),
    ...(server.client === undefined ? {} : { client: server.client }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return {
    status: response.status,
    warning: response.headers.get("warning"),
    retryAfter: response.headers.get("retry-after"),
    body: isJson ? JSON.parse(text) : text,
  };
}

/** The request of a case. */
export function callOf(one: JsonObject): ApiCall {
  const contentType = stringAt(one, "contentType");
  return {
    method: stringAt(one, "method") ?? "GET",
    path: stringAt(one, "path") ?? "",
    ...(contentType === undefined ? {} : { contentType }),
    ...(one["body"] === undefined ? {} : { body: one["body"] }),
  };
}

/** Compares an answer with what a case says of it. */
export function checkAnswer(one: JsonObject, answer: ApiAnswer): void {
  const status = numberAt(one, "status") ?? 0;
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  if (status >= 400 && isJsonObject(answer.body)) {
    assert.equal(stringAt(answer.body, "status"), "Failure");
    assert.equal(numberAt(answer.body, "code"), status);
  }
  const reason = stringAt(one, "reason");
  if (reason !== undefined) assert.equal(stringAt(answer.body, "reason"), reason);
  const text = stringAt(answer.body, "message") ?? "";
  const message = stringAt(one, "message");
  if (message !== undefined) assert.equal(text, message);
  const pattern = stringAt(one, "messageMatches");
  if (pattern !== undefined) assert.match(text, new RegExp(pattern, "s"));
  if (one["causes"] !== undefined) {
    const causes = listAt(answer.body, "details", "causes");
    assert.deepEqual(
      causes.map((cause) => `${stringAt(cause, "field")}: ${stringAt(cause, "message")}`),
      one["causes"],
    );
  }
  const warning = stringAt(one, "warning");
  if (warning !== undefined) assert.equal(answer.warning, warning);
  const retryAfter = stringAt(one, "retryAfter");
  if (retryAfter !== undefined) assert.equal(answer.retryAfter, retryAfter);
  const fields = one["fields"];
  for (const [path, value] of Object.entries(isJsonObject(fields) ? fields : {})) {
    assert.deepEqual(at(answer.body, ...stepsOf(path)), value, path);
  }
  for (const path of listAt(one, "absent")) {
    assert.equal(at(answer.body, ...stepsOf(String(path))), undefined, String(path));
  }
}

function stepsOf(path: string): readonly (string | number)[] {
  return path.split(".").map((step) => /^\d+$/.test(step) ? Number(step) : step);
}
