/** The suites, in the order in which they run. */
import type { Suite } from "../suite.ts";
import { adoption } from "./adoption.ts";
import { argocd, argocdFaults } from "./argocd.ts";
import { contract } from "./contract.ts";
import { endurance } from "./endurance.ts";
import { faults } from "./faults.ts";
import { faultsAgent } from "./faults_agent.ts";
import { faultsGit } from "./faults_git.ts";
import { faultsHand } from "./faults_hand.ts";
import { faultsServers } from "./faults_servers.ts";
import { flux, fluxFaults } from "./flux.ts";
import { fluxLive } from "./flux_live.ts";
import { gitSsh } from "./git_ssh.ts";
import { gitea } from "./gitea.ts";
import { history } from "./history.ts";
import { kustomize, kustomizeArgocd } from "./kustomize.ts";
import { mainJob } from "./main_job.ts";
import { namespaced } from "./namespaced.ts";
import { strategies } from "./strategies.ts";
import { twoClusters } from "./two_clusters.ts";

export const SUITES: readonly Suite[] = [
  contract,
  mainJob,
  strategies,
  flux,
  argocd,
  faults,
  gitSsh,
  gitea,
  namespaced,
  adoption,
  history,
  twoClusters,
  kustomize,
  kustomizeArgocd,
  fluxLive,
  fluxFaults,
  argocdFaults,
  endurance,
  faultsAgent,
  faultsServers,
  faultsGit,
  faultsHand,
];
