/** The paging query that every list takes, and the paging fields that every list answers with. */
import * as z from "zod";

export const MAX_PAGE_SIZE = 200;
/** Deeper lists are read with `cursor`, whose cost does not grow with depth. */
export const MAX_PAGE = 1_000_000;

function wholeNumber(bounds: { min: number; max: number; fallback: number }) {
  return z.string()
    .regex(/^[0-9]{1,12}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(bounds.min).max(bounds.max))
    .default(bounds.fallback)
    .meta({ type: "integer", minimum: bounds.min, maximum: bounds.max });
}

/**
 * `?page=1&pageSize=20`, both optional; `cursor` from an earlier answer takes precedence over `page`.
 *
 * @param defaultSize page size when the caller names none
 */
export function pageQuerySchema(defaultSize = 20) {
  return z.object({
    page: wholeNumber({ min: 1, max: MAX_PAGE, fallback: 1 }),
    pageSize: wholeNumber({ min: 1, max: MAX_PAGE_SIZE, fallback: defaultSize }),
    cursor: z.string().max(200).regex(/^[A-Za-z0-9_.~:-]+$/, "must be a cursor from an earlier answer")
      .optional(),
  });
}

/** The paging of most lists. */
export const pageQuery = pageQuerySchema();

export type PageQuery = z.infer<typeof pageQuery>;

/** The fields beside the items of every list. */
export const pageFields = {
  total: z.int().min(0),
  page: z.int().min(1),
  pageSize: z.int().min(1).max(MAX_PAGE_SIZE),
  nextCursor: z.string().nullable().optional().describe("Give it as `cursor` to read on; null at the end"),
};
