/** Path and query parameters that several routes take, and the mark of a route that needs a token. */
import { z } from "../../deps.ts";
import { pageQuerySchema } from "../../contract/paging.ts";
import { idSchema } from "../../contract/scalars.ts";

/** `:id` in a path. */
export const idParams = z.object({ id: idSchema });

/** The paging of most lists. */
export const pageQuery = pageQuerySchema();

/** In a route's definition: the request needs a device's token. */
export const withToken = { security: [{ bearer: [] }] };
