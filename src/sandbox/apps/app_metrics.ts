/** The series an application shows at /metrics, named and labelled as podinfo names them, which Flagger's queries expect. */
import { Counter, Histogram, Registry } from "prom-client";

export interface AppMetrics {
  record(request: { readonly method: string; readonly path: string; readonly status: number }, seconds: number): void;
  page(): Promise<string>;
}

/** Prometheus' default buckets, in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createAppMetrics(): AppMetrics {
  const registry = new Registry();
  const durations = new Histogram({
    name: "http_request_duration_seconds",
    help: "Seconds spent serving HTTP requests.",
    labelNames: ["method", "path", "status"],
    buckets: BUCKETS,
    registers: [registry],
  });
  const requests = new Counter({
    name: "http_requests_total",
    help: "The total number of HTTP requests.",
    labelNames: ["status"],
    registers: [registry],
  });
  return {
    record({ method, path, status }, seconds) {
      durations.observe({ method, path, status: String(status) }, seconds);
      requests.inc({ status: String(status) });
    },
    page: () => registry.metrics(),
  };
}
