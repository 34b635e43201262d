/** `POST /model/reload`, `GET /models`, and deleting and tainting adapters. */
import { modelIdSchema } from "../../contract/generation.ts";
import {
  adapterInfoSchema,
  modelListSchema,
  reloadQuerySchema,
  reloadResponseSchema,
} from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute, z } from "../../deps.ts";
import { createRoutes, documentedPath, errorResponses, jsonResponse } from "../../lib/http/app.ts";
import type { AdapterService } from "../services/adapter_service.ts";
import type { ModelService } from "../services/model_service.ts";

const reload = createRoute({
  method: "post",
  path: ML_PATHS.reloadModel,
  summary: "Loads a model of the catalog or the models folder, or the configured one again",
  description:
    "Answers when the model is loaded, which may take a download. Requests in flight end on the old one.",
  request: { query: reloadQuerySchema },
  responses: {
    200: jsonResponse(reloadResponseSchema, "The model that is served now"),
    ...errorResponses(400, 401, 404, 409, 503),
  },
});

const list = createRoute({
  method: "get",
  path: ML_PATHS.models,
  summary: "Lists the models that can be loaded, and the adapters that were trained",
  responses: { 200: jsonResponse(modelListSchema, "Models and adapters"), ...errorResponses(401) },
});

const adapterParams = z.object({ id: modelIdSchema });

const remove = createRoute({
  method: "delete",
  path: documentedPath(ML_PATHS.adapter),
  summary: "Deletes an adapter",
  request: { params: adapterParams },
  responses: {
    200: jsonResponse(adapterInfoSchema, "The adapter that is gone"),
    ...errorResponses(400, 401, 404),
  },
});

const exportAdapter = createRoute({
  method: "get",
  path: documentedPath(ML_PATHS.exportAdapter),
  summary: "Gives an adapter in PEFT's format",
  description:
    "A zip archive of `adapter_config.json` and `adapter_model.safetensors`, for PEFT, vLLM and others that serve " +
    "the same base model. A tainted adapter is not given.",
  request: { params: adapterParams },
  responses: {
    200: {
      description: "The archive",
      content: { "application/zip": { schema: z.string().meta({ format: "binary" }) } },
    },
    ...errorResponses(400, 401, 404, 409, 501, 503),
  },
});

const COPY = "The adapter's manifest as one line of JSON, then its GGUF file";
const copyContent = { "application/octet-stream": { schema: z.string().meta({ format: "binary" }) } };

const copy = createRoute({
  method: "get",
  path: documentedPath(ML_PATHS.adapterFile),
  summary: "Gives an adapter as it is, for a backup",
  description: "What the PUT of the same path takes. A tainted adapter is not given.",
  request: { params: adapterParams },
  responses: {
    200: { description: COPY, content: copyContent },
    ...errorResponses(400, 401, 404, 409, 501, 503),
  },
});

const restore = createRoute({
  method: "put",
  path: documentedPath(ML_PATHS.adapterFile),
  summary: "Takes an adapter of a backup in",
  description:
    "It must fit the served model, have the SHA-256 of its manifest, change the model as it did in training, " +
    "and find room. An adapter that is here already stays as it is, also a tainted one.",
  request: { params: adapterParams, body: { required: true, description: COPY, content: copyContent } },
  responses: {
    200: jsonResponse(adapterInfoSchema, "The adapter"),
    ...errorResponses(400, 401, 408, 409, 501, 503),
  },
});

const taint = createRoute({
  method: "post",
  path: documentedPath(ML_PATHS.taintAdapter),
  summary: "Takes an adapter out of service for good: something it learned from was deleted",
  request: { params: adapterParams },
  responses: {
    200: jsonResponse(adapterInfoSchema, "The tainted adapter"),
    ...errorResponses(400, 401, 404),
  },
});

/** The routes of models and adapters. */
export function modelRoutes({ models, adapters }: { models: ModelService; adapters: AdapterService }) {
  return createRoutes()
    .openapi(reload, async (c) => c.json(await models.reload(c.req.valid("query").model_id), 200))
    .openapi(list, async (c) => c.json({ models: await models.list(), adapters: adapters.list() }, 200))
    .openapi(remove, async (c) => c.json(await adapters.remove(c.req.valid("param").id), 200))
    .openapi(exportAdapter, async (c) => {
      const { id } = c.req.valid("param");
      return c.body(await adapters.export(id), 200, {
        "content-type": "application/zip",
        "content-disposition": `attachment; filename="adapter-${id}.zip"`,
      }) as never;
    })
    .openapi(copy, async (c) => {
      const headers = { "content-type": "application/octet-stream" };
      return c.body(await adapters.copy(c.req.valid("param").id), 200, headers) as never;
    })
    .openapi(restore, async (c) => {
      const body = c.req.raw.body ?? new Blob().stream();
      return c.json(await adapters.restore(c.req.valid("param").id, body), 200);
    })
    .openapi(taint, async (c) => c.json(await adapters.taint(c.req.valid("param").id), 200));
}
