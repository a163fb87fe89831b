/**
 * The three Services of a Canary: apex, `-primary` and `-canary`. Pure: from what is declared and what is live it makes
 * the objects that must be written, each by server-side apply.
 */
import { isSame } from "../../src/core/same.ts";
import type { Canary, Metadata } from "../../src/core/canary.ts";
import {
  at,
  type JsonObject,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
  stringAt,
} from "../../src/core/kube_object.ts";
import { CANARY_LABEL, namesOf } from "../../src/core/names.ts";
import { podTemplateOf } from "../../src/core/release.ts";
import { asJson, claim, covers, derivedLabels, LEAVE_ALONE, type Ownership, ownershipOf, sorted } from "../derived.ts";
import { type PodSelector, selectorOf } from "./parts/selector.ts";

export interface ServicesOptions {
  /** Whose pods the apex Service selects. */
  readonly apexSelects: "primary" | "target";
  /** The target's manifest: its selector label and, for port discovery, its containers. */
  readonly target: KubeObject;
  /** The Services of these names that exist, in any order. */
  readonly live: readonly KubeObject[];
  /** The apex is to be its user's again: without our labels, and without what keeps engines off it. */
  readonly handsBack?: boolean;
}

/**
 * Apex, primary and canary Service, those left out that already are as wanted.
 *
 * A Service of the apex's name that a user made keeps its metadata and type; its selector and ports are taken over, as
 * Flagger does. One named as the primary's or canary's must be annotated for adoption.
 *
 * @throws {ForeignError} one belongs to another canary, or may not be taken
 * @throws {InvalidSpecError} the target has no usable selector label
 */
export function services(canary: Canary, options: ServicesOptions): readonly KubeObject[] {
  const { service } = canary;
  const names = namesOf(canary);
  const selector = selectorOf(options.target);
  const ports = portsOf(canary, options.target);
  const rows = [
    { name: names.canaryService, metadata: service.canary, value: selector.value },
    { name: names.primaryService, metadata: service.primary, value: selector.primaryValue },
    {
      name: names.apex,
      metadata: service.apex,
      value: options.apexSelects === "primary" ? selector.primaryValue : selector.value,
    },
  ];
  return rows.flatMap((row) => {
    const live = options.live.find(({ kind, metadata }) => kind === "Service" && metadata.name === row.name);
    const ownership = row.name === names.apex ? ownershipOf(canary, live) : claim(canary, live);
    const handsBack = options.handsBack === true && row.name === names.apex;
    const wanted = wantedService(canary, { ...row, selector, ports, live, ownership, handsBack });
    const isMarked = live?.metadata.labels?.[CANARY_LABEL] !== undefined;
    return live !== undefined && isAsWanted(live, wanted) && !(handsBack && isMarked) ? [] : [wanted];
  });
}

interface Row {
  readonly name: string;
  readonly metadata: Metadata;
  readonly value: string;
  readonly selector: PodSelector;
  readonly ports: readonly JsonObject[];
  readonly live: KubeObject | undefined;
  readonly ownership: Ownership;
  readonly handsBack: boolean;
}

function wantedService(canary: Canary, row: Row): KubeObject {
  const { live, ownership, selector, handsBack } = row;
  const users = ownership === "user" || ownership === "adopted";
  const labels = { ...row.metadata.labels, [selector.key]: row.name };
  const { headless, trafficDistribution, unmanaged } = canary.service;
  const clusterIP = stringAt(live, "spec", "clusterIP");
  // Immutable once there is an address: a Service that exists stays what it is.
  const becomesHeadless = headless && (live === undefined || clusterIP === "None");
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: row.name,
      namespace: canary.id.namespace,
      labels: sorted({
        ...(users ? {} : withLiveValues(labels, unmanaged.labels, live?.metadata.labels)),
        ...(handsBack ? {} : derivedLabels(canary, ownership)),
      }),
      annotations: sorted({
        ...(users ? {} : withLiveValues(row.metadata.annotations, unmanaged.annotations, live?.metadata.annotations)),
        ...(handsBack ? {} : LEAVE_ALONE),
      }),
    },
    spec: {
      ...(users ? {} : { type: "ClusterIP" }),
      ...(becomesHeadless ? { clusterIP: "None" } : {}),
      ...(trafficDistribution === null ? {} : { trafficDistribution }),
      selector: { [selector.key]: row.value },
      ports: row.ports,
    },
  };
}

/**
 * Keys that `service.unmanagedMetadata` names keep the value that somebody gave them. It is written again, since an
 * apply takes away what it once gave and no longer names.
 */
function withLiveValues(
  wanted: Readonly<Record<string, string>>,
  unmanaged: readonly string[],
  live: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(wanted).map(([key, value]) => [key, unmanaged.includes(key) ? live?.[key] ?? value : value]),
  );
}

/** The selector must be equal; ports are found by number; of all else the live object may have more. */
function isAsWanted(live: KubeObject, wanted: KubeObject): boolean {
  const { ports: _ports, selector, ...spec } = wanted.spec ?? {};
  const livePorts = listAt(live, "spec", "ports");
  const samePorts = listAt(wanted, "spec", "ports").every((port) =>
    livePorts.some((there) => at(there, "port") === at(port, "port") && covers(there, port))
  );
  return samePorts && isSame(at(live, "spec", "selector"), selector) &&
    covers(asJson(live), asJson({ ...wanted, spec }));
}

const SIDECARS: readonly string[] = ["istio-proxy", "envoy"];

/** The declared port first, then those discovered; each number and each name once. */
function portsOf(canary: Canary, target: KubeObject): readonly JsonObject[] {
  const { port, portName, targetPort, appProtocol, portDiscovery } = canary.service;
  const main: JsonObject = {
    name: portName,
    protocol: "TCP",
    port,
    targetPort,
    ...(appProtocol === null ? {} : { appProtocol }),
  };
  const ports = [main];
  for (const found of portDiscovery ? containerPorts(target) : []) {
    const isMain = found.port === targetPort || found.name === targetPort;
    const taken = ports.some((known) => known["port"] === found.port || known["name"] === found.name);
    if (!isMain && !taken) ports.push({ name: found.name, protocol: "TCP", port: found.port, targetPort: found.port });
  }
  return ports;
}

function containerPorts(target: KubeObject): readonly { readonly name: string; readonly port: number }[] {
  const containers = listAt(objectAt(podTemplateOf(target), "spec"), "containers");
  return containers.flatMap((container) => {
    const owner = stringAt(container, "name") ?? "";
    if (SIDECARS.includes(owner)) return [];
    return listAt(container, "ports").flatMap((entry, index) => {
      const port = numberAt(entry, "containerPort");
      return port === undefined ? [] : [{ port, name: stringAt(entry, "name") ?? `tcp-${owner}-${index}` }];
    });
  });
}
