/** Servers that lie, cut, hang and refuse: the old snapshot stays readable, the error says why, the next fetch heals. */
import assert from "node:assert/strict";
import { RejectedError, type SerinError, UnavailableError } from "../../src/errors.ts";
import { readPack, writePack } from "../../adapters/platform/git/pack.ts";
import { concatBytes, encodePacket, FLUSH } from "../../adapters/platform/git/pkt_line.ts";
import { storedSnapshot } from "../../adapters/platform/git/snapshot.ts";
import { parseFetchAnswer } from "../../adapters/platform/git/upload_pack.ts";
import { createAuthority } from "../support/certificates.ts";
import { MANIFESTS, textOf, withGit } from "../support/git_fixture.ts";
import { type GitFault, isPackFetch } from "../support/git_http_server.ts";
import { until } from "../support/until.ts";

const PATH = "apps/team-1/app-5.yaml";

function flipByte(body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = body.length - 40;
  return body.with(at, (body[at] ?? 0) ^ 0x20);
}

/** Everything but the terminal flush: the answer ends cleanly at a packet's boundary. */
const withoutFlush = (body: Uint8Array<ArrayBuffer>) => body.slice(0, -4);
const fatalMidway = () =>
  concatBytes([
    encodePacket("packfile\n"),
    encodePacket(Uint8Array.of(1, 80, 65)),
    encodePacket("\x03disk full\n"),
    FLUSH,
  ]);

const FAULTS: Readonly<
  Record<string, { readonly fault: GitFault; readonly says: RegExp; readonly timeoutMs?: number }>
> = {
  "status 500": { fault: { type: "status", status: 500 }, says: /answers 500/ },
  "status 503 in a fetch": {
    fault: { type: "status", status: 503, text: "come back", when: isPackFetch },
    says: /503: "come back"/,
  },
  "an ERR packet": {
    fault: { type: "tamper", change: () => encodePacket("ERR upload-pack: nope\n"), when: isPackFetch },
    says: /the server says "upload-pack: nope"/,
  },
  "an ERR packet to the poll": {
    fault: { type: "tamper", change: () => encodePacket("ERR busy\n") },
    says: /the server says "busy"/,
  },
  "a fatal sideband message": {
    fault: { type: "tamper", change: fatalMidway, when: isPackFetch },
    says: /the server says "disk full"/,
  },
  "an empty 200": { fault: { type: "empty" }, says: /does not end|empty/ },
  "an empty 200 to a fetch": { fault: { type: "empty", when: isPackFetch }, says: /does not end/ },
  "an end at a packet boundary": {
    fault: { type: "tamper", change: withoutFlush, when: isPackFetch },
    says: /does not end/,
  },
  "a list of refs without end": { fault: { type: "tamper", change: withoutFlush }, says: /does not end/ },
  "an end inside a packet": { fault: { type: "cut", bytes: 300, when: isPackFetch }, says: /ends inside a packet/ },
  "a broken connection": { fault: { type: "reset", bytes: 100, when: isPackFetch }, says: /no whole answer/ },
  "a broken connection before the first byte": {
    fault: { type: "reset", bytes: 0, when: isPackFetch },
    says: /no whole answer/,
  },
  "a flipped byte in the pack": { fault: { type: "tamper", change: flipByte, when: isPackFetch }, says: /checksum/ },
  "a login page": {
    fault: { type: "status", status: 200, text: "<html>" },
    says: /not Git but content type "text\/plain"/,
  },
  "a server that hangs": {
    fault: { type: "hang", when: isPackFetch },
    says: /no answer within 150 ms/,
    timeoutMs: 150,
  },
};

