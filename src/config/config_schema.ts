/** The agent's configuration as a schema: its reference, its JSON Schema and its messages all come from here. */
import {
  bool,
  type DurationSchema,
  field,
  httpUrl,
  intOrString,
  listOf,
  mapOf,
  nonEmptyText,
  object,
  type ObjectSchema,
  oneOf,
  pattern,
  required,
  type StringSchema,
} from "../schema/schema.ts";
import { serinCanarySpec } from "../spec/schema_canary.ts";
import { ALERT_TYPES } from "../spec/schema_others.ts";
import { dnsLabel, dnsName } from "../spec/schema_service.ts";

/** Never repeated in messages: people paste secrets into the wrong field. */
function sensitive(schema: StringSchema): StringSchema {
  return { ...schema, sensitive: true };
}

const file = pattern("^[^\\n]+$", "a path of a file");
const wait: DurationSchema = { type: "duration", style: "go", minMs: 1_000, maxMs: 86_400_000 };

/** Refuses a secret that is written into the file, which ends up in Git, in a ConfigMap, and in a process list. */
function literal(what: string, instead: string) {
  return field(nonEmptyText, `A ${what}; never here.`, {
    refused: {
      why: `A ${what} must not stand in the configuration`,
      fix: `Write it into a file, such as a mounted Secret, and name that in "${instead}"`,
    },
  });
}

const githubApp = object({
  appId: required(intOrString, "Id of the App, or its client id."),
  installationId: required(intOrString, "Id of the installation."),
  privateKeyFile: required(file, "File of the App's private key, PEM."),
  apiUrl: field(httpUrl, "Where the API is: `https://HOST/api/v3` for an Enterprise Server.", {
    defaultText: "`https://api.github.com`",
  }),
  privateKey: literal("key", "privateKeyFile"),
});

const secretName = object({
  name: required(dnsName, "Name of the Secret."),
  namespace: field(dnsLabel, "Namespace of the Secret.", { defaultText: "the agent's" }),
});

const WAYS_IN = ["passwordFile", "tokenFile", "bearerTokenFile", "githubApp", "sshKeyFile", "secretRef"] as const;

const auth = object({
  username: field(nonEmptyText, "User to log in as; with SSH, where the URL does not say.", { defaultText: "`git`" }),
  passwordFile: field(file, "File that holds the password."),
  tokenFile: field(file, "File that holds a token, sent as password."),
  bearerTokenFile: field(file, "File that holds a token, sent as `Authorization: Bearer`."),
  githubApp: field(githubApp, "Installation of a GitHub App; its tokens are made and replaced by the agent."),
  sshKeyFile: field(file, "File that holds an SSH private key, without passphrase."),
  knownHostsFile: field(file, "File of SSH host keys that are trusted; no other server is talked to."),
  secretRef: field(
    secretName,
    "Secret in the cluster, in Flux's or Argo CD's layout; docs/security.md lists the keys.",
  ),
  password: literal("password", "passwordFile"),
  token: literal("token", "tokenFile"),
  sshKey: literal("key", "sshKeyFile"),
}, {
  rules: [{
    type: "at-most-one",
    fields: WAYS_IN,
    fix: `Give at most one of ${WAYS_IN.map((name) => `"${name}"`).join(", ")}`,
  }],
});

const proxy = object({
  url: required(sensitive(pattern("^(https?|socks5)://.+$", "the URL of a proxy")), "Where the proxy is."),
  username: field(nonEmptyText, "User at the proxy."),
  passwordFile: field(file, "File that holds the password at the proxy."),
  password: literal("password", "passwordFile"),
});

const verify = object({
  allowedSignersFile: field(file, "File of SSH keys that may sign, as `ssh-keygen` and Git read it."),
  openpgpKeysFile: field(file, "File of armoured OpenPGP public keys that may sign; needs the `gpg` program."),
});

const source = object({
  name: required(dnsLabel, "Name of the source, in logs and in the path of its webhook."),
  url: required(
    sensitive(
      pattern(
        "^(https?|ssh)://.+$|^[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:.+$",
        "the URL of a Git repository over http, https or ssh",
      ),
    ),
    "Where the repository is: `https://…`, `ssh://…` or `git@host:path`; SSH needs the `ssh` program.",
  ),
  branch: field(pattern("^[^\\s~^:?*\\\\[]+$", "the name of a branch"), "Branch that says what should run.", {
    default: "main",
  }),
  paths: field(
    listOf(nonEmptyText),
    "Folders that are read. Sources of one branch may differ in this; they share a connection and one writer.",
    { default: [], defaultText: "all" },
  ),
  pollInterval: field(wait, "Time between two looks.", { default: "30s" }),
  auth: field(auth, "How to log in."),
  caFile: field(file, "File of certificate authorities for this server, beside the usual ones."),
  clientCertFile: field(file, "File of a certificate that is shown to the server."),
  clientKeyFile: field(file, "File of the key of that certificate."),
  proxy: field(proxy, "Proxy on the way to this server."),
  signingKeyFile: field(
    file,
    "File of the key that commits are signed with: SSH (ed25519), or armoured OpenPGP, which needs `gpg`; no passphrase.",
  ),
  signingKeySecretRef: field(
    secretName,
    "Secret in the cluster that holds this key instead, as `git.asc`, `ssh-privatekey` or `identity`.",
  ),
  verify: field(verify, "Who must have signed the tip of the branch before the agent acts on it.", {
    defaultText: "whoever can push",
  }),
  webhookSecretFile: field(file, "File of the secret that push webhooks are signed with."),
  statusRef: field(
    bool,
    "Tells the progress of rollouts in the ref `refs/serin/status/<cluster>/<branch>` of the repository, too.",
    { default: false },
  ),
  authorName: field(nonEmptyText, "Name in the agent's commits.", { default: "Serin" }),
  authorEmail: field(pattern("^[^@\\s<>]+@[^@\\s<>]+$", "an e-mail address"), "Address in the agent's commits.", {
    default: "serin@localhost",
  }),
  webhookSecret: literal("secret", "webhookSecretFile"),
});

