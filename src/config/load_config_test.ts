/** The agent's configuration from file, flags and environment. */
import assert from "node:assert/strict";
import { formatComplaint } from "../spec/complaints.ts";
import { configSchema } from "./config_schema.ts";
import { loadConfig } from "./load_config.ts";
import { parseFlags } from "./parse_flags.ts";
import { configJsonSchema, configReference } from "./reference.ts";

const FILE = `cluster: prod
sources:
  - name: apps
    url: https://git.example/apps.git
    paths: [./clusters/prod/, "."]
    auth: {username: bot, passwordFile: /etc/serin/password}
profiles:
  web:
    service: {port: 80}
    analysis: {interval: 1m, threshold: 5, stepWeight: 10}
`;

function load(
  more: {
    readonly text?: string | null;
    readonly flags?: Record<string, string>;
    readonly env?: Record<string, string>;
  },
) {
  return loadConfig({
    text: more.text === undefined ? FILE : more.text,
    file: "serin.yaml",
    flags: new Map(Object.entries(more.flags ?? {})),
    env: more.env ?? {},
  });
}

function said(more: Parameters<typeof load>[0]): readonly string[] {
  return load(more).complaints.map(formatComplaint);
}

Deno.test("loadConfig() fills in every default", () => {
  const { config, complaints } = load({});
  assert.deepEqual(complaints, []);
  assert.ok(config !== null);
  const { profiles, ...rest } = config;
  assert.deepEqual([...profiles.keys()], ["web"]);
  assert.deepEqual(rest, {
    cluster: "prod",
    sources: [{
      name: "apps",
      url: "https://git.example/apps.git",
      branch: "main",
      paths: ["clusters/prod"],
      pollIntervalMs: 30_000,
      auth: { type: "password", username: "bot", passwordFile: "/etc/serin/password" },
      caFile: null,
      clientCertFile: null,
      clientKeyFile: null,
      proxy: null,
      signingKey: null,
      verify: null,
      webhookSecretFile: null,
      statusRef: false,
      authorName: "Serin",
      authorEmail: "serin@localhost",
    }],
    kubernetes: { kubeconfig: null, context: null, namespaces: [] },
    provider: "istio",
    metricsServer: "http://prometheus:9090",
    metricLabels: { pod: "kubernetes_pod_name", namespace: "kubernetes_namespace", service: "service" },
    tokens: [],
    listen: { hostname: "0.0.0.0", port: 8080 },
    publicRead: false,
    mode: "run",
    shard: null,
    flaggerMetrics: false,
    leaderElection: { enabled: true, namespace: null, lease: "serin" },
    secrets: { copy: true },
    logLevel: "info",
    engine: null,
    promotionDeadlineMs: 1_800_000,
    alerts: null,
  });
});

Deno.test("loadConfig() prefers a flag to a variable, a variable to the file, the file to the default", () => {
  const flags = { "cluster": "flag", "sources.0.poll-interval": "10s", "public-read": "true" };
  const env = {
    SERIN_CLUSTER: "env",
    SERIN_LISTEN: "[::1]:9090",
    SERIN_SOURCES_0_BRANCH: "env",
    SERIN_SOURCES_0_POLL_INTERVAL: "20s",
    SERIN_KUBERNETES_NAMESPACES: "shop, test",
    SERIN_SOURCES_1_NAME: "second",
    SERIN_SOURCES_1_URL: "https://git.example/second.git",
    SERIN_SOURCES_1_AUTH_SECRET_REF_NAME: "deploy-key",
    HOME: "/root",
  };
  const { config, complaints } = load({ flags, env });
  assert.deepEqual(complaints, []);
  assert.equal(config?.cluster, "flag");
  assert.deepEqual(config?.listen, { hostname: "::1", port: 9090 });
  assert.deepEqual(config?.sources.map(({ name, branch, pollIntervalMs }) => [name, branch, pollIntervalMs]), [
    ["apps", "env", 10_000],
    ["second", "main", 30_000],
  ]);
  assert.deepEqual(config?.sources[1]?.auth, {
    type: "secret",
    username: null,
    name: "deploy-key",
    namespace: null,
    knownHostsFile: null,
  });
  assert.deepEqual(config?.kubernetes.namespaces, ["shop", "test"]);
  assert.deepEqual(config?.publicRead, true);
});

Deno.test("loadConfig() works without a file", () => {
  const flags = { "cluster": "demo", "sources.0.name": "a", "sources.0.url": "https://git.example/repository.git" };
  assert.deepEqual(load({ text: null, flags }).config?.sources[0]?.url, "https://git.example/repository.git");
  assert.deepEqual(said({ text: null }), [
    'serin.yaml: error: cluster: Is required, and absent (fix: Add "cluster": Name of this cluster, in the paths of locks. Never change it while canaries run.)',
    'serin.yaml: error: sources: Is required, and absent (fix: Add "sources": Git repositories that say what should run.)',
  ]);
});

