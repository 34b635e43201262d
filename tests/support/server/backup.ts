/** A backup of a small server, for tests that restore it. */
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { createTokens } from "../../../server/auth/authenticate.ts";
import { writeBackup } from "../../../server/store/backup/backup_file.ts";
import { createTestDatabase } from "../postgres/postgres.ts";
import { batch, message, paired } from "./store_rows.ts";

const SECRET = "5".repeat(64);

/** A backup of a server with one device and one message, its key, and that device's token. */
export async function makeBackup(path: string): Promise<{ key: string; token: string }> {
  await using source = await createTestDatabase();
  const origin = await paired(source.stores);
  await source.stores.ingest.ingestMessages(origin, batch([message("m-1", { minute: 1 })]));
  const key = await generateX25519Identity();
  await using own = await source.database.connect();
  await writeBackup(own, path, { secret: SECRET, recipient: await identityToRecipient(key), replace: false });
  const { token } = await createTokens({ secret: Uint8Array.fromHex(SECRET), now: () => new Date() }).issue(
    origin,
  );
  return { key, token };
}

/** Waits until a server that starts again takes a token. */
export async function untilTaken(token: string, url: string): Promise<void> {
  const status = () =>
    fetch(url, { headers: { authorization: `Bearer ${token}` } })
      .then(async (response) => (await response.body?.cancel(), response.status), () => 0);
  while (await status() !== 200);
}