const token = object({
  name: required(nonEmptyText, "Who it is; stands in approvals."),
  hash: required(
    sensitive(pattern("^sha256:[0-9a-f]{64}$", '"sha256:" and 64 hex digits')),
    "SHA-256 of the token, in hex.",
  ),
  roles: required(listOf(oneOf("viewer", "approver", "admin"), { minItems: 1 }), "What may be done with it."),
  token: literal("token", "hash"),
}, { title: "Token" });

/** A Canary's spec without its target, which the annotated workload is. */
const profile: ObjectSchema = object(
  Object.fromEntries(Object.entries(serinCanarySpec.fields).filter(([name]) => name !== "targetRef")),
);

/** The whole file. */
export const configSchema: ObjectSchema = object({
  cluster: required(
    pattern(
      "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
      "a name of letters, digits, dashes, dots and underscores",
      63,
    ),
    "Name of this cluster, in the paths of locks. Never change it while canaries run.",
  ),
  sources: required(listOf(source, { minItems: 1, maxItems: 100 }), "Git repositories that say what should run."),
  kubernetes: field(
    object({
      kubeconfig: field(file, "File of the kubeconfig.", { defaultText: "the pod's service account" }),
      context: field(nonEmptyText, "Context of the kubeconfig.", { defaultText: "the current one" }),
      namespaces: field(listOf(dnsLabel), "Namespaces the agent works in.", { default: [], defaultText: "all" }),
    }),
    "How to reach the cluster.",
    { default: {} },
  ),
  provider: field(nonEmptyText, "Router of canaries that name none.", { default: "istio" }),
  metricsServer: field(httpUrl, "Prometheus of canaries that name none.", { default: "http://prometheus:9090" }),
  metricLabels: field(
    object({
      pod: field(nonEmptyText, "Label of the pod; kube-prometheus-stack says `pod`.", {
        default: "kubernetes_pod_name",
      }),
      namespace: field(nonEmptyText, "Label of the namespace; kube-prometheus-stack says `namespace`.", {
        default: "kubernetes_namespace",
      }),
      service: field(nonEmptyText, "Label of the service.", { default: "service" }),
    }),
    "Labels in built-in queries, as Flagger's own Prometheus has them.",
    { default: {} },
  ),
  profiles: field(
    mapOf(profile),
    "Specs for Deployments annotated `serin.dev/canary: <name>`; as `Canary.spec`, without `targetRef`.",
    {
      default: {},
    },
  ),
  tokens: field(listOf(token), "Tokens for the HTTP API and the page.", { default: [] }),
  listen: field(
    pattern("^(\\[[0-9a-fA-F:.]+\\]|[^:\\s]*):[0-9]{1,5}$", 'host and port, such as ":8080"'),
    "Address of the HTTP server.",
    {
      default: ":8080",
    },
  ),
  publicRead: field(bool, "Whether reading needs no token.", { default: false }),
  mode: field(oneOf("run", "observe"), "`observe` does everything but write.", { default: "run" }),
  shard: field(
    pattern("^[0-9]+/[0-9]+$", 'index and count, such as "0/3"'),
    "Which part of the canaries this agent has.",
    {
      defaultText: "all",
    },
  ),
  flaggerMetrics: field(bool, "Whether metrics are also published under Flagger's names.", { default: false }),
  leaderElection: field(
    object({
      enabled: field(bool, "Whether one of several replicas leads.", { default: true }),
      namespace: field(dnsLabel, "Namespace of the Lease.", {
        defaultText: "the service account's; with a kubeconfig, the context's",
      }),
      lease: field(dnsName, "Name of the Lease.", { default: "serin" }),
    }),
    "Several replicas of one agent.",
    { default: {} },
  ),
  secrets: field(
    object({
      copy: field(bool, "Whether Secrets are copied for the primary; needs the right to read them.", { default: true }),
    }),
    "Secrets of workloads.",
    { default: {} },
  ),
  logLevel: field(oneOf("debug", "info", "warn", "error"), "Least level that is logged.", { default: "info" }),
  engine: field(oneOf("self", "flux", "argocd"), "Who applies targets, where the canary does not say.", {
    defaultText: "found out from labels and annotations",
  }),
  promotionDeadline: field(wait, "How long a promotion may wait for its push.", { default: "30m" }),
  alerts: field(
    object({
      type: required(oneOf(...ALERT_TYPES), "Kind of the place."),
      urlFile: required(file, "File that holds the URL of the webhook."),
      channel: field(nonEmptyText, "Channel to write to.", { default: "general" }),
      username: field(nonEmptyText, "Name to write under.", { default: "serin" }),
      url: literal("webhook URL", "urlFile"),
    }),
    "Where alerts go for canaries without `alerts`.",
  ),
});
