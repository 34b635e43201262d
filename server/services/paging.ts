/** Translates between the wire's paging and the stores'. */
import type { PageQuery } from "../../contract/paging.ts";
import { invalidRequest } from "../../lib/errors.ts";
import { decodeCursor, encodeCursor, type Page, type PageRequest } from "../store/paging.ts";

/**
 * The page that a query asks for.
 *
 * @throws ApiError `validation_failed` when the cursor is none of ours
 */
export function pageRequestOf({ page, pageSize, cursor }: PageQuery): PageRequest {
  if (cursor === undefined) return { page, pageSize };
  const after = decodeCursor(cursor);
  if (after !== undefined) return { page, pageSize, after };
  throw invalidRequest([{ path: "cursor", message: "must be a cursor from an earlier answer" }]);
}

/** The paging fields of a list's answer. */
export function pageFieldsOf(page: Page<unknown>, query: PageQuery): {
  total: number;
  page: number;
  pageSize: number;
  nextCursor: string | null;
} {
  return {
    total: page.total,
    page: query.page,
    pageSize: query.pageSize,
    nextCursor: page.next && encodeCursor(page.next),
  };
}
