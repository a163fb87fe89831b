/**
 * The answer of a server that takes a push but refuses its refs, as after a hook that said no: a report-status with
 * one "ng" line a ref, in side band 1 where the client asked for side bands.
 *
 * @see https://git-scm.com/docs/pack-protocol
 */

/** The refs a receive-pack request wants to update, and what its client can do. */
interface PushCommands {
  readonly refs: readonly string[];
  readonly sideBand: boolean;
}

/** Reads the commands in front of the pack; broken framing ends the list early. */
function readCommands(body: Uint8Array): PushCommands {
  const text = new TextDecoder("latin1");
  const refs: string[] = [];
  let [at, sideBand] = [0, false];
  while (at + 4 <= body.length) {
    const size = parseInt(text.decode(body.subarray(at, at + 4)), 16);
    if (!(size > 4)) break;
    const [command = "", capabilities = ""] = text.decode(body.subarray(at + 4, at + size)).split("\0");
    sideBand ||= capabilities.split(" ").some((capability) => capability.trim() === "side-band-64k");
    const ref = command.trim().split(" ")[2];
    if (ref !== undefined) refs.push(ref);
    at += size;
  }
  return { refs, sideBand };
}

/** @param reason one line, shown as `! [remote rejected] main -> main (reason)` */
export function refusalOf(body: Uint8Array, reason: string): Uint8Array<ArrayBuffer> {
  const { refs, sideBand } = readCommands(body);
  const report = ["unpack ok\n", ...refs.map((ref) => `ng ${ref} ${reason}\n`)].map(packet).join("") + "0000";
  return new TextEncoder().encode(sideBand ? `${packet(`\u0001${report}`)}0000` : report);
}

function packet(text: string): string {
  return (new TextEncoder().encode(text).byteLength + 4).toString(16).padStart(4, "0") + text;
}
