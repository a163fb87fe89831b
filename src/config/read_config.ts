/** From a configuration that fits its schema to the type that the agent uses. */
import { at, isJsonObject, type Json, type JsonObject, listAt, objectAt, stringAt } from "../core/kube_object.ts";
import { parseDuration } from "../schema/duration.ts";
import { stringsAt } from "../spec/parse_service.ts";
import type { AgentConfig, AuthConfig, Role, SourceConfig, TokenConfig } from "./agent_config.ts";

/** @param config checked, with defaults */
export function readConfig(config: JsonObject): AgentConfig {
  const text = (...path: readonly string[]): string => stringAt(config, ...path) ?? "";
  const flag = (...path: readonly string[]): boolean => at(config, ...path) === true;
  const engine = text("engine");
  const logLevel = text("logLevel");
  const profiles = Object.entries(objectAt(config, "profiles"));
  return {
    cluster: text("cluster"),
    sources: listAt(config, "sources").map(readSource),
    kubernetes: {
      kubeconfig: stringAt(config, "kubernetes", "kubeconfig") ?? null,
      context: stringAt(config, "kubernetes", "context") ?? null,
      namespaces: stringsAt(config, "kubernetes", "namespaces"),
    },
    provider: text("provider"),
    metricsServer: text("metricsServer"),
    metricLabels: {
      pod: text("metricLabels", "pod"),
      namespace: text("metricLabels", "namespace"),
      service: text("metricLabels", "service"),
    },
    profiles: new Map(profiles.flatMap(([name, spec]) => (isJsonObject(spec) ? [[name, spec]] : []))),
    tokens: listAt(config, "tokens").map(readToken),
    listen: readListen(text("listen")),
    publicRead: flag("publicRead"),
    mode: text("mode") === "observe" ? "observe" : "run",
    shard: readShard(stringAt(config, "shard")),
    flaggerMetrics: flag("flaggerMetrics"),
    leaderElection: {
      enabled: flag("leaderElection", "enabled"),
      namespace: stringAt(config, "leaderElection", "namespace") ?? null,
      lease: text("leaderElection", "lease"),
    },
    secrets: { copy: flag("secrets", "copy") },
    logLevel: logLevel === "debug" || logLevel === "warn" || logLevel === "error" ? logLevel : "info",
    engine: engine === "self" || engine === "flux" || engine === "argocd" ? engine : null,
    promotionDeadlineMs: parseDuration(text("promotionDeadline")) ?? 0,
    alerts: at(config, "alerts") === undefined ? null : {
      type: text("alerts", "type"),
      urlFile: text("alerts", "urlFile"),
      channel: text("alerts", "channel"),
      username: text("alerts", "username"),
    },
  };
}

function readSource(source: Json): SourceConfig {
  const text = (key: string): string => stringAt(source, key) ?? "";
  return {
    name: text("name"),
    url: text("url"),
    branch: text("branch"),
    paths: stringsAt(source, "paths").map(trimSlashes).filter((path) => path !== ""),
    pollIntervalMs: parseDuration(text("pollInterval")) ?? 0,
    auth: readAuth(objectAt(source, "auth")),
    caFile: stringAt(source, "caFile") ?? null,
    clientCertFile: stringAt(source, "clientCertFile") ?? null,
    clientKeyFile: stringAt(source, "clientKeyFile") ?? null,
    proxy: readProxy(source),
    signingKey: readSigningKey(source),
    verify: readVerify(source),
    webhookSecretFile: stringAt(source, "webhookSecretFile") ?? null,
    statusRef: at(source, "statusRef") === true,
    authorName: text("authorName"),
    authorEmail: text("authorEmail"),
  };
}

function readProxy(source: Json): SourceConfig["proxy"] {
  const url = stringAt(source, "proxy", "url");
  if (url === undefined) return null;
  return {
    url,
    username: stringAt(source, "proxy", "username") ?? null,
    passwordFile: stringAt(source, "proxy", "passwordFile") ?? null,
  };
}

function readSigningKey(source: Json): SourceConfig["signingKey"] {
  const path = stringAt(source, "signingKeyFile");
  if (path !== undefined) return { type: "file", path };
  const name = stringAt(source, "signingKeySecretRef", "name");
  if (name === undefined) return null;
  return { type: "secret", name, namespace: stringAt(source, "signingKeySecretRef", "namespace") ?? null };
}

function readVerify(source: Json): SourceConfig["verify"] {
  if (at(source, "verify") === undefined) return null;
  return {
    allowedSignersFile: stringAt(source, "verify", "allowedSignersFile") ?? null,
    openpgpKeysFile: stringAt(source, "verify", "openpgpKeysFile") ?? null,
  };
}

/** "./apps/" as "apps"; "." as "". */
function trimSlashes(path: string): string {
  return path.split("/").filter((part) => part !== "" && part !== ".").join("/");
}

function readAuth(auth: JsonObject): AuthConfig {
  const username = stringAt(auth, "username");
  const passwordFile = stringAt(auth, "passwordFile");
  if (passwordFile !== undefined) return { type: "password", username: username ?? "git", passwordFile };
  const tokenFile = stringAt(auth, "tokenFile");
  if (tokenFile !== undefined) return { type: "token", username: username ?? "git", tokenFile };
  const bearerTokenFile = stringAt(auth, "bearerTokenFile");
  if (bearerTokenFile !== undefined) return { type: "bearer", bearerTokenFile };
  const privateKeyFile = stringAt(auth, "githubApp", "privateKeyFile");
  if (privateKeyFile !== undefined) {
    return {
      type: "github-app",
      appId: numberText(auth, "githubApp", "appId"),
      installationId: numberText(auth, "githubApp", "installationId"),
      privateKeyFile,
      apiUrl: stringAt(auth, "githubApp", "apiUrl") ?? null,
    };
  }
  const sshKeyFile = stringAt(auth, "sshKeyFile");
  const knownHostsFile = stringAt(auth, "knownHostsFile") ?? null;
  if (sshKeyFile !== undefined) {
    return { type: "ssh-key", username: username ?? null, sshKeyFile, knownHostsFile: knownHostsFile ?? "" };
  }
  const name = stringAt(auth, "secretRef", "name");
  if (name === undefined) return { type: "none" };
  return {
    type: "secret",
    username: username ?? null,
    name,
    namespace: stringAt(auth, "secretRef", "namespace") ?? null,
    knownHostsFile,
  };
}

function numberText(auth: JsonObject, ...path: readonly string[]): string {
  const value = at(auth, ...path);
  return typeof value === "number" || typeof value === "string" ? String(value) : "";
}

function readToken(token: Json): TokenConfig {
  const roles = stringsAt(token, "roles").filter((role): role is Role =>
    ["viewer", "approver", "admin"].includes(role)
  );
  return { name: stringAt(token, "name") ?? "", hash: stringAt(token, "hash") ?? "", roles };
}

/** ":8080" listens on all addresses. */
function readListen(listen: string): AgentConfig["listen"] {
  const cut = listen.lastIndexOf(":");
  const hostname = listen.slice(0, cut).replace(/^\[(.*)\]$/, "$1");
  return { hostname: hostname === "" ? "0.0.0.0" : hostname, port: Number(listen.slice(cut + 1)) };
}

function readShard(shard: string | undefined): AgentConfig["shard"] {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(shard ?? "") ?? [];
  return index === undefined || count === undefined ? null : { index: Number(index), count: Number(count) };
}
