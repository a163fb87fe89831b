/** Does nothing: what the runtime alone costs, as a yardstick for start time and memory. */
Deno.stdout.writeSync(new TextEncoder().encode("ready\n"));
setInterval(() => {}, 1_000);
