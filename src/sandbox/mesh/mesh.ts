/**
 * The sandbox's mesh and gateway: real HTTP listeners on loopback that carry each request by what the route objects in
 * the API say at that moment. One door for the outside, one for a client inside, and a page of telemetry.
 */
import type { Clock } from "../../ports/clock.ts";
import { serveLoopback } from "../loopback_server.ts";
import type { AddressOf, ObjectSource } from "../object_source.ts";
import { type Carried, type CarrierParts, carry, type Message, ownAnswer } from "./carrier.ts";
import { Endpoints } from "./endpoints.ts";
import { applyEdits, endToEnd } from "./header_edits.ts";
import { bareHost, fullServiceHost, serviceOfHost } from "./hosts.ts";
import type { Chosen, RequestFacts } from "./matching.ts";
import { compileProgramme, type Programme, type RouteReport } from "./programme.ts";
import { type Backend, DEFAULT_RETRIES, type Door, type ServiceRef } from "./route_model.ts";
import { createTelemetry } from "./telemetry.ts";
import type { MeshClient } from "./istio_match.ts";

export interface MeshOptions {
  readonly objects: ObjectSource;
  readonly addressOf: AddressOf;
  readonly clock: Clock;
  /** Decides weights and mirrors; the clock's own by default. */
  readonly random?: () => number;
  /** The workload behind the inner door, whose namespace short host names mean; "load" in "default" by default. */
  readonly client?: MeshClient & { readonly workload: string };
}

export interface Mesh {
  /** The gateway: HTTPRoutes of Gateways, VirtualServices of Istio gateways. Other hosts get 404. */
  readonly gatewayUrl: string;
  /** A sidecar: HTTPRoutes of Services, VirtualServices of "mesh", plain Services. Other hosts get 502. */
  readonly meshUrl: string;
  /** Telemetry in Prometheus' text format. */
  readonly metricsUrl: string;
  /** What came of each route object, as of now. */
  reports(): readonly RouteReport[];
  stop(): Promise<void>;
}

/** Mirrored requests under way at once; more are not sent. */
const MIRRORS_MAX = 256;
const DEFAULT_CLIENT = { workload: "load", namespace: "default", labels: {} };

export function startMesh(options: MeshOptions): Mesh {
  const { objects } = options;
  const proxy = new MeshProxy(options);
  const unwatch = objects.onChange(() => proxy.forget());
  const gateway = serveLoopback((request) => proxy.answer("gateway", request));
  const inner = serveLoopback((request) => proxy.answer("mesh", request));
  const page = serveLoopback(async () =>
    new Response(await proxy.telemetry.page(), { headers: { "content-type": "text/plain; version=0.0.4" } })
  );
  return {
    gatewayUrl: gateway.url,
    meshUrl: inner.url,
    metricsUrl: `${page.url}/stats/prometheus`,
    reports: () => proxy.programme.reports,
    async stop() {
      unwatch();
      await Promise.all([gateway.down(), inner.down(), page.down()]);
      await proxy.close();
    },
  };
}

/** What both doors share: the programme compiled from the routes, the endpoints, telemetry and mirrors under way. */
class MeshProxy {
  readonly telemetry = createTelemetry();
  readonly #objects: ObjectSource;
  readonly #client: MeshClient & { readonly workload: string };
  readonly #random: () => number;
  readonly #endpoints: Endpoints;
  readonly #parts: CarrierParts;
  readonly #mirrors = new Set<Promise<unknown>>();
  #programme: Programme | undefined;

