/** Getting in over HTTPS: certificates of both sides, a proxy, files and Secrets as the configuration names them. */
import assert from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { InstallationTokens } from "../../adapters/platform/git/github_app.ts";
import type { GitAccess } from "../../adapters/platform/git.ts";
import { loadConfig } from "../../src/config/load_config.ts";
import { type OpenedRemote, openRemote } from "../../src/open_remote.ts";
import type { KubeObject } from "../../src/core/kube_object.ts";
import { createAuthority } from "../support/certificates.ts";
import { openClientCertFront } from "../support/client_cert_front.ts";
import { ConnectProxy } from "../support/connect_proxy.ts";
import { withGit } from "../support/git_fixture.ts";
import { missingTools, sshSigning, verifyCommit } from "../support/signing_tools.ts";
import { makeSshKey } from "../support/ssh_keys.ts";

const author = { name: "Serin", email: "serin@example.com" };
const edits = [{ path: "new.yaml", content: new TextEncoder().encode("a: 1\n") }];
const DRAFT = { message: "Add", author, timeMs: 0, edits };

const portOf = (url: string) => Number(new URL(url).port);

Deno.test("a server that asks for a client certificate gets it, for fetches and pushes, and a new one when it is rotated", async () => {
  const authority = createAuthority();
  await withGit({}, async ({ server, open }) => {
    const front = await openClientCertFront(authority, portOf(server.url("")));
    try {
      const url = `https://127.0.0.1:${front.port}/fleet.git`;
      const { caPem } = authority;
      const anonymous = open({ url, access: { tls: { caPem } } });
      await assert.rejects(anonymous.fetch(), { name: "UnavailableError", message: /certificate/i });
      let shown = authority.client("first");
      const remote = open({
        url,
        access: () => Promise.resolve({ tls: { caPem, certPem: shown.certPem, keyPem: shown.keyPem } }),
      });
      const base = await remote.fetch();
      assert.equal((await base.files()).length, 40);
      shown = authority.client("second");
      assert.equal((await remote.push(base, [DRAFT])).type, "pushed");
      assert.deepEqual([...new Set(front.names)], ["first", "second"]);
    } finally {
      await front.close();
    }
  });
});

Deno.test("a bundle may hold several authorities, and texts that are no certificates are refused without being shown", async () => {
  const authority = createAuthority();
  await withGit({ server: { tls: authority.server() } }, async ({ open }) => {
    const bundle = `${createAuthority("another").caPem}${authority.caPem}`;
    const remote = open({ access: { tls: { caPem: bundle } } });
    assert.equal((await (await remote.fetch()).files()).length, 40);
    const { certPem, keyPem } = authority.client("serin");
    const rows: readonly GitAccess["tls"][] = [
      { caPem: authority.caPem, certPem },
      { caPem: authority.caPem, keyPem },
      { caPem: authority.caPem, certPem, keyPem: "geheim" },
    ];
    for (const tls of rows) {
      await assert.rejects(open({ access: { tls } }).fetch(), (error) => {
        assert.ok(error instanceof Error && error.name === "InvalidSpecError", String(error));
        assert.ok(!error.message.includes("geheim") && !error.message.includes(keyPem.slice(40, 80)));
        return true;
      });
    }
  });
});

