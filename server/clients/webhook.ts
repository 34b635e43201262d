/** Tells another program of an event: a signed request, whose redirects are not followed. */
import { createHmac } from "node:crypto";

/** What the request carries, as JSON: ids alone. */
export interface WebhookEvent {
  /** The same whenever the event is sent again. */
  id: string;
  event: string;
  /** ISO 8601. */
  createdAt: string;
  data: unknown;
}

export interface WebhookClient {
  /**
   * Sends an event and returns the status of the answer.
   *
   * @throws TypeError when nobody answers, and DOMException `TimeoutError` when that takes too long
   */
  send(event: WebhookEvent, options: { signal: AbortSignal }): Promise<number>;
}

export interface WebhookClientOptions {
  url: string;
  secret: string;
  now: () => Date;
}

const TIMEOUT_MS = 10_000;

/** The signature of a body that is sent at a time, in seconds since 1970. */
function signatureOf(secret: string, { timestamp, body }: { timestamp: number; body: string }): string {
  return `sha256=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`;
}

/** Makes the client of one receiver. */
export function createWebhookClient({ url, secret, now }: WebhookClientOptions): WebhookClient {
  return {
    async send(event, { signal }) {
      const body = JSON.stringify(event);
      const timestamp = Math.floor(now().getTime() / 1_000);
      const response = await fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-webhook-timestamp": String(timestamp),
          "x-webhook-signature": signatureOf(secret, { timestamp, body }),
        },
        body,
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      return response.status;
    },
  };
}
