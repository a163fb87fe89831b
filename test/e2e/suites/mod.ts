/** The suites, in the order in which they run. */
import type { Suite } from "../suite.ts";
import { argocd, argocdFaults } from "./argocd.ts";
import { contract } from "./contract.ts";
import { endurance } from "./endurance.ts";
import { faults } from "./faults.ts";
import { flux, fluxFaults } from "./flux.ts";
import { mainJob } from "./main_job.ts";
import { strategies } from "./strategies.ts";
import { twoClusters } from "./two_clusters.ts";

export const SUITES: readonly Suite[] = [
  contract,
  mainJob,
  strategies,
  flux,
  argocd,
  faults,
  twoClusters,
  fluxFaults,
  argocdFaults,
  endurance,
];
