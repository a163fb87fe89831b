/** What a schema cannot say of the configuration: values that only make sense together. */
import { type Json, type JsonObject, listAt, stringAt } from "../core/kube_object.ts";
import type { FieldPath } from "../schema/path.ts";
import type { Problem } from "../schema/validate.ts";

/** @param config may have schema errors; what is absent or of a wrong type is passed over */
export function checkConfig(config: JsonObject): readonly Problem[] {
  return [
    ...repeated(config, "sources"),
    ...repeated(config, "tokens"),
    ...listAt(config, "sources").flatMap(sourceProblems),
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

function sourceProblems(source: Json, index: number): readonly Problem[] {
  const path: FieldPath = ["sources", index];
  const problems: Problem[] = [];
  const url = stringAt(source, "url") ?? "";
  if ((URL.parse(url)?.password ?? "") !== "") {
    // The URL is not repeated: it holds the password.
    problems.push({
      path: [...path, "url"],
      reason: "A password must not stand in the URL",
      fix: 'Remove it, and name a file that holds it in "auth.passwordFile"',
    });
  }
  const isHttp = /^https?:/.test(url);
  if (isHttp && stringAt(source, "auth", "sshKeyFile") !== undefined) {
    problems.push({
      path: [...path, "auth", "sshKeyFile"],
      reason: "An SSH key is of no use for an HTTP URL",
      fix: "Use an SSH URL, or a token",
    });
  }
  if (stringAt(source, "auth", "passwordFile") !== undefined && stringAt(source, "auth", "username") === undefined) {
    problems.push({
      path: [...path, "auth", "username"],
      reason: "Is required with a password, and absent",
      fix: 'Add "username"',
    });
  }
  for (const [at, folder] of listAt(source, "paths").entries()) {
    if (typeof folder !== "string" || !folder.split("/").includes("..")) continue;
    problems.push({
      path: [...path, "paths", at],
      reason: `"${folder}" leaves the repository`,
      fix: 'Remove ".." from it',
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
  for (const [index, source] of listAt(config, "sources").entries()) {
    const url = stringAt(source, "url") ?? "";
    if (/^(ssh|git|file):|^[\w.-]+@[\w.-]+:/.test(url)) {
      refuse(["sources", index, "url"], "A URL that is not http or https", "Use an https URL with a token");
    }
    if (stringAt(source, "signingKeyFile") !== undefined) {
      refuse(["sources", index, "signingKeyFile"], "Signing commits", "Remove it");
    }
  }
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
