/**
 * A certificate authority made on the spot, for servers on loopback: ASN.1 written by hand and signed with the
 * runtime's own crypto, so that tests need no openssl. Keys are P-256.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { Buffer } from "node:buffer";

/** A certificate and its private key, PEM. */
export interface Certified {
  readonly certPem: string;
  readonly keyPem: string;
}

/** An authority that certifies servers and clients. */
export interface Authority {
  readonly caPem: string;
  /** A server certificate for 127.0.0.1, ::1 and localhost. */
  server(): Certified;
  /** A client certificate; `name` is what Kubernetes takes for the user. */
  client(name: string): Certified;
}

const OID = {
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  commonName: [0x55, 0x04, 0x03],
  basicConstraints: [0x55, 0x1d, 0x13],
  keyUsage: [0x55, 0x1d, 0x0f],
  extendedKeyUsage: [0x55, 0x1d, 0x25],
  subjectAltName: [0x55, 0x1d, 0x11],
  serverAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
  clientAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02],
} as const;

/** Makes an authority that nobody else trusts. */
export function createAuthority(name = "test authority"): Authority {
  const ca = generateKeyPairSync("ec", { namedCurve: "P-256" });
  let serial = 1;
  const issue = (subject: string, key: KeyObject, extensions: readonly Uint8Array[]): string => {
    const tbs = sequence(
      tagged(0xa0, integer(2)),
      integer(serial++),
      sequence(oid(OID.ecdsaWithSha256)),
      commonName(name),
      sequence(utcTime("250101000000Z"), utcTime("491231235959Z")),
      commonName(subject),
      key.export({ type: "spki", format: "der" }),
      tagged(0xa3, sequence(...extensions)),
    );
    const signature = sign("sha256", tbs, ca.privateKey);
    return pem("CERTIFICATE", sequence(tbs, sequence(oid(OID.ecdsaWithSha256)), bitString(signature)));
  };
  const leaf = (subject: string, usage: readonly number[], more: readonly Uint8Array[]): Certified => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const extensions = [
      extension(OID.basicConstraints, sequence()),
      extension(OID.extendedKeyUsage, sequence(oid(usage))),
      ...more,
    ];
    return {
      certPem: issue(subject, pair.publicKey, extensions),
      keyPem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
  };
  const caPem = issue(name, ca.publicKey, [
    extension(OID.basicConstraints, sequence(tagged(0x01, bytes(0xff)))),
    // keyCertSign
    extension(OID.keyUsage, tagged(0x03, bytes(0x02, 0x04))),
  ]);
  const names = sequence(
    tagged(0x82, new TextEncoder().encode("localhost")),
    tagged(0x87, bytes(127, 0, 0, 1)),
    tagged(0x87, bytes(...new Array<number>(15).fill(0), 1)),
  );
  return {
    caPem,
    server: () => leaf("localhost", OID.serverAuth, [extension(OID.subjectAltName, names)]),
    client: (user) => leaf(user, OID.clientAuth, []),
  };
}

function bytes(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function tagged(tag: number, content: Uint8Array): Uint8Array {
  const size = content.byteLength;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return concat([bytes(tag, ...length), content]);
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return tagged(0x30, concat(parts));
}

function integer(value: number): Uint8Array {
  return tagged(0x02, bytes(value));
}

function oid(id: readonly number[]): Uint8Array {
  return tagged(0x06, bytes(...id));
}

function utcTime(time: string): Uint8Array {
  return tagged(0x17, new TextEncoder().encode(time));
}

function bitString(content: Uint8Array): Uint8Array {
  return tagged(0x03, concat([bytes(0), content]));
}

function commonName(name: string): Uint8Array {
  return sequence(tagged(0x31, sequence(oid(OID.commonName), tagged(0x0c, new TextEncoder().encode(name)))));
}

function extension(id: readonly number[], value: Uint8Array): Uint8Array {
  return sequence(oid(id), tagged(0x04, value));
}

function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
