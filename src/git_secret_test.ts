import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { accessOfSecret } from "./git_secret.ts";

const ALONE = { username: null, knownHosts: null };

Deno.test("accessOfSecret() reads Flux's layouts", () => {
  const basic = accessOfSecret({ username: "ada", password: "p\n", "ca.crt": "CA" }, ALONE).access;
  deepStrictEqual(basic.auth, { type: "basic", username: "ada", password: "p" });
  deepStrictEqual(basic.tls, { caPem: "CA" });
  deepStrictEqual(accessOfSecret({ bearerToken: "t" }, ALONE).access.auth, { type: "bearer", token: "t" });
  deepStrictEqual(accessOfSecret({ "tls.crt": "C", "tls.key": "K", caFile: "CA" }, ALONE).access.tls, {
    caPem: "CA",
    certPem: "C",
    keyPem: "K",
  });
  const ssh = accessOfSecret({ identity: "KEY", "identity.pub": "PUB", known_hosts: "HOSTS" }, ALONE).access;
  deepStrictEqual(ssh.ssh, { privateKey: "KEY", knownHosts: "HOSTS" });
  deepStrictEqual(
    accessOfSecret({
      githubAppID: "1",
      githubAppInstallationID: "2",
      githubAppPrivateKey: "PEM",
      githubAppBaseURL: "https://ghe.example/api/v3",
    }, ALONE).installation,
    { appId: "1", installationId: "2", privateKeyPem: "PEM", apiUrl: "https://ghe.example/api/v3" },
  );
});

Deno.test("accessOfSecret() reads Argo CD's layouts", () => {
  const argo = accessOfSecret({
    type: "git",
    url: "https://git.example/x.git",
    username: "ada",
    password: "p",
    tlsClientCertData: "C",
    tlsClientCertKey: "K",
    proxy: "http://u:p%40ss@proxy:3128",
    insecure: "true",
  }, ALONE).access;
  deepStrictEqual(argo.tls, { certPem: "C", keyPem: "K" });
  deepStrictEqual(argo.proxy, { url: "http://proxy:3128/", username: "u", password: "p@ss" });
  const ssh = accessOfSecret({ sshPrivateKey: "KEY" }, { username: null, knownHosts: "HOSTS" }).access;
  deepStrictEqual(ssh.ssh, { privateKey: "KEY", knownHosts: "HOSTS" });
  const app = { githubAppID: "1", githubAppInstallationID: "2", githubAppPrivateKey: "PEM" };
  strictEqual(accessOfSecret(app, ALONE).installation?.apiUrl, "https://api.github.com");
  strictEqual(
    accessOfSecret({ ...app, githubAppEnterpriseBaseUrl: "https://ghe.example/api/v3" }, ALONE).installation?.apiUrl,
    "https://ghe.example/api/v3",
  );
});

Deno.test("accessOfSecret() takes what a Secret does not hold as absent, and the configuration's user first", () => {
  const { access, installation } = accessOfSecret({ password: "" }, ALONE);
  deepStrictEqual([access.auth, access.ssh, access.proxy, installation], [undefined, undefined, undefined, null]);
  deepStrictEqual(accessOfSecret({ username: "a", token: "t" }, { username: "b", knownHosts: null }).access.auth, {
    type: "basic",
    username: "b",
    password: "t",
  });
});
