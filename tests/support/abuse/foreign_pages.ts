/** The part of the abuse that asks as pages elsewhere make a browser ask: under a foreign name, and from a foreign origin. */
import { request } from "node:http";
import type { AbuseReport } from "./abuse_report.ts";
import { type AbusedService, faultsOf } from "./abused_service.ts";

/** Names that a page can make lead to this machine, and what looks like one of its own. */
const FOREIGN_HOSTS = [
  "example.com",
  "localhost.example.com",
  "127.0.0.1.example.com",
  "169.254.169.254",
  "",
];
const FOREIGN_ORIGINS = ["https://example.com", "http://localhost.example.com", "http://127.0.0.1:1", "null"];
/** Content types that a page may send without asking first. */
const SIMPLE_TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", undefined];

interface Asked {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Record<string, string>;
}

/** The status of an answer; fetch would not send these headers. */
function statusOf({ port }: AbusedService, { method, path, headers }: Asked): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  request({ host: "127.0.0.1", port, method, path, headers, setHost: false }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  }).on("error", reject).end(method === "POST" ? "{}" : undefined);
  return promise;
}

function foreignHosts({ openPath }: AbusedService): Asked[] {
  return FOREIGN_HOSTS.flatMap((host): Asked[] => [
    { method: "GET", path: "/health", headers: { host } },
    { method: "POST", path: openPath, headers: { host, "content-type": "application/json" } },
  ]);
}

function foreignOrigins({ openPath, port }: AbusedService): Asked[] {
  return FOREIGN_ORIGINS.flatMap((origin) =>
    SIMPLE_TYPES.map((type): Asked => {
      const headers = { host: `127.0.0.1:${port}`, origin, ...(type && { "content-type": type }) };
      return { method: "POST", path: openPath, headers };
    })
  );
}

/** How many requests under foreign names and from foreign origins were carried out, that is, not refused as such. */
export async function abuseWithForeignPages(start: () => Promise<AbusedService>): Promise<AbuseReport> {
  await using abused = await start();
  const figures: Record<string, number> = {};
  const faults: string[] = [];
  const kinds = [
    { kind: "foreign names", asked: foreignHosts(abused), refusals: [400, 421] },
    { kind: "foreign origins", asked: foreignOrigins(abused), refusals: [403] },
  ];
  for (const { kind, asked, refusals } of kinds) {
    const statuses = await Promise.all(asked.map((one) => statusOf(abused, one)));
    const taken = statuses.filter((status) => !refusals.includes(status));
    figures[`${kind} asked with`] = asked.length;
    figures[`${kind} not refused`] = taken.length;
    if (taken.length > 0) faults.push(`${kind} were answered with ${[...new Set(taken)].join(", ")}`);
  }
  return { figures, faults: await faultsOf(abused, faults) };
}