Deno.test("loadConfig() says what is wrong by line, flag or variable", () => {
  const text = `cluster: a/b
sources:
  - name: apps
    url: https://bot:hunter2@git.example/apps.git
    polInterval: 5s
    paths: [../other]
    auth: {token: hunter2}
  - name: apps
    url: hunter2
tokens:
  - name: ci
    hash: hunter2
    roles: [owner]
profiles:
  web: {targetRef: {kind: Deployment}, analysis: {interval: 1m, threshold: 1, stepWeight: 5}}
alerts: {type: slack, url: "https://hunter2"}
`;
  const all = said({
    text,
    flags: { "listn": ":80", "shard": "3/3", "listen": ":99999", "sources.5.name": "x" },
    env: {
      SERIN_LOG_LEVEL: "loud",
      SERIN_CLUSTR: "x",
      SERIN_SERVICE_HOST: "10.0.0.1",
      SERIN_PORT_8080_TCP_ADDR: "x",
      SERIN_PORT: "x",
    },
  });
  const wants = [
    /^serin\.yaml:1: error: cluster: Must be a name of letters/,
    /^serin\.yaml:4: error: sources\[0\]\.url: A password must not stand in the URL/,
    /^serin\.yaml:5: error: sources\[0\]\.polInterval: .*nearest is "pollInterval"/,
    /^serin\.yaml:6: error: sources\[0\]\.paths\[0\]: "\.\.\/other" leaves the repository/,
    /^serin\.yaml:7: error: sources\[0\]\.auth\.token: A token must not stand in the configuration .*"tokenFile"/,
    /^serin\.yaml:8: error: sources\[1\]\.name: "apps" is the name of an earlier entry/,
    /^serin\.yaml:9: error: sources\[1\]\.url: Must be the URL of a Git repository/,
    /^serin\.yaml:12: error: tokens\[0\]\.hash: Must be "sha256:"/,
    /^serin\.yaml:13: error: tokens\[0\]\.roles\[0\]: Must be "viewer"/,
    /^serin\.yaml:15: error: profiles\.web\.targetRef: Is not a known field/,
    /^serin\.yaml:16: error: alerts\.url: A webhook URL must not stand/,
    /^serin\.yaml:16: error: alerts\.urlFile: Is required/,
    /^--listn: error: Is not a field of the configuration: the nearest is "--listen"/,
    /^--shard: error: shard: Index must be below count/,
    /^--listen: error: listen: Port must be 0 to 65535/,
    /^--sources\.5\.name: error: .*hole/,
    /^SERIN_LOG_LEVEL: error: logLevel: Must be "debug"/,
    /^SERIN_CLUSTR: warning: .*"SERIN_CLUSTER"/,
  ];
  for (const want of wants) assert.ok(all.some((line) => want.test(line)), `${want}\n${all.join("\n")}`);
  assert.equal(all.length, wants.length, all.join("\n"));
  assert.ok(!all.some((line) => line.includes("hunter2")), "a message repeats a secret");
});

Deno.test("loadConfig() says where the YAML is broken", () => {
  assert.match(said({ text: "cluster: [\n" }).join("\n"), /^serin\.yaml:2: error: Cannot be read/);
  assert.match(
    said({ text: `${FILE}---\ncluster: b\n` }).join("\n"),
    /^serin\.yaml:12: error: There is more than one document/,
  );
});

Deno.test("parseFlags() reads all forms, and leaves the rest to the command", () => {
  const args = [
    "run",
    "--cluster=a=b",
    "--listen",
    ":80",
    "--public-read",
    "now",
    "--flagger-metrics",
    "false",
    "--config",
    "x.yaml",
    "--",
    "--y",
  ];
  const { flags, rest } = parseFlags(args, configSchema, ["config"]);
  assert.deepEqual([...flags], [["cluster", "a=b"], ["listen", ":80"], ["public-read", "true"], [
    "flagger-metrics",
    "false",
  ], ["config", "x.yaml"]]);
  assert.deepEqual(rest, ["run", "now", "--y"]);
});

Deno.test("docs/configuration.md and its JSON Schema are what the schema makes", () => {
  const read = (path: string): string => Deno.readTextFileSync(new URL(`../../docs/${path}`, import.meta.url));
  assert.equal(
    read("configuration.md"),
    configReference(),
    "Run deno run src/config/reference.ts markdown > docs/configuration.md",
  );
  assert.equal(
    read("configuration.schema.json"),
    configJsonSchema(),
    "Run deno run src/config/reference.ts json > docs/configuration.schema.json",
  );
});

Deno.test("loadConfig() refuses what is understood but not built, by name", () => {
  const text = [
    "cluster: demo",
    'shard: "0/2"',
    "sources:",
    "  - name: a",
    "    url: https://git.example/fleet.git",
    "alerts: { type: discord, urlFile: /etc/serin/url }",
  ].join("\n");
  const { config, complaints } = load({ text });
  assert.equal(config, null);
  const refused = complaints.filter(({ message }) => message.endsWith("is not supported yet")).map(({ field, line }) =>
    `${line} ${field}`
  );
  assert.deepEqual(refused.sort(), ["2 shard", "6 alerts.type"]);
});