for (const [name, { fault, says, timeoutMs }] of Object.entries(FAULTS)) {
  Deno.test(`after ${name} the old snapshot stands and the next fetch heals`, async () => {
    const options = timeoutMs === undefined ? {} : { remote: { timeoutMs } };
    await withGit(options, async ({ repository, server, remote }) => {
      const before = await remote.fetch();
      const tip = await repository.commit({ [PATH]: "changed: true\n" });
      server.fault = fault;
      await assert.rejects(remote.fetch(), (error: SerinError) => {
        assert.ok(error instanceof UnavailableError, String(error));
        assert.match(error.message, says);
        assert.match(error.message, /http:\/\/127.0.0.1:\d+\/fleet.git/);
        return true;
      });
      assert.equal(remote.tip, before);
      assert.equal(await textOf(before, PATH), MANIFESTS[PATH]);
      server.fault = undefined;
      const after = await remote.fetch();
      assert.equal(after.commit, tip);
      assert.equal(await textOf(after, PATH), "changed: true\n");
      assert.equal((await after.files()).length, 40);
    });
  });

  Deno.test(`a first fetch survives ${name}`, async () => {
    const options = timeoutMs === undefined ? {} : { remote: { timeoutMs } };
    await withGit(options, async ({ server, remote }) => {
      server.fault = fault;
      await assert.rejects(remote.fetch(), { name: "UnavailableError" });
      assert.equal(remote.tip, undefined);
      server.fault = undefined;
      assert.equal((await (await remote.fetch()).files()).length, 40);
    });
  });
}

Deno.test("a pack that lacks an object is not believed, and the fetch starts over at once", async () => {
  await withGit({}, async ({ repository, server, remote }) => {
    const before = await remote.fetch();
    await repository.commit({ [PATH]: "changed: true\n" });
    const blob = await repository.git("rev-parse", `main:${PATH}`);
    const bases = storedSnapshot(before).store;
    server.fault = {
      type: "tamper",
      when: (exchange) => isPackFetch(exchange) && new TextDecoder().decode(exchange.request).includes("have "),
      change: async (body) => {
        const { pack } = await parseFetchAnswer(body);
        const objects = new Map(await readPack(pack, bases, { inflatedBytesMax: 1e6 }));
        assert.ok(objects.delete(blob));
        const parts = [
          encodePacket("packfile\n"),
          encodePacket(concatBytes([Uint8Array.of(1), writePack(objects.values())])),
        ];
        return concatBytes([...parts, FLUSH]);
      },
    };
    const after = await remote.fetch();
    assert.equal(await textOf(after, PATH), "changed: true\n");
    assert.deepEqual((await after.changed(before)).map((change) => change.path), [PATH]);
    assert.equal(await textOf(before, PATH), MANIFESTS[PATH]);
  });
});

Deno.test("the server's wish to be left alone is passed on", async () => {
  await withGit({}, async ({ server, remote }) => {
    server.fault = { type: "status", status: 503, headers: { "retry-after": "7" } };
    await assert.rejects(remote.fetch(), { name: "UnavailableError", retryAfterMs: 7000 });
    server.fault = { type: "status", status: 429 };
    await assert.rejects(remote.fetch(), { name: "UnavailableError", retryAfterMs: undefined });
  });
});

Deno.test("refused credentials are named as such and never shown", async () => {
  const secret = "hunter2-top-secret";
  const demanded = `Basic ${btoa(`ci:${secret}`)}`;
  await withGit({ server: { authorization: () => demanded } }, async ({ server, open }) => {
    const good = open({ access: { auth: { type: "basic", username: "ci", password: secret } } });
    assert.equal((await (await good.fetch()).files()).length, 40);
    const bad = open({ access: { auth: { type: "bearer", token: "wrong-token" } } });
    await assert.rejects(bad.fetch(), (error) => {
      assert.ok(error instanceof RejectedError);
      assert.match(error.message, /does not accept the credentials/);
      assert.ok(!JSON.stringify([error.message, error.fix, error.data]).includes("wrong-token"));
      return true;
    });
    server.fault = { type: "status", status: 400, text: `bad header: ${secret}` };
    await assert.rejects(good.fetch(), (error) => {
      assert.ok(error instanceof RejectedError);
      assert.match(error.message, /\[redacted\]/);
      assert.ok(!error.message.includes(secret));
      return true;
    });
  });
});

