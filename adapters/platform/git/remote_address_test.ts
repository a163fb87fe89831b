import assert from "node:assert/strict";
import { parseRemoteAddress } from "./remote_address.ts";

Deno.test("addresses of HTTP and SSH remotes are read as stock git reads them", () => {
  const ssh = (text: string) => {
    const address = parseRemoteAddress(text);
    assert.equal(address.type, "ssh", text);
    return address.type === "ssh" ? [address.user, address.host, address.port, address.path, address.shown] : [];
  };
  assert.deepEqual(ssh("ssh://git@git.example:2222/team/fleet.git/"), [
    "git",
    "git.example",
    2222,
    "/team/fleet.git",
    "ssh://git@git.example:2222/team/fleet.git",
  ]);
  assert.deepEqual(ssh("ssh://git.example/~ada/a%20b.git").slice(0, 4), [null, "git.example", null, "~ada/a b.git"]);
  assert.deepEqual(ssh("git@git.example:team/fleet.git"), [
    "git",
    "git.example",
    null,
    "team/fleet.git",
    "git@git.example:team/fleet.git",
  ]);
  assert.deepEqual(ssh("git@git.example:/srv/x").slice(0, 4), ["git", "git.example", null, "/srv/x"]);
  assert.deepEqual(ssh("ssh://git@[::1]:22/x.git").slice(1, 4), ["[::1]", 22, "/x.git"]);
  const http = parseRemoteAddress("https://git.example/team/fleet.git//?a=b#c");
  assert.equal(http.shown, "https://git.example/team/fleet.git");
});

Deno.test("what is no address, or could be an option or a second command, is refused and not repeated", () => {
  const bad = [
    "ghp_secret",
    "git://git.example/x.git",
    "file:///srv/x.git",
    "/srv/x.git",
    "ssh://git@git.example",
    "ssh://git@git.example/",
    "ssh://-oProxyCommand=x/y",
    "ssh://-l@git.example/y",
    "git@-oProxyCommand=x:y",
    "-oX@git.example:y",
    "git@git.example:-upload",
    "git@git.example:a\nb",
    "ssh://git@git.example/%0a",
    "ssh://git@git.example/%zz",
    "git@git.example://x",
  ];
  for (const text of bad) {
    assert.throws(() => parseRemoteAddress(text), (error) => {
      assert.ok(error instanceof Error && /no http, https or ssh address/.test(error.message), text);
      assert.ok(!error.message.includes("secret"));
      return true;
    }, text);
  }
  for (const text of ["https://ci:hunter2@git.example/a.git", "ssh://git:hunter2@git.example/a.git"]) {
    assert.throws(() => parseRemoteAddress(text), (error) => {
      assert.ok(error instanceof Error && /carries credentials/.test(error.message));
      assert.ok(!error.message.includes("hunter2"));
      return true;
    });
  }
});
