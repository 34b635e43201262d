/** Hands an account's owner all that is stored of it, as one file. */
import { Zip, ZipDeflate } from "fflate";
import type { Caller } from "../auth/authenticate.ts";
import type { AccountExport } from "../store/account/account_export.ts";

export interface AccountService {
  /** A zip of a file `TABLE.jsonl` for each kind of thing, a line of JSON for each; made as it is read. */
  export(caller: Caller): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/** A zip whose files are written one after the other; `take` gives what has come out since the last call. */
class ZipWriter {
  readonly #zip: Zip;
  #out: Uint8Array<ArrayBuffer>[] = [];
  #file: { name: string; stream: ZipDeflate } | null = null;

  constructor() {
    this.#zip = new Zip((error, chunk) => {
      if (error) throw error;
      this.#out.push(new Uint8Array(chunk));
    });
  }

  write(name: string, lines: readonly string[]): void {
    if (this.#file?.name !== name) {
      this.#endFile();
      const stream = new ZipDeflate(name, { level: 6 });
      this.#zip.add(stream);
      this.#file = { name, stream };
    }
    this.#file.stream.push(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
  }

  end(): void {
    this.#endFile();
    this.#zip.end();
  }

  take(): Uint8Array<ArrayBuffer>[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #endFile(): void {
    this.#file?.stream.push(new Uint8Array(0), true);
    this.#file = null;
  }
}

/** Makes the service of accounts. */
export function createAccountService({ accountExport }: { accountExport: AccountExport }): AccountService {
  return {
    async *export({ accountId }) {
      const zip = new ZipWriter();
      for await (const { table, lines } of accountExport.read(accountId)) {
        zip.write(`${table}.jsonl`, lines);
        yield* zip.take();
      }
      zip.end();
      yield* zip.take();
    },
  };
}