Deno.test("rotated credentials are read again after a refusal", async () => {
  let current = "first";
  await withGit({ server: { authorization: () => `Bearer ${current}` } }, async ({ repository, open, server }) => {
    let read = "first";
    const remote = open({
      access: () => {
        const token = read;
        // What lies in the file is replaced while the old one is in use.
        read = current;
        return Promise.resolve({ auth: { type: "bearer", token } });
      },
    });
    await remote.fetch();
    const tip = await repository.commit({ [PATH]: "changed: true\n" });
    current = "second";
    assert.equal((await remote.fetch()).commit, tip);
    assert.equal(server.records.filter((record) => record.authorization === "Bearer first").length, 4);
    const lost = open({ access: () => Promise.reject(new Error("ENOENT")) });
    await assert.rejects(lost.fetch(), { name: "UnavailableError", message: /credentials cannot be read/ });
  });
});

Deno.test("a server whose certificate is not trusted is unavailable, and trusted by its authority", async () => {
  const authority = createAuthority();
  await withGit({ server: { tls: authority.server() } }, async ({ remote, open }) => {
    await assert.rejects(remote.fetch(), { name: "UnavailableError", message: /certificate/i });
    const trusting = open({ access: { tls: { caPem: authority.caPem } } });
    const base = await trusting.fetch();
    const author = { name: "Serin", email: "serin@example.com" };
    const edits = [{ path: "new.yaml", content: new TextEncoder().encode("a: 1\n") }];
    assert.equal((await trusting.push(base, [{ message: "Add", author, timeMs: 0, edits }])).type, "pushed");
  });
});

Deno.test("an answer beyond the bound is refused", async () => {
  await withGit({ remote: { fetchBytesMax: 2000 } }, async ({ remote }) => {
    await assert.rejects(remote.fetch(), { name: "UnavailableError", message: /more than 2000 bytes/ });
  });
});

Deno.test("a caller who gives up gets its own reason back, and the next call works", async () => {
  await withGit({}, async ({ server, remote }) => {
    server.fault = { type: "hang" };
    const giveUp = new AbortController();
    const fetching = remote.fetch(giveUp.signal);
    await until("the request hangs", () => server.hanging > 0);
    giveUp.abort(new Error("no longer wanted"));
    await assert.rejects(fetching, /no longer wanted/);
    server.fault = undefined;
    assert.equal((await (await remote.fetch()).files()).length, 40);
    await assert.rejects(remote.fetch(AbortSignal.abort(new Error("too late"))), /too late/);
  });
});

Deno.test("redirects are followed to where the repository is, without credentials for other origins", async () => {
  await withGit({}, async ({ server, open }) => {
    const seen: (string | null)[] = [];
    const redirecting = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      seen.push(request.headers.get("authorization"));
      return Response.redirect(`${server.url("fleet.git")}/info/refs${new URL(request.url).search}`, 301);
    });
    try {
      const url = `http://127.0.0.1:${redirecting.addr.port}/old.git`;
      const remote = open({ url, access: { auth: { type: "bearer", token: "secret" } } });
      assert.equal((await (await remote.fetch()).files()).length, 40);
      assert.deepEqual(seen, ["Bearer secret"]);
      assert.deepEqual(server.records.map((record) => record.authorization), [null, null, null]);
      await remote.close();
    } finally {
      await redirecting.shutdown();
    }
  });
});

Deno.test("a url or a branch that cannot be used is refused without showing secrets", async () => {
  await withGit({}, ({ open }) => {
    assert.throws(() => open({ url: "https://ci:hunter2@git.example.com/a.git" }), (error) => {
      assert.ok(
        error instanceof Error && !error.message.includes("hunter2") && /carries credentials/.test(error.message),
      );
      return true;
    });
    assert.throws(() => open({ url: "git://example.com/a.git" }), { name: "InvalidSpecError" });
    for (const branch of ["", "a b", "a..b", "-/.x", "refs/", "a\n", "x.lock"]) {
      assert.throws(() => open({ branch }), { name: "InvalidSpecError" }, JSON.stringify(branch));
    }
    return Promise.resolve();
  });
});
