/** The suites, in the order in which they run. */
import type { Suite } from "../suite.ts";
import { argocd } from "./argocd.ts";
import { contract } from "./contract.ts";
import { faults } from "./faults.ts";
import { flux } from "./flux.ts";
import { mainJob } from "./main_job.ts";
import { strategies } from "./strategies.ts";
import { twoClusters } from "./two_clusters.ts";

export const SUITES: readonly Suite[] = [contract, mainJob, strategies, flux, argocd, faults, twoClusters];
