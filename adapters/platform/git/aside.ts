/**
 * A ref beside the branch, kept by compare-and-swap: what the server has is asked once, and again after any trouble. It is
 * pushed by itself, or goes along with a push of the branch.
 */
import { RejectedError } from "../../../src/errors.ts";
import type { AsideDraft, AsideRef, Oid } from "../../../src/ports/git.ts";
import type { Connection } from "./connection.ts";
import { commitTree } from "./object_model.ts";
import { ObjectStore } from "./object_store.ts";
import type { GitObject } from "./objects.ts";
import { Overlay } from "./overlay.ts";
import { writePack } from "./pack.ts";
import { isUpdated, NO_OID, type RefUpdate } from "./receive_pack.ts";
import { EMPTY_TREE } from "./tree.ts";
import { editTree } from "./tree_edit.ts";

/** A commit that is not on the server yet, with the update that brings it there. */
export interface MadeAside {
  readonly draft: AsideDraft;
  readonly update: RefUpdate;
  readonly objects: ReadonlyMap<Oid, GitObject>;
}

type Sign = (payload: Uint8Array<ArrayBuffer>) => Promise<string>;

export class Aside {
  readonly #of: AsideRef;
  readonly #connection: Connection;
  /** Where the ref is on the server; undefined while that is not known. */
  #tip: Oid | undefined;

  constructor(of: AsideRef, connection: Connection) {
    this.#of = of;
    this.#connection = connection;
  }

  /** What may go along with a push of the branch: undefined also where a request would be needed first. Never fails. */
  async ready(sign: Sign | undefined): Promise<MadeAside | undefined> {
    const draft = this.#tip === undefined ? undefined : this.#of.draft();
    if (this.#tip === undefined || draft === undefined) return undefined;
    // What is only told must not stop a decision; `push` says what is wrong.
    return await this.#make(draft, this.#tip, sign).catch(() => undefined);
  }

  /** It arrived, by itself or along with the branch. */
  landed({ draft, update }: MadeAside): void {
    this.#tip = update.to;
    this.#of.landed(draft);
  }

  /** Nobody knows where the ref is now. */
  forget(): void {
    this.#tip = undefined;
  }

  /**
   * Pushes it by itself, where there is something new to say.
   *
   * @throws {RejectedError} the server does not take it
   * @throws {UnavailableError} no answer
   */
  async push(sign: Sign | undefined, signal: AbortSignal | undefined): Promise<void> {
    const { ref } = this.#of;
    const draft = this.#of.draft();
    if (draft === undefined) return;
    this.#tip ??= await this.#connection.refTip(ref, signal) ?? NO_OID;
    const made = await this.#make(draft, this.#tip, sign);
    if (made === undefined) return;
    // Until the answer is there, nobody knows.
    this.forget();
    const report = await this.#connection.send([made.update], writePack(made.objects.values()), signal);
    if (isUpdated(report, ref)) return this.landed(made);
    const why = report.unpack === "ok" ? report.refs.get(ref) ?? "no report on it" : report.unpack;
    throw new RejectedError(`Cannot write "${ref}" beside ${this.#connection.label}: ${why}`, {
      fix: "Let the agent write this ref, or leave statusRef out; nothing depends on it.",
    });
  }

  async #make(draft: AsideDraft, from: Oid, sign: Sign | undefined): Promise<MadeAside | undefined> {
    if (from === NO_OID && !draft.isNews) return undefined;
    const { files, ...said } = draft;
    // Apart from the branch's objects: nobody needs them once they are sent.
    const objects = new Overlay(new ObjectStore());
    const edits = [...files].map(([path, content]) => ({ path, content }));
    const tree = editTree(objects, EMPTY_TREE, edits);
    const to = await commitTree(objects, { ...said, edits }, { tree, parents: [] }, sign);
    return { draft, update: { ref: this.#of.ref, from, to }, objects: objects.fresh };
  }
}
