/** What a schema cannot say of the configuration: values that only make sense together. */
import { at, type Json, type JsonObject, listAt, stringAt } from "../core/kube_object.ts";
import type { FieldPath } from "../schema/path.ts";
import type { Problem } from "../schema/problem.ts";
import { disagreements } from "./by_branch.ts";

/** @param config may have schema errors; what is absent or of a wrong type is passed over */
export function checkConfig(config: JsonObject): readonly Problem[] {
  return [
    ...repeated(config, "sources"),
    ...repeated(config, "tokens"),
    ...listAt(config, "sources").flatMap((source, index) => sourceProblems(config, source, index)),
    ...disagreements(config),
    ...shardProblems(config),
    ...portProblems(config),
    ...notBuilt(config),
  ];
}

function repeated(config: JsonObject, list: "sources" | "tokens"): readonly Problem[] {
  const seen = new Set<string>();
  return listAt(config, list).flatMap((entry, index): Problem[] => {
    const name = stringAt(entry, "name");
    if (name === undefined) return [];
    const isRepeated = seen.has(name);
    seen.add(name);
    const reason = `"${name}" is the name of an earlier entry`;
    return isRepeated ? [{ path: [list, index, "name"], reason, fix: "Give each a name of its own" }] : [];
  });
}

function sourceProblems(config: JsonObject, source: Json, index: number): readonly Problem[] {
  const path: FieldPath = ["sources", index];
  const problems: Problem[] = [...reachProblems(source, path), ...signatureProblems(config, source, path)];
  const url = stringAt(source, "url") ?? "";
  if ((URL.parse(url)?.password ?? "") !== "") {
    // The URL is not repeated: it holds the password.
    problems.push({
      path: [...path, "url"],
      reason: "A password must not stand in the URL",
      fix: 'Remove it, and name a file that holds it in "auth.passwordFile"',
    });
  }
  if (stringAt(source, "auth", "passwordFile") !== undefined && stringAt(source, "auth", "username") === undefined) {
    problems.push({
      path: [...path, "auth", "username"],
      reason: "Is required with a password, and absent",
      fix: 'Add "username"',
    });
  }
  for (const [position, folder] of listAt(source, "paths").entries()) {
    if (typeof folder !== "string" || !folder.split("/").includes("..")) continue;
    problems.push({
      path: [...path, "paths", position],
      reason: `"${folder}" leaves the repository`,
      fix: 'Remove ".." from it',
    });
  }
  return problems;
}

/** Ways to log in, and what they are of no use for. */
const HTTP_ONLY = [
  ["auth", "passwordFile"],
  ["auth", "tokenFile"],
  ["auth", "bearerTokenFile"],
  ["auth", "githubApp"],
  ["caFile"],
  ["clientCertFile"],
  ["clientKeyFile"],
  ["proxy"],
] as const;
const SSH_ONLY = [["auth", "sshKeyFile"], ["auth", "knownHostsFile"]] as const;