Deno.test("loadConfig() reads ways to log in, certificates, proxies and keys", () => {
  const source = (more: string) => {
    const { config, complaints } = load({ text: `cluster: demo\nsources:\n  - {name: a, ${more}}\n` });
    assert.deepEqual(complaints, [], more);
    return config?.sources[0];
  };
  const https = "url: https://git.example/fleet.git";
  const key = "sshKeyFile: /k/identity, knownHostsFile: /k/known_hosts";
  assert.deepEqual(source(`url: git@git.example:fleet.git, auth: {${key}}`)?.auth, {
    type: "ssh-key",
    username: null,
    sshKeyFile: "/k/identity",
    knownHostsFile: "/k/known_hosts",
  });
  assert.equal(source("url: 'ssh://git.example/fleet.git', auth: {secretRef: {name: s}}")?.auth.type, "secret");
  assert.deepEqual(source(`${https}, auth: {bearerTokenFile: /t}`)?.auth, { type: "bearer", bearerTokenFile: "/t" });
  const app = "appId: 17, installationId: '4711', privateKeyFile: /k/app.pem";
  assert.deepEqual(source(`${https}, auth: {githubApp: {${app}}}`)?.auth, {
    type: "github-app",
    appId: "17",
    installationId: "4711",
    privateKeyFile: "/k/app.pem",
    apiUrl: null,
  });
  const more = source(
    `${https}, caFile: /ca, clientCertFile: /c, clientKeyFile: /k, ` +
      "proxy: {url: 'http://proxy:3128', username: u, passwordFile: /p}, signingKeyFile: /s, verify: {openpgpKeysFile: /o}",
  );
  assert.deepEqual([more?.caFile, more?.clientCertFile, more?.clientKeyFile], ["/ca", "/c", "/k"]);
  assert.deepEqual(more?.proxy, { url: "http://proxy:3128", username: "u", passwordFile: "/p" });
  assert.deepEqual(more?.signingKey, { type: "file", path: "/s" });
  assert.deepEqual(source(`${https}, signingKeySecretRef: {name: s, namespace: n}`)?.signingKey, {
    type: "secret",
    name: "s",
    namespace: "n",
  });
  assert.deepEqual(more?.verify, { allowedSignersFile: null, openpgpKeysFile: "/o" });
});

Deno.test("loadConfig() refuses ways to log in that cannot work, and a check that the agent itself would not pass", () => {
  const fields = (more: string) =>
    load({ text: `cluster: demo\nsources:\n  - {name: a, ${more}}\n` }).complaints.map(({ field }) => field).sort();
  const https = "url: https://git.example/fleet.git";
  const ssh = "url: git@git.example:fleet.git";
  const key = "sshKeyFile: /k, knownHostsFile: /h";
  const rows: readonly (readonly [more: string, ...fields: readonly string[]])[] = [
    ["url: git://git.example/x.git", "sources[0].url"],
    ["url: file:///srv/x.git", "sources[0].url"],
    [ssh, "sources[0].auth"],
    [`${ssh}, auth: {tokenFile: /t}`, "sources[0].auth", "sources[0].auth.tokenFile"],
    [`${ssh}, auth: {sshKeyFile: /k}`, "sources[0].auth.knownHostsFile"],
    [`${ssh}, auth: {${key}}, caFile: /c`, "sources[0].caFile"],
    [`${ssh}, auth: {${key}}, proxy: {url: "http://p:1"}`, "sources[0].proxy"],
    [`${https}, auth: {${key}}`, "sources[0].auth.knownHostsFile", "sources[0].auth.sshKeyFile"],
    [`${https}, clientCertFile: /c`, "sources[0].clientKeyFile"],
    [`${https}, clientKeyFile: /c`, "sources[0].clientCertFile"],
    [`${https}, proxy: {url: "http://u:p@p:1"}`, "sources[0].proxy.url"],
    [`${https}, proxy: {url: "http://p:1", passwordFile: /p}`, "sources[0].proxy.username"],
    [`${https}, verify: {}`, "sources[0].signingKeyFile", "sources[0].verify"],
    [`${https}, verify: {allowedSignersFile: /a}`, "sources[0].signingKeyFile"],
    [`${https}, signingKeyFile: /s, signingKeySecretRef: {name: s}`, "sources[0].signingKeySecretRef"],
    [`${https}, signingKeySecretRef: {}`, "sources[0].signingKeySecretRef.name"],
    [`${https}, signingKeySecretRef: {name: s}, verify: {allowedSignersFile: /a}`],
  ];
  for (const [more, ...wanted] of rows) assert.deepEqual(fields(more), wanted, more);
  const observing = `cluster: demo\nmode: observe\nsources: [{name: a, ${https}, verify: {allowedSignersFile: /a}}]\n`;
  assert.deepEqual(load({ text: observing }).complaints, []);
});
