/** Cookies are kept, replaced, and forgotten when they are due. */
import { equal } from "node:assert/strict";
import { CookieJar } from "./cookie_jar.ts";

function setting(...lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) headers.append("set-cookie", line);
  return headers;
}

Deno.test("a jar keeps cookies until Max-Age or Expires, and Max-Age below one deletes", () => {
  const jar = new CookieJar();
  equal(jar.header(0), undefined);
  jar.store(setting("a=1; Max-Age=10; Path=/", "b=x=y", "c=3; Expires=Thu, 01 Jan 1970 00:00:20 GMT", "nonsense"), 0);
  equal(jar.header(9_999), "a=1; b=x=y; c=3");
  equal(jar.header(10_000), "b=x=y; c=3");
  equal(jar.header(20_000), "b=x=y");
  jar.store(setting("b=; Max-Age=-1", "a=2"), 0);
  equal(jar.header(0), "a=2; c=3");
});
