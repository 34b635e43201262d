/** An agent's home with the data folder and the chat.db that an older agent left, kept in `tests/fixtures/`. */
import { join } from "node:path";
import { writeAddressBook } from "./address_book_fixture.ts";
import { AgentHome } from "./agent_home.ts";

export const ADA = "+15550100001";
export const GRACE = "+15550100002";

const FIXTURE = new URL("../../fixtures/agent_b7c28e0/", import.meta.url);

async function unpack(from: URL, to: string): Promise<void> {
  using source = await Deno.open(from);
  const plain = source.readable.pipeThrough(new DecompressionStream("gzip"));
  await Deno.writeFile(to, plain);
}

/** The pairing as it was written, but for the port of the server, which is free only by chance. */
function atServer(pairing: string, url: string): string {
  return pairing.replace(/http:\/\/127\.0\.0\.1:\d+/, url);
}

/** A copy of what the agent of commit b7c28e0 left, paired with the home's server. */
export async function oldAgentHome(): Promise<AgentHome> {
  const home = await AgentHome.create();
  await Deno.mkdir(home.dataDir);
  for await (const { name } of Deno.readDir(FIXTURE)) {
    if (name === "token" || name.endsWith(".json")) {
      await Deno.copyFile(new URL(name, FIXTURE), join(home.dataDir, name));
    }
  }
  await unpack(new URL("chat.db.gz", FIXTURE), home.chatDb);
  const pairingPath = join(home.dataDir, "pairing.json");
  const pairing = await Deno.readTextFile(pairingPath);
  await Deno.writeTextFile(pairingPath, atServer(pairing, home.server.url));
  const { active: { deviceId } } = JSON.parse(pairing);
  home.server.adopt({ deviceId, token: await Deno.readTextFile(join(home.dataDir, "token")) });
  writeAddressBook(home.addressBook, [
    { firstName: "Ada", phones: [ADA] },
    { firstName: "Grace", phones: [GRACE], emails: ["grace@example.com"] },
    { firstName: "Odd Card", phones: ["+15550109999"] },
  ]);
  return home;
}
