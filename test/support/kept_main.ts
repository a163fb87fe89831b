/** Run inside a run's namespaces by a test: a page, and a keeper that keeps it until it is interrupted. */
import { Keeper } from "../e2e/keep.ts";

const [port = "", folder = ""] = Deno.args;
const { promise: interrupted, resolve } = Promise.withResolvers<void>();
Deno.addSignalListener("SIGINT", resolve);
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, ({ url, method }) => {
  return new Response(`${method} ${new URL(url).pathname} inside`);
});
const keeper = new Keeper({ pagePort: Number(port), folder }, {
  interrupted,
  say: (text) => void Deno.stdout.writeSync(new TextEncoder().encode(text)),
});
keeper.show(() => ({
  page: new URL(`http://127.0.0.1:${server.addr.port}/`),
  token: "secret",
  commands: ["ip -brief addr"],
}));
await keeper.keep();
await keeper.keep();
await server.shutdown();
Deno.exit(0);
