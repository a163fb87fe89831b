/**
 * The least file system that lets isomorphic-git write objects: loose objects land in an overlay, and nothing else exists.
 * It is for low-volume work on commits and tags; trees and blobs are never read through it.
 */
import { inflateSync } from "node:zlib";
import type { GitObject, ObjectType } from "./objects.ts";
import type { Overlay } from "./overlay.ts";

/** Where the library believes the repository to be. */
export const GIT_FOLDER = "/repository";

const LOOSE_OBJECT = /\/objects\/([0-9a-f]{2})\/([0-9a-f]{38})$/;

/** The promise-style file system that isomorphic-git asks for. */
export function objectFs(objects: Overlay) {
  const absent = (path: string) => Promise.reject(Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" }));
  return {
    promises: {
      readFile: absent,
      readdir: absent,
      unlink: absent,
      rmdir: absent,
      readlink: absent,
      symlink: absent,
      stat: absent,
      lstat: absent,
      mkdir: () => Promise.resolve(),
      writeFile(path: string, bytes: Uint8Array): Promise<void> {
        if (!LOOSE_OBJECT.test(path)) return absent(path);
        objects.put(parseLoose(bytes));
        return Promise.resolve();
      },
    },
  };
}

function parseLoose(bytes: Uint8Array): GitObject {
  const whole = new Uint8Array(inflateSync(bytes));
  const nul = whole.indexOf(0);
  const type = new TextDecoder().decode(whole.subarray(0, whole.indexOf(0x20)));
  if (!isType(type)) throw new TypeError(`Cannot keep an object of type ${JSON.stringify(type)}`);
  return { type, bytes: whole.subarray(nul + 1) };
}

function isType(text: string): text is ObjectType {
  return text === "commit" || text === "tree" || text === "blob" || text === "tag";
}
