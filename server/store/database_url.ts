/** Owns reading a DATABASE_URL as libpq does where postgres.js does not: a Unix socket's folder in its query. */

/** A URL without `host` and `port` in its query, and their values beside it. */
export interface DatabaseUrl {
  readonly url: string;
  /** A host name, or the folder of a Unix socket. */
  readonly host?: string;
  readonly port?: number;
}

/**
 * Takes `?host=` and `?port=` out of a URL.
 *
 * libpq reads them as where to connect (https://www.postgresql.org/docs/18/libpq-connect.html, section 32.1.1.2);
 * postgres.js would send them to the server as settings of the session, which refuses them.
 */
export function readDatabaseUrl(text: string): DatabaseUrl {
  const url = new URL(text);
  const [host, port] = [url.searchParams.get("host"), url.searchParams.get("port")];
  if (host === null) return { url: text };
  url.searchParams.delete("host");
  url.searchParams.delete("port");
  return { url: url.href, host, port: port === null ? undefined : Number(port) };
}
