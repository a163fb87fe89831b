/** The suites, in the order in which they run. */
import type { Suite } from "../suite.ts";
import { mainJob } from "./main_job.ts";

export const SUITES: readonly Suite[] = [mainJob];
