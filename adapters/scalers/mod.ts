/** The table of autoscaler kinds. */
import type { ScalerAdapter } from "../../src/ports/scaler.ts";
import { hpa } from "./hpa.ts";

const ROWS: readonly ScalerAdapter[] = [hpa];

/** Autoscaler kinds by id, "autoscaling/v2/HorizontalPodAutoscaler". */
export const scalers: ReadonlyMap<string, ScalerAdapter> = new Map(ROWS.map((row) => [row.id, row]));
