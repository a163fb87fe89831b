/**
 * Deno's HTTP clients for one remote: one that reads, and one that pushes and never reuses a connection. They are made
 * anew when certificates or the proxy have been rotated.
 */
import { BugError, InvalidSpecError } from "../../../src/errors.ts";
import type { GitAccess } from "./access.ts";

interface Pair {
  readonly key: string;
  readonly read: Deno.HttpClient;
  /**
   * Never reuses a connection. When a pooled one closes between request and answer, Deno sends the request again, and a
   * push that was applied would come back as refused (denoland/deno issues 32566, 35610).
   */
  readonly push: Deno.HttpClient;
}

export class HttpClients {
  #pair: Pair | undefined;
  #isClosed = false;

  /**
   * The client for a request. One request at a time: the clients of an older access are closed here.
   *
   * @param shown the remote's address, for messages
   * @throws {InvalidSpecError} a certificate, a key or the proxy's address cannot be used
   */
  for(access: GitAccess, shown: string, isPush: boolean): Deno.HttpClient {
    if (this.#isClosed) throw new BugError(`Cannot use Git remote "${shown}": it is closed`);
    const key = JSON.stringify([access.tls, access.proxy]);
    if (this.#pair?.key !== key) {
      const options = clientOptions(access, shown);
      const read = makeClient({ ...options, poolMaxIdlePerHost: 2 }, shown);
      const push = makeClient({ ...options, poolMaxIdlePerHost: 0 }, shown);
      this.#drop();
      this.#pair = { key, read, push };
    }
    return isPush ? this.#pair.push : this.#pair.read;
  }

  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  #drop(): void {
    this.#pair?.read.close();
    this.#pair?.push.close();
    this.#pair = undefined;
  }
}

/** What Deno is told of certificates and the proxy. */
export function clientOptions({ tls, proxy }: GitAccess, shown: string): Deno.CreateHttpClientOptions {
  const caPem = tls?.caPem;
  const certPem = tls?.certPem;
  const keyPem = tls?.keyPem;
  if ((certPem === undefined) !== (keyPem === undefined)) {
    throw new InvalidSpecError(
      `Cannot use Git remote "${shown}": there is a client ${certPem === undefined ? "key" : "certificate"} alone`,
      { fix: "Give certificate and key, or neither." },
    );
  }
  return {
    http1: true,
    http2: false,
    ...(caPem === undefined ? {} : { caCerts: [caPem] }),
    ...(certPem === undefined || keyPem === undefined ? {} : { cert: certPem, key: keyPem }),
    ...(proxy === undefined ? {} : { proxy: proxyOptions(proxy) }),
  };
}

/** One client; its owner closes it. */
export function makeClient(options: Deno.CreateHttpClientOptions, shown: string): Deno.HttpClient {
  try {
    return Deno.createHttpClient(options);
  } catch (cause) {
    // The runtime's words hold no key.
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidSpecError(`Cannot use Git remote "${shown}": its certificates or proxy cannot be used: ${why}`, {
      fix: 'Give certificates and keys as PEM, and the proxy as "http://host:port".',
      cause,
    });
  }
}

function proxyOptions({ url, username, password }: NonNullable<GitAccess["proxy"]>): Deno.Proxy {
  const parsed = URL.parse(url);
  const transport = parsed?.protocol === "https:" ? "https" : parsed?.protocol === "socks5:" ? "socks5" : "http";
  return {
    transport,
    url,
    ...(username === undefined ? {} : { basicAuth: { username, password: password ?? "" } }),
  };
}
