/** `serin confirm-removal`: canaries that went from Git all at once are really meant to go. */
import { clientOf } from "./client.ts";
import { type CliCommand, CLIENT_OPTIONS, OUTPUT_OPTION, outputOf } from "./command.ts";
import { EXIT } from "./io.ts";
import { printable } from "./paint.ts";

export const confirmRemoval: CliCommand = {
  usage: {
    name: "confirm-removal",
    summary:
      "Confirm that canaries which went from Git all at once are really gone; what was derived for them goes too.",
    positionals: "",
    positionalsMin: 0,
    positionalsMax: 0,
    options: [
      { name: "reason", short: "r", value: "TEXT", help: "Why." },
      OUTPUT_OPTION,
      ...CLIENT_OPTIONS,
    ],
    examples: ["serin confirm-removal"],
  },
  async run(args, io) {
    const output = outputOf(args);
    const client = await clientOf(args, io);
    const message = await client.post("/api/v1/confirm-removal", { reason: args.values.get("reason") ?? "" });
    io.stdout(output === "json" ? `${JSON.stringify({ message })}\n` : `${printable(message)}\n`);
    return EXIT.ok;
  },
};