Deno.test("a proxy is asked for a tunnel, with its own credentials, and never sees those for Git", async () => {
  const authority = createAuthority();
  const demanded = `Basic ${btoa("proxy-user:proxy-secret")}`;
  const proxy = new ConnectProxy(demanded);
  const git = { type: "bearer", token: "git-secret" } as const;
  try {
    await withGit({ server: { tls: authority.server(), authorization: () => "Bearer git-secret" } }, async (stand) => {
      const { open, server } = stand;
      const tls = { caPem: authority.caPem };
      const proxied = (password: string) => ({ url: proxy.url, username: "proxy-user", password });
      const remote = open({ access: { auth: git, tls, proxy: proxied("proxy-secret") } });
      const base = await remote.fetch();
      assert.equal((await remote.push(base, [DRAFT])).type, "pushed");
      const target = `CONNECT 127.0.0.1:${portOf(server.url(""))} HTTP/1.1`;
      assert.deepEqual([...new Set(proxy.requests.map(({ line }) => line))], [target]);
      assert.ok(proxy.requests.length >= 2 && proxy.requests.every(({ authorization }) => authorization === demanded));
      const wrong = open({ access: { auth: git, tls, proxy: proxied("wrong-secret") } });
      await assert.rejects(wrong.fetch(), (error) => {
        assert.ok(error instanceof Error && error.name === "UnavailableError", String(error));
        assert.match(error.message, /proxy/i);
        assert.ok(!/secret/.test(error.message), error.message);
        return true;
      });
    });
  } finally {
    await proxy.close();
  }
});

Deno.test("a redirect never takes a push, credentials, or a way without TLS along", async () => {
  const authority = createAuthority();
  await withGit({ server: { tls: authority.server() } }, async ({ server, open, repository }) => {
    const seen: string[] = [];
    const elsewhere = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      seen.push(`${request.method} ${request.headers.get("authorization")}`);
      return new Response("no", { status: 404 });
    });
    try {
      const remote = open({ access: { auth: { type: "bearer", token: "secret" }, tls: { caPem: authority.caPem } } });
      const base = await remote.fetch();
      const to = `http://127.0.0.1:${elsewhere.addr.port}/fleet.git/git-receive-pack`;
      for (const status of [301, 307, 308]) {
        server.fault = {
          type: "status",
          status,
          headers: { location: to },
          when: ({ method, path }) => method === "POST" && path.endsWith("/git-receive-pack"),
        };
        await assert.rejects(remote.push(base, [DRAFT]), { name: "UnavailableError" });
      }
      assert.deepEqual(seen, []);
      server.fault = {
        type: "status",
        status: 302,
        headers: { location: `http://127.0.0.1:${elsewhere.addr.port}/fleet.git/info/refs?service=git-upload-pack` },
        when: ({ method }) => method === "GET",
      };
      const fresh = open({ access: { auth: { type: "bearer", token: "secret" }, tls: { caPem: authority.caPem } } });
      await assert.rejects(fresh.fetch(), { name: "RejectedError" });
      assert.deepEqual(seen, ["GET null"]);
      assert.equal(await repository.git("rev-parse", "main"), base.commit);
    } finally {
      await elsewhere.shutdown();
    }
  });
});

/** Opens a source as the configuration says, with Secrets from here and files from the disk. */
function openSource(fields: string, secrets: Readonly<Record<string, Readonly<Record<string, string>>>>): OpenedRemote {
  const { config, complaints } = loadConfig({
    text: `cluster: demo\nsources:\n  - {name: fleet, ${fields}}\n`,
    file: "serin.yaml",
    flags: new Map(),
    env: {},
  });
  const [source] = config?.sources ?? [];
  assert.ok(source !== undefined, JSON.stringify(complaints));
  return openRemote(source, {
    clock: machineClock,
    cluster: {
      live: ({ kind, name, namespace }) => {
        const data = Object.entries(secrets[name] ?? {}).map(([key, value]) => [key, btoa(value)]);
        const object: KubeObject = { apiVersion: "v1", kind, metadata: { name, namespace: namespace ?? "" } };
        return Promise.resolve(name in secrets ? { ...object, data: Object.fromEntries(data) } : undefined);
      },
    },
    telling: { fetched: () => {}, pushed: () => {} },
    namespace: "serin",
    readText: Deno.readTextFile,
    installations: new InstallationTokens(machineClock),
  });
}

