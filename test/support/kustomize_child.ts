/** A process with few permissions that renders the overlay "prod" of the files that stand on its standard input. */
import { machineClock } from "../../adapters/platform/clock.ts";
import { openKustomize } from "../../adapters/platform/kustomize.ts";

const given: Readonly<Record<string, string>> = await new Response(Deno.stdin.readable).json();
const files = new Map(Object.entries(given).map(([path, text]) => [path, new TextEncoder().encode(text)]));
const output = await openKustomize({ clock: machineClock }).render({ folder: "apps/overlays/prod", files });
Deno.stdout.writeSync(output.type === "rendered" ? output.content : new TextEncoder().encode(JSON.stringify(output)));
