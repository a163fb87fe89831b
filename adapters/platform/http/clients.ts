/**
 * The runtime's HTTP clients, one for each way to connect. Requests that may not be sent twice get connections of their
 * own: the runtime sends a request again, without saying so, when a kept connection turns out to be closed.
 */
import { InvalidSpecError } from "../../../src/errors.ts";
import { parseAddress } from "./address.ts";

/** Clients kept open; proxies are named by users, so their number is not ours. */
const CLIENTS_MAX = 16;
const IDLE_PER_HOST_MAX = 4;
const IDLE_MS_MAX = 30_000;

export class HttpClients {
  readonly #caPem: string | undefined;
  readonly #clients = new Map<string, Deno.HttpClient>();

  /** @throws {InvalidSpecError} the bundle holds no certificate that can be read */
  constructor(caPem: string | undefined) {
    this.#caPem = caPem;
    // The runtime takes a text without any certificate for an empty bundle.
    if (caPem !== undefined && !caPem.includes("-----BEGIN CERTIFICATE-----")) throw unreadableBundle();
    try {
      this.client({ isIdempotent: true, proxyUrl: undefined });
    } catch (error) {
      throw caPem === undefined ? error : unreadableBundle();
    }
  }

  /** @throws {InvalidSpecError} the proxy's address is no http, https or socks5 URL */
  client(way: { readonly isIdempotent: boolean; readonly proxyUrl: string | undefined }): Deno.HttpClient {
    const key = `${way.isIdempotent ? "kept" : "fresh"} ${way.proxyUrl ?? ""}`;
    const found = this.#clients.get(key);
    if (found !== undefined) {
      // Set again, so that the first in the map is the one not used for longest.
      this.#clients.delete(key);
      this.#clients.set(key, found);
      return found;
    }
    const made = Deno.createHttpClient({
      // With HTTP/2 a connection whose packets vanish stays in the pool, and every later request times out on it.
      http2: false,
      poolMaxIdlePerHost: way.isIdempotent ? IDLE_PER_HOST_MAX : 0,
      poolIdleTimeout: IDLE_MS_MAX,
      ...(this.#caPem === undefined ? {} : { caCerts: [this.#caPem] }),
      ...(way.proxyUrl === undefined ? {} : { proxy: proxyOf(way.proxyUrl) }),
    });
    this.#clients.set(key, made);
    for (const [oldest, client] of this.#clients) {
      if (this.#clients.size <= CLIENTS_MAX) break;
      this.#clients.delete(oldest);
      client.close();
    }
    return made;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

function unreadableBundle(): InvalidSpecError {
  return new InvalidSpecError("Cannot use the CA bundle: it holds no certificate that can be read", {
    fix: "Give PEM certificates, each between BEGIN CERTIFICATE and END CERTIFICATE.",
  });
}

function proxyOf(text: string): Deno.Proxy {
  const protocols = ["http:", "https:", "socks5:", "socks5h:"];
  const { url, userinfo } = parseAddress(text, "a request through a proxy", protocols);
  return { url: url.href, ...(userinfo === null ? {} : { basicAuth: userinfo }) };
}
