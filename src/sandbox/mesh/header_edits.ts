/** Header edits of routes, and the headers that a proxy must not pass on. */
import type { HeaderEdits } from "./route_model.ts";

/** Headers of one connection and not of the message (RFC 9110, 7.6.1), and those that `fetch` writes itself. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
];

/** A copy that may travel on. */
export function endToEnd(headers: Headers): Headers {
  const copy = new Headers(headers);
  for (const name of HOP_BY_HOP) copy.delete(name);
  return copy;
}

/** Applies edits in order to `headers` itself: set, then add, then remove; a route that names one header twice is rare. */
export function applyEdits(headers: Headers, edits: readonly HeaderEdits[]): void {
  for (const { set, add, remove } of edits) {
    for (const [name, value] of set) headers.set(name, value);
    for (const [name, value] of add) headers.append(name, value);
    for (const name of remove) headers.delete(name);
  }
}
