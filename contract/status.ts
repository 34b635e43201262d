/** The wire of `GET /api/status`: how the server, its model and the capture of messages are. */
import * as z from "zod";
import { idSchema, timeSchema } from "./scalars.ts";
import { DEVICE_STATUSES } from "./devices.ts";
import { captureSchema } from "./sync.ts";

const count = z.int().min(0);

export const statusSchema = z.object({
  version: z.string(),
  ml: z.object({
    state: z.enum(["ready", "loading", "unavailable"]),
    offlineSince: timeSchema.nullable()
      .describe(
        "When a draft that waits first found ml away, or when this server did; null while ml answers",
      ),
    model: z.string().nullable().describe("The model that is served"),
    reason: z.string().nullable().describe("Why the model is not in memory, where ml says so"),
    backend: z.object({
      device: z.string().describe(
        "What computes: `cpu`, or a GPU's interface, such as `cuda`, `metal` or `vulkan`",
      ),
      gpuLayers: count.describe("Layers of the model that the GPU has"),
      warning: z.string().nullable().describe("A sentence where ml's machine has a GPU and the CPU is used"),
    }).nullable().optional().describe(
      "Null while ml is away, before it has loaded a model, and for an engine elsewhere",
    ),
    queueLength: count.nullable().describe("Requests that wait in ml, of all accounts"),
  }),
  queue: z.object({
    queued: count.describe("Drafts of the account that wait"),
    generating: count.describe("Drafts of the account that are being made"),
    training: count.describe("Training jobs of the account that wait or run"),
  }),
  disk: z.object({
    freeBytes: count.nullable(),
    totalBytes: count.nullable(),
    databaseBytes: count,
  }).describe("Of the server's data folder; null where the system does not say"),
  devices: z.array(z.object({
    deviceId: idSchema,
    name: z.string(),
    status: z.enum(DEVICE_STATUSES),
    lastSeenAt: timeSchema.nullable(),
    lastBatchAt: timeSchema.nullable(),
    lastHeartbeatAt: timeSchema.nullable(),
    stored: count.describe("Messages of this device that the server did not have before"),
    unchanged: count.describe("Messages that it sent again"),
    lagRows: count.nullable().describe("Rows that still wait on the device, as it last said"),
    capture: captureSchema.nullable().optional().describe("As the device last said; null where it never did"),
  })).describe("How the capture of messages is, device by device; the most recently active one comes first"),
}).meta({ id: "Status" });
export type Status = z.infer<typeof statusSchema>;
