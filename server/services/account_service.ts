/** Hands an account's owner all that is stored of it, as one file, and deletes it. */
import { Zip, ZipDeflate } from "fflate";
import type {
  AccountDeletion,
  AccountSettings,
  ChangeAccountSettingsRequest,
} from "../../contract/account.ts";
import { invalidRequest } from "../../lib/errors.ts";
import type { Caller } from "../auth/authenticate.ts";
import type { AccountDeletionStore } from "../store/account/account_deletion.ts";
import type { AccountExport } from "../store/account/account_export.ts";
import type { AccountSettingsStore } from "../store/account/account_settings.ts";
import type { DeviceStore } from "../store/devices/device_store.ts";
import type { Announcements } from "../store/jobs/announcements.ts";
import type { ServerJobs } from "./drafts/draft_jobs.ts";

export interface AccountServiceOptions {
  accountExport: AccountExport;
  accountDeletion: AccountDeletionStore;
  accountSettings: AccountSettingsStore;
  devices: Pick<DeviceStore, "find">;
  jobs: Pick<ServerJobs, "remove">;
  announcements: Announcements;
  /** Called when the outbox has messages for ml. */
  onOutbox: () => void;
}

export interface AccountService {
  /** A zip of a file `TABLE.jsonl` for each kind of thing, a line of JSON for each; made as it is read. */
  export(caller: Caller): AsyncGenerator<Uint8Array<ArrayBuffer>>;
  /**
   * Deletes the account for good, with its devices and what ml made of it.
   *
   * @param name that of the device that asks
   * @throws ApiError `validation_failed` when it has another name
   */
  delete(caller: Caller, name: string): Promise<AccountDeletion>;
  settings(caller: Caller): Promise<AccountSettings>;
  /** Changes those that are given; they count from the next draft and the next training on. */
  changeSettings(caller: Caller, change: ChangeAccountSettingsRequest): Promise<AccountSettings>;
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
export function createAccountService(options: AccountServiceOptions): AccountService {
  const { accountExport, accountDeletion, accountSettings, devices, jobs, announcements, onOutbox } = options;
  return {
    async delete({ accountId, deviceId }, name) {
      const device = await devices.find(accountId, deviceId);
      if (device?.name !== name) {
        throw invalidRequest([{ path: "name", message: "must be the name of the device that asks" }]);
      }
      const { counts, unfinished } = await accountDeletion.delete(accountId);
      for (const id of unfinished) {
        await announcements.announce({ topic: "draft_cancelled", text: id });
        await jobs.remove(id);
      }
      onOutbox();
      return counts;
    },
    async *export({ accountId }) {
      const zip = new ZipWriter();
      for await (const { table, lines } of accountExport.read(accountId)) {
        zip.write(`${table}.jsonl`, lines);
        yield* zip.take();
      }
      zip.end();
      yield* zip.take();
    },
    settings: ({ accountId }) => accountSettings.read(accountId),
    async changeSettings({ accountId }, change) {
      await accountSettings.change(accountId, change);
      return await accountSettings.read(accountId);
    },
  };
}
