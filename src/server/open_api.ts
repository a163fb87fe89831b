/** The API's routes as one table, and the OpenAPI document made of it: a route that is not in the table is not served. */
import type { JsonObject } from "../core/kube_object.ts";
import { EXAMPLES, SCHEMAS } from "./api_schemas.ts";
import { COMMANDS, type CommandType } from "./commands.ts";
import type { Role } from "./tokens.ts";

export type ApiOperation =
  | { readonly type: "list-canaries" }
  | { readonly type: "read-canary" }
  | { readonly type: "list-sources" }
  | { readonly type: "read-document" }
  | { readonly type: "confirm-removal" }
  | { readonly type: "command"; readonly command: CommandType };

export interface ApiRoute {
  readonly method: "get" | "post";
  /** As OpenAPI writes it: "/api/v1/canaries/{namespace}/{name}". */
  readonly path: string;
  readonly operation: ApiOperation;
  readonly summary: string;
  /** null: anyone. */
  readonly role: Role | null;
  /** Name of the body's schema. */
  readonly takes: "Command" | "Decision" | null;
  /** Name of the answer's schema; null for any JSON. */
  readonly answers: "CanaryList" | "CanaryDetail" | "SourceList" | "Done" | null;
  /** Problems besides those that every route may have. */
  readonly problems: readonly ("404" | "409")[];
}

const CANARY = "/api/v1/canaries/{namespace}/{name}";

export const API_ROUTES: readonly ApiRoute[] = [
  read("/api/v1/canaries", { type: "list-canaries" }, { summary: "List all canaries.", answers: "CanaryList" }),
  read(CANARY, { type: "read-canary" }, { summary: "Read one canary.", answers: "CanaryDetail", problems: ["404"] }),
  ...COMMANDS.map(({ type, role, summary }): ApiRoute => ({
    method: "post",
    path: `${CANARY}/${type}`,
    operation: { type: "command", command: type },
    summary,
    role,
    takes: type === "approve" || type === "reject" ? "Decision" : "Command",
    answers: "Done",
    problems: ["404", "409"],
  })),
  {
    method: "post",
    path: "/api/v1/confirm-removal",
    operation: { type: "confirm-removal" },
    summary: "Confirm that canaries which went from Git all at once are really gone.",
    role: "admin",
    takes: "Command",
    answers: "Done",
    problems: ["409"],
  },
  read("/api/v1/sources", { type: "list-sources" }, {
    summary: "List the Git sources, and what is wrong in them.",
    answers: "SourceList",
  }),
  read("/api/v1/openapi.json", { type: "read-document" }, { summary: "This document.", role: null, answers: null }),
];

function read(
  path: string,
  operation: ApiOperation,
  more: Pick<ApiRoute, "summary" | "answers"> & Partial<Pick<ApiRoute, "role" | "problems">>,
): ApiRoute {
  return { method: "get", path, operation, role: "viewer", takes: null, problems: [], ...more };
}

const PROBLEMS: Readonly<Record<string, string>> = {
  "401": "The token is missing or not known.",
  "403": "The token has not the role that this needs.",
  "404": "The canary is not known.",
  "409": "It does not apply now; the error says why: another revision, another gate, not waiting, or done already.",
  "413": "The body is too large.",
  "422": "The body is not valid.",
  "429": "Too many failed attempts from this address.",
  "503": "This replica does not lead.",
};

/** OpenAPI 3.1. */
export function openApiDocument(version: string): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const route of API_ROUTES) {
    paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Serin", version, description: "Progressive delivery that writes its verdict to Git." },
    paths,
    components: {
      schemas: { ...SCHEMAS },
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    },
  };
}

function operationOf(route: ApiRoute): JsonObject {
  const { operation, summary, role, takes, answers } = route;
  const statuses = [
    ...(role === null ? [] : ["401", "403", "429"]),
    ...(takes === null ? [] : ["413", "422", "503"]),
    ...route.problems,
  ].sort();
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "");
  return {
    operationId: operation.type === "command" ? operation.command : operation.type,
    summary,
    ...(role === null ? { security: [] } : { description: `Needs the role "${role}".`, security: [{ bearer: [] }] }),
    ...(names.length === 0 ? {} : {
      parameters: names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    }),
    ...(takes === null ? {} : { requestBody: { required: takes === "Decision", content: contentOf(takes) } }),
    responses: {
      "200": { description: "Done.", content: contentOf(answers) },
      ...Object.fromEntries(
        statuses.map((status) => [
          status,
          { description: PROBLEMS[status] ?? "It did not work.", content: contentOf("Problem") },
        ]),
      ),
    },
  };
}

function contentOf(name: string | null): JsonObject {
  if (name === null) return { "application/json": { schema: { type: "object" } } };
  const example = EXAMPLES[name];
  return {
    "application/json": {
      schema: { $ref: `#/components/schemas/${name}` },
      ...(example === undefined ? {} : { example }),
    },
  };
}
