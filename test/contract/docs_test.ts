/** What the pages for readers claim of the code: links lead somewhere, and lists of names are those of the tables. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { knownRouters, routers } from "../../adapters/routers/mod.ts";
import { scalers } from "../../adapters/scalers/mod.ts";
import { workloads } from "../../adapters/workloads/mod.ts";
import { acts } from "../../src/cli/act.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { objectsIn } from "../support/rbac.ts";
import { listAt } from "../../src/core/kube_object.ts";

const ROOT = new URL("../../", import.meta.url);

function page(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

function pages(): readonly string[] {
  const docs = [...Deno.readDirSync(new URL("docs/", ROOT))].map(({ name }) => name).filter((name) =>
    name.endsWith(".md")
  );
  return ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...docs.map((name) => `docs/${name}`).sort()];
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch {
    return false;
  }
}

Deno.test("links between pages lead somewhere", () => {
  const broken = pages().flatMap((path) =>
    [...page(path).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? "")
      .filter((link) => !/^[a-z]+:/.test(link) && !exists(new URL(link, new URL(path, ROOT))))
      .map((link) => `${path}: ${link}`)
  );
  deepStrictEqual(broken, []);
});

Deno.test("files that the pages name by path are there", () => {
  const missing = pages().flatMap((path) =>
    [...page(path).matchAll(/`((?:deploy|test|src|adapters|docs|fixtures)\/[A-Za-z0-9_./-]+)`/g)]
      .map((match) => match[1] ?? "")
      .filter((named) => !exists(new URL(named, ROOT)))
      .map((named) => `${path}: ${named}`)
  );
  deepStrictEqual(missing, []);
});

Deno.test("docs/operations.md has every metric, and no other", async () => {
  const metrics = createMetrics({
    version: "1",
    cluster: "c",
    provider: "istio",
    flagger: true,
    process: { residentBytes: () => 0, cpuSeconds: () => 0 },
    lag: { take: () => 0 },
    kubeRequests: () => new Map(),
    queueDepth: () => 0,
    isLeader: () => true,
  });
  const served = [...(await metrics.registry.metrics()).matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1] ?? "");
  const text = page("docs/operations.md");
  const named = [...text.matchAll(/`((?:serin|flagger|process)_[a-z_]+)`/g)].map((match) => match[1] ?? "");
  deepStrictEqual([...new Set(named)].sort(), [...new Set(served)].sort());
  for (const match of text.matchAll(/\b(serin_[a-z_]+)[{[)]/g)) ok(served.includes(match[1] ?? ""), match[1] ?? "");
});

Deno.test("the README says of each router whether it works, and names the kinds and commands that do", () => {
  const readme = page("README.md");
  const row = readme.split("\n").find((line) => line.startsWith("| Routers")) ?? "";
  const [, , works = ""] = row.split("|");
  deepStrictEqual(knownRouters.filter((id) => works.includes(`\`${id}\``)), [...routers.keys()].sort());
  for (const id of [...workloads.keys(), ...scalers.keys()]) {
    ok(readme.includes(id.slice(id.lastIndexOf("/") + 1)), `README.md does not name ${id}`);
  }
  for (const { usage } of acts) ok(new RegExp(`\\b${usage.name}\\b`).test(readme), `README.md has no ${usage.name}`);
});

Deno.test("docs/security.md has every resource that a role names", async () => {
  const text = page("docs/security.md");
  for (const { name } of Deno.readDirSync(new URL("deploy/rbac/", ROOT))) {
    const objects = objectsIn(await Deno.readTextFile(new URL(`deploy/rbac/${name}`, ROOT)));
    for (const rule of objects.flatMap((object) => listAt(object, "rules"))) {
      for (const resource of listAt(rule, "resources")) {
        const named = String(resource).replace(/^namespaces$/, "namespace");
        ok(text.includes(named), `${name} names ${resource}, docs/security.md does not`);
      }
    }
  }
});

/** Text of all sources, on one line, with the parts of long strings joined. */
function sources(folder: string): string {
  return [...Deno.readDirSync(new URL(folder, ROOT))].map(({ name, isDirectory }) => {
    const path = `${folder}${name}`;
    if (isDirectory) return sources(`${path}/`);
    return /\.tsx?$/.test(name) && !name.endsWith("_test.ts") ? page(path) : "";
  }).join("\n").replaceAll(/\s+/g, " ");
}

Deno.test("docs/troubleshooting.md explains messages that the code still has", () => {
  const code = `${sources("src/")} ${sources("adapters/")}`;
  const rows = page("docs/troubleshooting.md").split("\n").filter((line) => line.startsWith("| "));
  const messages = rows.flatMap((row) =>
    [...(row.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "")
  );
  ok(messages.length > 40);
  const unknown = messages.flatMap((message) =>
    message.split(/…|"[^"]*"|<[^>]*>/).map((part) => part.trim().replace(/[:.,]$/, ""))
      .filter((part) => part.length >= 8 && !code.includes(part))
      .map((part) => `${message}: "${part}"`)
  );
  deepStrictEqual(unknown, []);
});
