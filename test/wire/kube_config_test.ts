/** Where endpoints come from: a pod's service account, and kubeconfig files of all shapes that people have. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { openCluster } from "../../adapters/platform/kube.ts";
import { inClusterEndpoint, tokenFromFile } from "../../adapters/platform/kube/config.ts";
import { loadKubeconfig } from "../../adapters/platform/kube/kubeconfig.ts";
import { InvalidSpecError, RejectedError, UnavailableError } from "../../src/errors.ts";
import { createAuthority } from "../support/certificates.ts";
import { FakeKube } from "../support/fake_kube.ts";
import { ManualClock } from "../support/manual_clock.ts";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function mount(folder: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/token`, "first\n");
  await Deno.writeTextFile(`${folder}/ca.crt`, "PEM");
  await Deno.writeTextFile(`${folder}/namespace`, "serin\n");
}

function env(host: string): (name: string) => string | undefined {
  return (name) => ({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: "6443" })[name];
}

Deno.test("in a pod: host, CA, namespace and token come from where Kubernetes puts them", async () => {
  await inFolder(async (directory) => {
    await mount(directory);
    const clock = new ManualClock();
    const endpoint = await inClusterEndpoint({ clock, directory, env: env("10.0.0.1") });
    equal(endpoint.baseUrl, "https://10.0.0.1:6443");
    equal(endpoint.caPem, "PEM");
    equal(endpoint.namespace, "serin");
    equal(await endpoint.token(), "first");
    equal((await inClusterEndpoint({ clock, directory, env: env("fd00::1") })).baseUrl, "https://[fd00::1]:6443");
    await rejects(inClusterEndpoint({ clock, directory, env: () => undefined }), InvalidSpecError);
    await Deno.remove(`${directory}/ca.crt`);
    await rejects(inClusterEndpoint({ clock, directory, env: env("10.0.0.1") }), InvalidSpecError);
  });
});

Deno.test("the token file is read again after a minute, and at once when its token was refused", async () => {
  await inFolder(async (folder) => {
    const clock = new ManualClock();
    const path = `${folder}/token`;
    const token = tokenFromFile(path, clock);
    await rejects(token(), UnavailableError);
    await Deno.writeTextFile(path, "first\n");
    equal(await token(), "first");
    await Deno.writeTextFile(path, "second\n");
    await clock.advance(59_999);
    equal(await token(), "first");
    await clock.advance(1);
    equal(await token(), "second");
    await Deno.writeTextFile(path, "third\n");
    equal(await token("an older one"), "second", "somebody else has read the newer one already");
    equal(await token("second"), "third");
    await Deno.remove(path);
    await clock.advance(60_000);
    equal(await token(), "third", "a file that is being swapped is no reason to stop");
  });
});

interface ConfigParts {
  readonly cluster: Readonly<Record<string, unknown>>;
  readonly user: Readonly<Record<string, unknown>>;
  readonly namespace?: string;
}

async function writeConfig(folder: string, { cluster, user, namespace }: ConfigParts): Promise<string> {
  const path = `${folder}/config`;
  const context = { cluster: "c", user: "u", ...(namespace === undefined ? {} : { namespace }) };
  const config = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "main",
    "clusters": [{ name: "c", cluster }],
    "users": [{ name: "u", user }],
    "contexts": [{ name: "main", context }, { name: "broken", context: { cluster: "nowhere", user: "u" } }],
  };
  // JSON is YAML.
  await Deno.writeTextFile(path, JSON.stringify(config));
  return path;
}

Deno.test("a kubeconfig with certificates, in data or in files beside it, opens a TLS server", async () => {
  await inFolder(async (folder) => {
    const authority = createAuthority();
    const client = authority.client("serin");
    const server = new FakeKube(authority);
    try {
      await Deno.writeTextFile(`${folder}/client.crt`, client.certPem);
      await Deno.writeTextFile(`${folder}/client.key`, client.keyPem);
      await Deno.writeTextFile(`${folder}/token`, "from-file\n");
      server.token = "from-file";
      const path = await writeConfig(folder, {
        cluster: { "server": server.endpoint().baseUrl, "certificate-authority-data": btoa(authority.caPem) },
        user: { "client-certificate": "client.crt", "client-key": "client.key", "tokenFile": "token" },
        namespace: "prod",
      });
      const endpoint = await loadKubeconfig(path);
      equal(endpoint.namespace, "prod");
      equal(endpoint.certPem, client.certPem);
      equal(endpoint.keyPem, client.keyPem);
      const cluster = openCluster({ endpoint, clock: new ManualClock() });
      equal((await cluster.server()).version, "v1.36.0-fake");
      await cluster.close();
    } finally {
      await server.stop();
    }
  });
});

Deno.test("a plain-http server with a static token is taken as it is", async () => {
  await inFolder(async (folder) => {
    const path = await writeConfig(folder, { cluster: { server: "http://127.0.0.1:1/" }, user: { token: "secret" } });
    const endpoint = await loadKubeconfig(path, "main");
    equal(endpoint.baseUrl, "http://127.0.0.1:1");
    equal(endpoint.namespace, "default");
    equal(await endpoint.token(), "secret");
    deepEqual([endpoint.caPem, endpoint.certPem], [undefined, undefined]);
  });
});

Deno.test("an exec plugin is asked for the token; one that fails says so", async () => {
  await inFolder(async (folder) => {
    const answer = JSON.stringify({
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "from-plugin" },
    });
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: Deno.execPath() };
    const cluster = { server: "https://127.0.0.1:1" };
    const args = ["eval", `console.log(${JSON.stringify(answer)})`];
    const good = await loadKubeconfig(await writeConfig(folder, { cluster, user: { exec: { ...exec, args } } }));
    equal(await good.token(), "from-plugin");
    const failing = { exec: { ...exec, args: ["eval", "console.error('log in first'); Deno.exit(1)"] } };
    const path = await writeConfig(folder, { cluster, user: failing });
    await rejects(loadKubeconfig(path), (error: unknown) => {
      ok(error instanceof RejectedError);
      ok(error.message.includes("log in first"), error.message);
      return true;
    });
  });
});

const refused: readonly (readonly [string, ConfigParts])[] = [
  ["insecure-skip-tls-verify", {
    cluster: { "server": "https://a:1", "insecure-skip-tls-verify": true },
    user: { token: "t" },
  }],
  ["tls-server-name", { cluster: { "server": "https://a:1", "tls-server-name": "b" }, user: { token: "t" } }],
  ["proxy-url", { cluster: { "server": "https://a:1", "proxy-url": "http://p:1" }, user: { token: "t" } }],
  ["username", { cluster: { server: "https://a:1" }, user: { username: "me", password: "x" } }],
  ["as", { cluster: { server: "https://a:1" }, user: { token: "t", as: "other" } }],
];
for (const [field, parts] of refused) {
  Deno.test(`a kubeconfig that asks for ${field} is refused by that name`, async () => {
    await inFolder(async (folder) => {
      const path = await writeConfig(folder, parts);
      await rejects(loadKubeconfig(path), (error: unknown) => {
        ok(error instanceof InvalidSpecError);
        ok(error.message.includes(`"${field}" is not supported`), error.message);
        ok(error.fix !== undefined);
        return true;
      });
    });
  });
}

Deno.test("a context that is not there, or leads nowhere, lists those there are", async () => {
  await inFolder(async (folder) => {
    const path = await writeConfig(folder, { cluster: { server: "https://a:1" }, user: { token: "t" } });
    for (const context of ["nope", "broken"]) {
      await rejects(loadKubeconfig(path, context), (error: unknown) => {
        ok(error instanceof InvalidSpecError);
        ok(error.fix?.includes("main, broken"));
        return true;
      });
    }
    await rejects(loadKubeconfig(`${folder}/missing`), InvalidSpecError);
    await Deno.writeTextFile(path, "clusters: [{");
    await rejects(loadKubeconfig(path), InvalidSpecError);
  });
});