Deno.test("a source gets in by files, and by a Secret of Flux's or Argo CD's layout", async () => {
  const authority = createAuthority();
  const demanded = `Basic ${btoa("ada:s3cret")}`;
  await withGit({ server: { tls: authority.server(), authorization: () => demanded } }, async ({ server, scratch }) => {
    await Deno.mkdir(scratch);
    await Deno.writeTextFile(`${scratch}/ca.crt`, authority.caPem);
    await Deno.writeTextFile(`${scratch}/password`, "s3cret\n");
    const url = `url: '${server.url("fleet.git")}'`;
    const secrets = {
      flux: { username: "ada", password: "s3cret", "ca.crt": authority.caPem },
      argo: { url: server.url("fleet.git"), username: "ada", password: "s3cret" },
    };
    const ways = [
      `${url}, caFile: ${scratch}/ca.crt, auth: {username: ada, passwordFile: ${scratch}/password}`,
      `${url}, auth: {secretRef: {name: flux}}`,
      `${url}, caFile: ${scratch}/ca.crt, auth: {secretRef: {name: argo}}`,
    ];
    for (const way of ways) {
      const opened = openSource(way, secrets);
      try {
        assert.equal((await (await opened.measured.fetch()).files()).length, 40, way);
      } finally {
        await opened.close();
      }
    }
    const rows = [
      [`${url}, caFile: ${scratch}/absent`, /source "fleet": ".*absent" cannot be read/],
      [`${url}, auth: {secretRef: {name: nobody}}`, /Secret "serin\/nobody": it does not exist/],
    ] as const;
    for (const [way, message] of rows) {
      const opened = openSource(way, secrets);
      try {
        await assert.rejects(opened.measured.fetch(), { name: "UnavailableError", message });
      } finally {
        await opened.close();
      }
    }
  });
});

const lacking = await missingTools("ssh-keygen");
if (lacking.length > 0) {
  const line = 'signing keys from Secrets: 1 test left out: "ssh-keygen" is not on the PATH\n';
  Deno.stdout.writeSync(new TextEncoder().encode(line));
} else {
  Deno.test("commits are signed with a key from a Secret, and with another as soon as it is replaced", async () => {
    await withGit({}, async ({ server, scratch, repository }) => {
      await Deno.mkdir(scratch);
      const [first, second] = [await makeSshKey("first"), await makeSshKey("second")];
      const allow = async (key: typeof first) => {
        const allowedSignersFile = `${scratch}/allowed_signers`;
        await Deno.writeTextFile(allowedSignersFile, `${author.email} ${key.publicText}\n`);
        return sshSigning({ allowedSignersFile });
      };
      const secrets: Record<string, Readonly<Record<string, string>>> = { empty: { other: "x" } };
      const url = `url: '${server.url("fleet.git")}'`;
      const opened = openSource(`${url}, signingKeySecretRef: {name: signing}`, secrets);
      try {
        const push = async (n: number) => {
          const content = new TextEncoder().encode(`n: ${n}\n`);
          const base = await opened.measured.fetch();
          const result = await opened.measured.push(base, [{ ...DRAFT, edits: [{ path: "new.yaml", content }] }]);
          assert.ok(result.type === "pushed");
          return result.commits[0] ?? "";
        };
        await assert.rejects(push(0), {
          name: "UnavailableError",
          message: /Secret "serin\/signing": it does not exist/,
        });
        secrets["signing"] = { identity: first.privateText };
        await verifyCommit(repository, await allow(first), await push(1));
        // Flux's name comes first.
        secrets["signing"] = { identity: first.privateText, "git.asc": second.privateText };
        const rotated = await push(2);
        await verifyCommit(repository, await allow(second), rotated);
        await assert.rejects(verifyCommit(repository, await allow(first), rotated));
      } finally {
        await opened.close();
      }
      const without = openSource(`${url}, signingKeySecretRef: {name: empty}`, secrets);
      try {
        const base = await without.measured.fetch();
        await assert.rejects(without.measured.push(base, [DRAFT]), {
          name: "UnavailableError",
          message: /Secret "serin\/empty" holds no signing key/,
        });
      } finally {
        await without.close();
      }
    });
  });
}