/** What does not fit the kind of the URL, or lacks its other half. */
function reachProblems(source: Json, path: FieldPath): readonly Problem[] {
  const url = stringAt(source, "url") ?? "";
  const isHttp = /^https?:/.test(url);
  const isSsh = /^ssh:|^[\w.-]+@[\w.-]+:/.test(url);
  if (!isHttp && !isSsh) return [];
  const has = (...field: readonly string[]): boolean => at(source, ...field) !== undefined;
  const say = (field: FieldPath, reason: string, fix: string): Problem => ({ path: [...path, ...field], reason, fix });
  const useless = (isHttp ? SSH_ONLY : HTTP_ONLY).filter((field) => has(...field)).map((field) =>
    isHttp
      ? say(field, "Is of no use for an HTTP URL", "Use an SSH URL, or a token")
      : say(field, "Is of no use for an SSH URL", "Use an https URL, or remove it")
  );
  const problems = [...useless];
  if (isSsh && !has("auth", "sshKeyFile") && !has("auth", "secretRef")) {
    problems.push(say(["auth"], "An SSH URL needs a key", 'Add "sshKeyFile" and "knownHostsFile", or "secretRef"'));
  }
  if (has("auth", "sshKeyFile") && !has("auth", "knownHostsFile")) {
    const reason = "Is required with an SSH key, and absent: a server that is not known is never talked to";
    problems.push(say(["auth", "knownHostsFile"], reason, 'Add "knownHostsFile"'));
  }
  for (const [one, other] of [["clientCertFile", "clientKeyFile"], ["clientKeyFile", "clientCertFile"]] as const) {
    if (has(one) && !has(other)) problems.push(say([other], `Is required with "${one}", and absent`, `Add "${other}"`));
  }
  if (/@/.test(URL.parse(stringAt(source, "proxy", "url") ?? "")?.href ?? "")) {
    const fix = 'Name the user in "username" and a file with the password in "passwordFile"';
    problems.push(say(["proxy", "url"], "A user or password must not stand in the URL", fix));
  }
  if (has("proxy", "passwordFile") && !has("proxy", "username")) {
    problems.push(say(["proxy", "username"], "Is required with a password, and absent", 'Add "username"'));
  }
  return problems;
}

/** One key signs, and the agent's own commits must pass the check that it makes of others. */
function signatureProblems(config: JsonObject, source: Json, path: FieldPath): readonly Problem[] {
  const keys = ["signingKeyFile", "signingKeySecretRef"].filter((name) => at(source, name) !== undefined);
  const problems: Problem[] = keys.length < 2 ? [] : [{
    path: [...path, "signingKeySecretRef"],
    reason: 'Stands beside "signingKeyFile", and one key signs',
    fix: "Remove one of the two",
  }];
  if (at(source, "verify") === undefined) return problems;
  const isNobody = ["allowedSignersFile", "openpgpKeysFile"].every((name) => at(source, "verify", name) === undefined);
  if (isNobody) {
    problems.push({
      path: [...path, "verify"],
      reason: "Nobody could sign",
      fix: 'Add "allowedSignersFile" or "openpgpKeysFile"',
    });
  }
  if (keys.length === 0 && stringAt(config, "mode") !== "observe") {
    problems.push({
      path: [...path, "signingKeyFile"],
      reason: 'Is required with "verify", and absent: the agent would not accept its own commits',
      fix: 'Add "signingKeyFile" or "signingKeySecretRef"',
    });
  }
  return problems;
}

/** Places of alerts that are built. */
const BUILT_ALERTS = ["slack", "webhook"];

/** What is understood but not built yet is refused, never ignored. */
function notBuilt(config: JsonObject): readonly Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: FieldPath, what: string, fix: string): void => {
    problems.push({ path, reason: `${what} is not supported yet`, fix });
  };
  if (stringAt(config, "shard") !== undefined && shardProblems(config).length === 0) {
    refuse(["shard"], "Sharding", "Remove it");
  }
  const alerts = stringAt(config, "alerts", "type");
  if (alerts !== undefined && !BUILT_ALERTS.includes(alerts)) {
    refuse(["alerts", "type"], `"${alerts}"`, `Use one of: ${BUILT_ALERTS.join(", ")}`);
  }
  return problems;
}

function shardProblems(config: JsonObject): readonly Problem[] {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(stringAt(config, "shard") ?? "") ?? [];
  if (index === undefined || count === undefined || Number(index) < Number(count)) return [];
  const reason = `Index must be below count, counting from 0: current value is "${index}/${count}"`;
  return [{ path: ["shard"], reason, fix: `Write "0/${count}" to "${Math.max(0, Number(count) - 1)}/${count}"` }];
}

function portProblems(config: JsonObject): readonly Problem[] {
  const listen = stringAt(config, "listen") ?? "";
  const port = Number(/:(\d+)$/.exec(listen)?.[1] ?? 0);
  return port <= 65535
    ? []
    : [{ path: ["listen"], reason: `Port must be 0 to 65535: it is ${port}`, fix: 'Write ":8080"' }];
}
