/**
 * GitHub's endpoint for installation tokens, as its reference describes it: claims are checked with the App's public key,
 * answers have the documented shapes.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { Buffer } from "node:buffer";

export interface TokenAsked {
  readonly path: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly permissions: unknown;
  readonly accept: string | null;
}

/** An App with a key of its own. */
export interface MadeApp {
  readonly privateKeyPem: string;
  readonly publicKey: KeyObject;
}

/** GitHub gives keys in PKCS #1. */
export function makeApp(): MadeApp {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { privateKeyPem: privateKey.export({ type: "pkcs1", format: "pem" }).toString(), publicKey };
}

export class GitHubServer {
  readonly asked: TokenAsked[] = [];
  /** Given instead of a token, once for each. */
  readonly answers: Response[] = [];
  /** What the App may do. */
  contents: "write" | "read" | "none" = "write";
  /** When the tokens that are given end, epoch milliseconds. */
  endsMs: number;
  /** Holds answers back until it resolves. */
  gate: Promise<void> = Promise.resolve();
  readonly #app: MadeApp;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(app: MadeApp, endsMs: number) {
    this.#app = app;
    this.endsMs = endsMs;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The nth token that was given, from 1. */
  token(nth: number): string {
    return `ghs_token-${nth}`;
  }

  async close(): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const claims = this.#claimsOf(request.headers.get("authorization") ?? "");
    if (claims === undefined) return json(401, { message: "A JSON web token could not be decoded" });
    const { permissions } = await request.json();
    const path = new URL(request.url).pathname;
    this.asked.push({ path, claims, permissions, accept: request.headers.get("accept") });
    const nth = this.asked.length;
    await this.gate;
    const given = this.answers.shift();
    if (given !== undefined) return given;
    const allowed: readonly string[] = { write: ["write", "read"], read: ["read"], none: [] }[this.contents];
    if (!allowed.includes(permissions.contents)) {
      return json(422, { message: "The permissions requested are not granted to this installation." });
    }
    return json(201, {
      token: this.token(nth),
      expires_at: new Date(this.endsMs).toISOString().replace(".000Z", "Z"),
      permissions: { ...permissions, metadata: "read" },
      repository_selection: "selected",
    });
  }

  #claimsOf(authorization: string): Readonly<Record<string, unknown>> | undefined {
    const [head = "", body = "", signature = ""] = authorization.replace("Bearer ", "").split(".");
    const key = createPublicKey(this.#app.publicKey.export({ type: "spki", format: "pem" }));
    const signed = new TextEncoder().encode(`${head}.${body}`);
    if (!verify("RSA-SHA256", signed, key, Buffer.from(signature, "base64url"))) return undefined;
    return JSON.parse(Buffer.from(body, "base64url").toString());
  }
}

/** An answer in JSON. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(body, { status, headers });
}
