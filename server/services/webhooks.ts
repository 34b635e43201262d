/** Sends each draft that is completed to a webhook, by jobs of their own queue, so that no draft waits for a slow receiver. */
import { SerialExecutor } from "../../lib/async.ts";
import { ApiError, logFieldsOfError } from "../../lib/errors.ts";
import { type JobHandler, PermanentJobError, RetryLaterError } from "../../lib/jobs/job.ts";
import type { JobQueue } from "../../lib/jobs/job_queue.ts";
import type { Logger } from "../../lib/log.ts";
import type { WebhookClient, WebhookEvent } from "../clients/webhook.ts";
import type { EventStore } from "../store/events/event_store.ts";
import type { Announcements } from "../store/jobs/announcements.ts";

export interface WebhookTasks {
  webhook: { payload: WebhookEvent; result: null };
}

/** An event that nobody took for so long is given up. */
const LONGEST_MS = 24 * 3_600_000;
const CONCURRENCY = 4;

export interface WebhookOptions {
  events: Pick<EventStore, "completedDrafts">;
  announcements: Announcements;
  jobs: JobQueue<WebhookTasks>;
  webhook: WebhookClient;
  now: () => Date;
  log: Logger;
}

/** A receiver that is away or busy is waited for; one that refuses is asked as often as any job is tried. */
function createWebhookHandler({ webhook, now }: WebhookOptions): JobHandler<WebhookTasks["webhook"]> {
  return async (event, { signal }) => {
    const isOld = now().getTime() - Date.parse(event.createdAt) > LONGEST_MS;
    const status = await webhook.send(event, { signal }).catch((error) => {
      signal.throwIfAborted();
      if (isOld) throw new PermanentJobError("The webhook cannot be reached", { cause: error });
      throw new RetryLaterError("webhook_unavailable", { cause: error });
    });
    if (status >= 200 && status < 300) return null;
    if (!isOld && (status >= 500 || status === 429)) throw new RetryLaterError("webhook_unavailable");
    throw new Error(`The webhook answered with status ${status}`);
  };
}

/** Adds a job for the event; the queue takes each id once, also from several servers. */
async function enqueue(jobs: WebhookOptions["jobs"], event: WebhookEvent): Promise<void> {
  await jobs.enqueue("webhook", event, { id: event.id }).catch((error) => {
    if (!(error instanceof ApiError) || error.code !== "job_exists") throw error;
  });
}

/** Sends what is completed from now on and what was left of the last day, until the returned function is called. */
export function keepSendingWebhooks(options: WebhookOptions): () => Promise<void> {
  const { events, announcements, jobs, now, log } = options;
  /** The last event of each account that has a job. */
  const last = new Map<string, number>();
  const reading = new SerialExecutor();
  const read = async (accountId?: string) => {
    const after = accountId === undefined ? 0 : last.get(accountId) ?? 0;
    const since = new Date(now().getTime() - LONGEST_MS);
    for (
      const { accountId: owner, id, event, data, createdAt } of await events.completedDrafts({
        accountId,
        after,
        since,
      })
    ) {
      await enqueue(jobs, { id: `${owner}-${id}`, event, createdAt: createdAt.toISOString(), data });
      last.set(owner, id);
    }
  };
  const readSoon = (accountId?: string) =>
    void reading.run(() => read(accountId)).catch((error) => {
      log.warn("completed drafts were not read for the webhook", logFieldsOfError(error));
    });
  const offs = [announcements.on("events", readSoon), announcements.on("missed", () => readSoon())];
  jobs.listen({ webhook: createWebhookHandler(options) }, { concurrency: CONCURRENCY });
  readSoon();
  return async () => {
    for (const off of offs) off();
    await reading.run(() => Promise.resolve());
    await jobs.stop();
  };
}
