import assert from "node:assert/strict";
import { type Hop, nextHop } from "./redirect.ts";

function aHop(method: string, url = "https://a.example.com/x"): Hop {
  const headers = new Headers({
    authorization: "Bearer t",
    "x-query-key": "k",
    cookie: "c",
    "content-type": "application/json",
    accept: "application/json",
    "user-agent": "serin",
  });
  return { method, url: new URL(url), headers, body: method === "GET" ? undefined : "{}" };
}

const FOLLOWED: readonly (readonly [status: number, from: string, to: string, body: string | undefined])[] = [
  [301, "POST", "GET", undefined],
  [302, "POST", "GET", undefined],
  [303, "PUT", "GET", undefined],
  [307, "POST", "POST", "{}"],
  [308, "POST", "POST", "{}"],
  [302, "GET", "GET", undefined],
];

for (const [status, from, to, body] of FOLLOWED) {
  Deno.test(`nextHop() makes a ${to} of a ${from} after ${status}`, () => {
    const hop = nextHop(aHop(from), status, "/y?z=1");
    assert.equal(hop?.url.href, "https://a.example.com/y?z=1");
    assert.equal(hop?.method, to);
    assert.equal(hop?.body, body);
    assert.equal(hop?.headers.get("authorization"), "Bearer t");
    assert.equal(hop?.headers.has("content-type"), to === from);
  });
}

for (const location of ["https://b.example.com/y", "https://a.example.com:444/y"]) {
  Deno.test(`nextHop() lets no credential go along to ${location}`, () => {
    const hop = nextHop(aHop("POST"), 307, location);
    assert.deepEqual([...hop?.headers.keys() ?? []], ["accept", "content-type", "user-agent"]);
  });
}

Deno.test("nextHop() takes no userinfo from a server", () => {
  assert.equal(nextHop(aHop("GET"), 302, "https://u:p@a.example.com/y#z")?.url.href, "https://a.example.com/y");
});

const STAYS: readonly (readonly [status: number, location: string | null])[] = [
  [200, "/y"],
  [304, "/y"],
  [302, null],
  [302, "http://a.example.com/y"],
  [302, "file:///etc/passwd"],
  [302, "https://"],
];

for (const [status, location] of STAYS) {
  Deno.test(`nextHop() does not follow ${status} to ${location}`, () => {
    assert.equal(nextHop(aHop("GET"), status, location), null);
  });
}