  constructor(options: MeshOptions) {
    const { objects, addressOf, clock, client = DEFAULT_CLIENT } = options;
    this.#objects = objects;
    this.#client = client;
    this.#random = options.random ?? (() => clock.random());
    this.#endpoints = new Endpoints(objects, addressOf);
    this.#parts = {
      endpoints: this.#endpoints,
      telemetry: this.telemetry,
      clock,
      client: Deno.createHttpClient({ allowHost: true }),
    };
  }

  get programme(): Programme {
    return this.#programme ??= compileProgramme(this.#objects, this.#client);
  }

  /** Something changed: routes and endpoints are read anew. */
  forget(): void {
    this.#programme = undefined;
    this.#endpoints.forget();
  }

  async close(): Promise<void> {
    await Promise.all(this.#mirrors);
    this.#parts.client.close();
  }

  async answer(door: Door, request: Request): Promise<Response> {
    const facts = factsOf(request);
    const source = door === "mesh" ? this.#client : { workload: "gateway", namespace: "sandbox" };
    const service = door === "mesh" ? serviceOfHost(facts.host, this.#client.namespace) : undefined;
    const hosts = service === undefined ? [facts.host] : [facts.host, fullServiceHost(service)];
    const decision = this.programme.decide(door, hosts, facts);
    const message = await messageOf(request, facts);
    switch (decision.type) {
      case "refused":
        return toResponse(ownAnswer(501, decision.why, "NR"));
      case "no-match":
        return toResponse(ownAnswer(404, "no rule of the host's routes fits", "NR"));
      case "rule":
        return toResponse(await this.#followRule(decision.chosen, message, source));
      case "unrouted": {
        const state = service === undefined ? "no-service" : this.#endpoints.stateOf(service);
        if (service === undefined || state === "no-service") {
          return toResponse(ownAnswer(door === "mesh" ? 502 : 404, `nothing is known of host "${facts.host}"`, "NR"));
        }
        if (state === "not-supported") return toResponse(unsupported(service));
        return toResponse(
          await carry(this.#parts, service, message, { source, retries: DEFAULT_RETRIES, reportedBySource: true }),
        );
      }
    }
  }

  async #followRule(
    { route, rule, match }: Chosen,
    message: Message,
    source: { readonly workload: string; readonly namespace: string },
  ): Promise<Carried> {
    const backend = pickBackend(rule.backends, this.#random);
    if (backend === undefined) return ownAnswer(500, "every backend of the rule has weight 0", "NR");
    const headers = new Headers(message.headers);
    applyEdits(headers, [rule.request, backend.request]);
    const [path = "/", query] = message.target.split(/(?=\?)/);
    const target = (rule.rewrite?.path?.(path, match) ?? path) + (query ?? "");
    const sent: Message = {
      ...message,
      headers,
      target,
      host: headers.get("host") ?? rule.rewrite?.host ?? message.host,
    };
    for (const mirror of rule.mirrors) {
      if (this.#random() * 100 >= mirror.percent || this.#mirrors.size >= MIRRORS_MAX) continue;
      const shadow = { ...sent, host: `${sent.host}-shadow` };
      const one = carry(this.#parts, mirror.service, shadow, { source, retries: NO_RETRIES, reportedBySource: false })
        .finally(() => this.#mirrors.delete(one));
      this.#mirrors.add(one);
    }
    const state = this.#endpoints.stateOf(backend.service);
    if (state === "not-supported") return unsupported(backend.service);
    if (state !== "ok") return missing(route.dialect === "istio" ? 503 : 500, backend.service);
    const timeout = rule.timeoutMs === undefined ? {} : { timeoutMs: rule.timeoutMs };
    const carried = await carry(this.#parts, backend.service, sent, {
      source,
      ...timeout,
      retries: rule.retries,
      reportedBySource: true,
    });
    applyEdits(carried.headers, [backend.response, rule.response]);
    return carried;
  }
}

const NO_RETRIES = { attempts: 0, onStatus: () => false };

/** By weight; undefined where all weights are 0. @param random in [0, 1) */
export function pickBackend(backends: readonly Backend[], random: () => number): Backend | undefined {
  const total = backends.reduce((sum, backend) => sum + backend.weight, 0);
  let left = random() * total;
  return backends.find((backend) => backend.weight > 0 && (left -= backend.weight) < 0);
}

function factsOf(request: Request): RequestFacts {
  const url = new URL(request.url);
  return {
    host: bareHost(request.headers.get("host") ?? url.host),
    method: request.method,
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
  };
}

async function messageOf(request: Request, facts: RequestFacts): Promise<Message> {
  const url = new URL(request.url);
  const headers = endToEnd(request.headers);
  headers.delete("host");
  const hasBody = request.body !== null && request.method !== "GET" && request.method !== "HEAD";
  const body = hasBody ? new Uint8Array(await request.arrayBuffer()) : undefined;
  return {
    method: request.method,
    host: request.headers.get("host") ?? facts.host,
    target: url.pathname + url.search,
    headers,
    body,
  };
}

function unsupported(service: ServiceRef): Carried {
  const why =
    `Service "${service.namespace}/${service.name}" has no selector or is an ExternalName, which the sandbox's mesh does not know`;
  return ownAnswer(501, why, "NR");
}

function missing(status: number, service: ServiceRef): Carried {
  const port = service.port === undefined ? "" : ` with port ${service.port}`;
  return ownAnswer(status, `there is no Service "${service.namespace}/${service.name}"${port}`, "NC");
}

function toResponse({ status, headers, body }: Carried): Response {
  return new Response(body ?? null, { status, headers });
}
