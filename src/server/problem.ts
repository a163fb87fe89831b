/** What goes wrong with a request, as a value with its status; the API answers `{error, fix}` of it, the page a page. */

export type ProblemStatus = 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 422 | 429 | 500 | 503 | 504;

/** Thrown by handlers and answered in one place. Never holds a secret, nor words of the request but short names. */
export class RequestProblem extends Error {
  readonly status: ProblemStatus;
  readonly fix: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: ProblemStatus,
    message: string,
    more: { readonly fix: string; readonly headers?: Readonly<Record<string, string>> },
  ) {
    super(message);
    this.name = "RequestProblem";
    this.status = status;
    this.fix = more.fix;
    this.headers = more.headers ?? {};
  }
}

export const unknownToken = () =>
  new RequestProblem(401, "Not authorised: the bearer token is missing or not known", {
    fix: 'Send "Authorization: Bearer <token>" with a token that the agent\'s configuration lists.',
    headers: { "www-authenticate": 'Bearer realm="serin"' },
  });

export const roleMissing = (needed: string, roles: readonly string[]) =>
  new RequestProblem(403, `Not allowed: this needs the role "${needed}": the token has ${roles.join(", ") || "none"}`, {
    fix: "Use a token with that role.",
  });

export const tooManyFailures = (seconds: number) =>
  new RequestProblem(429, "Too many failed attempts from this address", {
    fix: `Wait ${seconds} seconds.`,
    headers: { "retry-after": String(seconds) },
  });

export const unknownCanary = (namespace: string, name: string) =>
  new RequestProblem(404, `Canary "${namespace}/${name}" is not known`, {
    fix: "List the canaries, and check namespace and name.",
  });

/** Reads a body of at most so many bytes. */
export async function readBytes(request: Request, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () => new RequestProblem(413, `The body is larger than ${bytesMax} bytes`, { fix: "Send less." });
  if (Number(request.headers.get("content-length") ?? "0") > bytesMax) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > bytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
