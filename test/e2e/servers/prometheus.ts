/** A real Prometheus: pods by their annotations as in Flagger's own installation, Envoy, and the agent's /metrics. */
import { answersOk, type Processes, type Running, untilUp } from "../processes.ts";
import { FIRST_SITE, type Site } from "../site.ts";

export interface Prometheus {
  readonly url: string;
  /** The one that runs, or ran last. */
  readonly running: Running;
  /** Another one after it was killed, on the same data; resolves when it is ready. */
  restart(): Promise<void>;
}

export interface PrometheusOptions {
  readonly processes: Processes;
  readonly programs: ReadonlyMap<string, string>;
  readonly folder: string;
  /** Where the node lists its pods: Debian's build knows no Kubernetes discovery. */
  readonly podsUrl: string;
  /** host:port and path of what is scraped beside pods, by job. */
  readonly targets: Readonly<Record<string, { readonly host: string; readonly path: string }>>;
  /** The first one unless told otherwise. */
  readonly site?: Site;
}

export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const { processes, programs, folder, site = FIRST_SITE } = options;
  const listen = `${site.loopback}:9090`;
  const config = `${folder}/prometheus.yaml`;
  await Deno.writeTextFile(config, configText(options));
  const start = async (): Promise<Running> => {
    const running = processes.start({
      name: "prometheus",
      path: programs.get("prometheus") ?? "prometheus",
      args: [
        `--config.file=${config}`,
        `--storage.tsdb.path=${folder}/prometheus`,
        `--web.listen-address=${listen}`,
        "--log.level=warn",
      ],
    });
    await untilUp(running, () => answersOk(`http://${listen}/-/ready`));
    return running;
  };
  let running = await start();
  return {
    url: `http://${listen}`,
    get running() {
      return running;
    },
    async restart() {
      running = await start();
    },
  };
}

/** JSON is YAML. */
function configText({ podsUrl, targets }: PrometheusOptions): string {
  const pods = { job_name: "kubernetes-pods", http_sd_configs: [{ url: podsUrl, refresh_interval: "1s" }] };
  const others = Object.entries(targets).map(([job, { host, path }]) => ({
    job_name: job,
    metrics_path: path,
    static_configs: [{ targets: [host] }],
  }));
  return JSON.stringify({
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: [pods, ...others],
  });
}
