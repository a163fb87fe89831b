/** What the wire needs of a way to reach a Git server: one request and its whole answer. HTTP is one; SSH can be another. */

export type Service = "git-upload-pack" | "git-receive-pack";

export interface GitTransport {
  /**
   * The service's advertisement, in protocol v2 where it is for reading.
   * @throws {RejectedError} wrong credentials or no such repository
   * @throws {UnavailableError} no answer, 5xx, cut off, or too large
   */
  advertise(service: Service, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * One exchange. A request to write is sent once and never repeated by itself.
   * @throws the same as `advertise`
   */
  exchange(service: Service, body: Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /** Gives back connections and files; the transport cannot be used afterwards. */
  close(): Promise<void>;
}
