/**
 * Rendering: from files of a commit to the manifests that an engine would apply. The caller has looked up every file that
 * is needed; a renderer reads nothing else, and neither the network nor this machine's environment.
 */

export interface RenderInput {
  /** Folder of the kustomization to build, from the repository's root; "" for the root itself. */
  readonly folder: string;
  /** All that it may read, by path from the repository's root. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

export type RenderOutput =
  /** Multi-document YAML. */
  | { readonly type: "rendered"; readonly content: Uint8Array<ArrayBuffer> }
  /** The files do not build; they never will, whoever asks again. */
  | { readonly type: "refused"; readonly reason: string; readonly fix: string }
  /** It says nothing about the files: no program, no room, no time. */
  | { readonly type: "unavailable"; readonly reason: string; readonly fix: string };

export interface Renderer {
  readonly id: "kustomize";
  /** Leaves nothing behind, whatever happens. @throws the signal's reason when it is aborted */
  render(input: RenderInput, signal?: AbortSignal): Promise<RenderOutput>;
}
