/** One HTTP exchange with an outside system. Time-outs, size bounds, TLS, retries and redaction live behind it. */

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly timeoutMs: number;
  /** Extra attempts after a transport error, 429 or 5xx but 501; waits 1 s, 2 s, 4 s … at most 30 s, or Retry-After. */
  readonly retries?: number;
  readonly insecureSkipVerify?: boolean;
  readonly proxyUrl?: string;
  /** Bound on the body; more is an UnavailableError. Default 1 MiB. */
  readonly bodyBytesMax?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Http {
  /**
   * Any status that arrives is an answer, not an error.
   * @throws {UnavailableError} no answer in time, cut off, or too large
   */
  send(request: HttpRequest, signal?: AbortSignal): Promise<HttpAnswer>;
}
