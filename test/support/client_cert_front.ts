/**
 * TLS in front of a plain server on loopback, for clients that show a certificate of the right authority, and nobody else.
 */
import { connect, type Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { Authority } from "./certificates.ts";

export interface ClientCertFront {
  readonly port: number;
  /** Common names of the certificates that were shown. */
  readonly names: readonly string[];
  close(): Promise<void>;
}

/** @param port of the server behind, on 127.0.0.1 */
export async function openClientCertFront(authority: Authority, port: number): Promise<ClientCertFront> {
  const { certPem, keyPem } = authority.server();
  const names: string[] = [];
  const sockets = new Set<Socket | TLSSocket>();
  const keep = (socket: Socket | TLSSocket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  };
  const server = createServer(
    { cert: certPem, key: keyPem, ca: authority.caPem, requestCert: true, rejectUnauthorized: true },
    (socket) => {
      keep(socket);
      const name = socket.getPeerCertificate().subject?.CN;
      names.push(String(name));
      const behind = connect(port, "127.0.0.1");
      keep(behind);
      socket.pipe(behind).pipe(socket);
    },
  );
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("the server has no port");
  return {
    port: address.port,
    names,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
