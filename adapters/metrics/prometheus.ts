/**
 * Prometheus, and whatever speaks its query API (Thanos, Mimir, VictoriaMetrics): one instant query, one number. The
 * answer of several series is its last one, as Flagger takes it; that of several points in time is refused.
 */
import { Buffer } from "node:buffer";
import { at, isJsonObject, type Json, listAt, stringAt } from "../../src/core/kube_object.ts";
import { InvalidSpecError, RejectedError, type SerinError, UnavailableError } from "../../src/errors.ts";
import type { HttpAnswer, HttpRequest } from "../../src/ports/http.ts";
import type { Measurement, MetricsAdapter, MetricsQuery } from "../../src/ports/metrics.ts";
import { errorOfStatus, originOf, quoteWords } from "../http_status.ts";

const TIMEOUT_MS = 5_000;

/**
 * @see Prometheus HTTP API, instant queries: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
 */
export const prometheus = {
  id: "prometheus",
  needsAddress: true,
  secretKeys: [["token"], ["username", "password"]],
  request,
  parse,
} satisfies MetricsAdapter;

function request(query: MetricsQuery): HttpRequest {
  const url = URL.parse(query.address);
  if (url === null) {
    throw new InvalidSpecError("Cannot query Prometheus: its address is not a URL", {
      fix: "Give an address such as http://prometheus.monitoring:9090.",
    });
  }
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/api/v1/query`;
  url.searchParams.set("query", query.query);
  return {
    method: "GET",
    url: url.href,
    headers: headersOf(query),
    timeoutMs: TIMEOUT_MS,
    insecureSkipVerify: query.insecureSkipVerify,
  };
}

/** The Secret's credentials come last, so a header of the template cannot stand in their place. */
function headersOf(query: MetricsQuery): Readonly<Record<string, string>> {
  const headers: Record<string, string> = { accept: "application/json" };
  for (const [name, values] of Object.entries(query.headers)) headers[name.toLowerCase()] = values.join(", ");
  const credentials = credentialsOf(query);
  return credentials === null ? headers : { ...headers, authorization: credentials };
}

/** A token wins over a user, as in Flagger. Line breaks at a value's end come from how Secrets are written. */
function credentialsOf({ secret }: MetricsQuery): string | null {
  const token = secret["token"]?.trim() ?? "";
  if (token !== "") return `Bearer ${token}`;
  const username = secret["username"]?.trim() ?? "";
  const password = secret["password"]?.replace(/[\r\n]+$/, "") ?? "";
  if (username !== "" && password !== "") {
    return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
  }
  if (Object.keys(secret).length === 0) return null;
  throw new InvalidSpecError('Cannot query Prometheus: its Secret has neither "token" nor "username" and "password"', {
    fix: 'Put "token", or both "username" and "password", into the Secret, none of them empty.',
  });
}

function parse(answer: HttpAnswer, query: MetricsQuery): Measurement {
  const what = `Cannot query Prometheus at "${originOf(query.address)}"`;
  const body = jsonOf(answer.body);
  if (answer.status < 200 || answer.status >= 300) throw refusal(answer, body, query);
  const status = stringAt(body, "status");
  if (status === "error") throw errorInSuccess(what, body, query);
  if (status !== "success") throw nonsense(what, "its answer is not that of a Prometheus");
  return measurementOf(what, at(body, "data"));
}

function measurementOf(what: string, data: Json | undefined): Measurement {
  const type = stringAt(data, "resultType");
  if (type === "scalar") return sampleOf(what, at(data, "result"));
  if (type === "matrix") {
    throw unfit(what, "several values over time", "Remove the range, or put a function around it.");
  }
  if (type === "string") throw unfit(what, "a text", "Ask for a number.");
  if (type !== "vector") throw nonsense(what, "its answer has no result");
  const last = listAt(data, "result").at(-1);
  if (last === undefined) return { type: "no-data", reason: "the query returns no series" };
  if (at(last, "histogram") !== undefined) {
    throw unfit(what, "a histogram", "Put histogram_quantile or another function around it.");
  }
  return sampleOf(what, at(last, "value"));
}

/** A sample is a pair of time and number, the number written as a string. */
function sampleOf(what: string, sample: Json | undefined): Measurement {
  const value = numberOf(stringAt(sample, 1));
  if (value === undefined) throw nonsense(what, "its answer has a value that is not a number");
  if (Number.isNaN(value)) {
    return { type: "no-data", reason: "the query returns NaN, as a division of zero by zero does" };
  }
  return { type: "value", value };
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === "NaN") return NaN;
  if (/^[+-]?Inf$/.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined;
}

function refusal(answer: HttpAnswer, body: Json | undefined, query: MetricsQuery): SerinError {
  const words = wordsOf(body, query);
  return errorOfStatus(answer, {
    what: `Cannot query Prometheus at "${originOf(query.address)}"`,
    words,
    credentialsFix: "Check the Secret that the MetricTemplate names.",
    fix: words === "" ? "Check that the address leads to a Prometheus." : "Correct the query.",
    now: query.now,
  });
}

/** An error under a status of success; some proxies in front of Prometheus make one. */
function errorInSuccess(what: string, body: Json | undefined, query: MetricsQuery): SerinError {
  const message = `${what}: ${wordsOf(body, query)}`;
  return ["bad_data", "execution"].includes(stringAt(body, "errorType") ?? "")
    ? new RejectedError(message, { fix: "Correct the query." })
    : new UnavailableError(message);
}

/** "bad_data: invalid parameter …", or nothing where the body is not an error of Prometheus. */
function wordsOf(body: Json | undefined, query: MetricsQuery): string {
  if (stringAt(body, "status") !== "error") return "";
  const words = [stringAt(body, "errorType") ?? "", stringAt(body, "error") ?? ""].filter((word) => word !== "");
  return quoteWords(words.join(": "), Object.values(query.secret));
}

function unfit(what: string, found: string, fix: string): RejectedError {
  return new RejectedError(`${what}: the query returns ${found}, where one number is needed`, { fix });
}

function nonsense(what: string, why: string): UnavailableError {
  return new UnavailableError(`${what}: ${why}`);
}

function jsonOf(text: string): Json | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isJsonObject(parsed) ? parsed : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
