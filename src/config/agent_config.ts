/** The agent's configuration as the rest of the agent sees it: every default filled in, durations in milliseconds. */
import type { EngineId } from "../core/canary.ts";
import type { JsonObject } from "../core/kube_object.ts";

/** All that can be configured. */
export interface AgentConfig {
  /** Name of the cluster in the paths of locks. */
  readonly cluster: string;
  readonly sources: readonly SourceConfig[];
  readonly kubernetes: {
    /** null: the pod's service account. */
    readonly kubeconfig: string | null;
    readonly context: string | null;
    /** Empty: all. */
    readonly namespaces: readonly string[];
  };
  readonly provider: string;
  readonly metricsServer: string;
  readonly metricLabels: { readonly pod: string; readonly namespace: string; readonly service: string };
  /** Specs of `serin.dev/v1` without `targetRef`, as written and checked. */
  readonly profiles: ReadonlyMap<string, JsonObject>;
  readonly tokens: readonly TokenConfig[];
  readonly listen: { readonly hostname: string; readonly port: number };
  readonly publicRead: boolean;
  readonly mode: "run" | "observe";
  /** null: all canaries. `index` is below `count`. */
  readonly shard: { readonly index: number; readonly count: number } | null;
  readonly flaggerMetrics: boolean;
  readonly leaderElection: {
    readonly enabled: boolean;
    /** null: the agent's own, as the endpoint knows it. */
    readonly namespace: string | null;
    readonly lease: string;
  };
  readonly secrets: { readonly copy: boolean };
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** null: found out for each target. */
  readonly engine: EngineId | null;
  readonly promotionDeadlineMs: number;
  readonly alerts: {
    readonly type: string;
    readonly urlFile: string;
    readonly channel: string;
    readonly username: string;
  } | null;
}

/** A Git repository that says what should run. */
export interface SourceConfig {
  readonly name: string;
  readonly url: string;
  readonly branch: string;
  /** Folders without a slash at either end; empty: the whole repository. */
  readonly paths: readonly string[];
  readonly pollIntervalMs: number;
  readonly auth: AuthConfig;
  readonly caFile: string | null;
  /** Both or neither. */
  readonly clientCertFile: string | null;
  readonly clientKeyFile: string | null;
  readonly proxy:
    | { readonly url: string; readonly username: string | null; readonly passwordFile: string | null }
    | null;
  /** null: commits are not signed. */
  readonly signingKey: SigningKeyConfig | null;
  /** null: whoever can push is believed. At least one of the files is named. */
  readonly verify: { readonly allowedSignersFile: string | null; readonly openpgpKeysFile: string | null } | null;
  readonly webhookSecretFile: string | null;
  /** Whether progress is told in a ref of the agent's own. */
  readonly statusRef: boolean;
  readonly authorName: string;
  readonly authorEmail: string;
}

/** Where the key is that commits are signed with. `namespace` is null for the agent's own. */
export type SigningKeyConfig =
  | { readonly type: "file"; readonly path: string }
  | { readonly type: "secret"; readonly name: string; readonly namespace: string | null };

/** Where credentials are; never what they are. */
export type AuthConfig =
  | { readonly type: "none" }
  | { readonly type: "password"; readonly username: string; readonly passwordFile: string }
  | { readonly type: "token"; readonly username: string; readonly tokenFile: string }
  | { readonly type: "bearer"; readonly bearerTokenFile: string }
  | {
    readonly type: "github-app";
    readonly appId: string;
    readonly installationId: string;
    readonly privateKeyFile: string;
    readonly apiUrl: string | null;
  }
  | {
    readonly type: "ssh-key";
    readonly username: string | null;
    readonly sshKeyFile: string;
    readonly knownHostsFile: string;
  }
  | {
    readonly type: "secret";
    readonly username: string | null;
    readonly name: string;
    readonly namespace: string | null;
    /** For Secrets without `known_hosts`. */
    readonly knownHostsFile: string | null;
  };

/** What a token may be used for: reading, approving gates, everything. */
export type Role = "viewer" | "approver" | "admin";

/** A token of the HTTP API; its text is known to its owner only. */
export interface TokenConfig {
  readonly name: string;
  /** "sha256:" and 64 hex digits. */
  readonly hash: string;
  readonly roles: readonly Role[];
}
