/** The API reference's own examples, against which both sides are tested. */
import examples from "../../fixtures/golden/examples.json" with { type: "json" };
import errorExample from "../../fixtures/golden/error.json" with { type: "json" };

/**
 * One example of the reference. Its placeholders ("uuid", "...") are replaced by values of their kind.
 * `additions` holds fields that this product answers beyond the reference.
 */
export interface GoldenExample {
  name: string;
  service: "server" | "ml";
  method: string;
  path: string;
  authorized: boolean;
  request?: unknown;
  response?: unknown;
  additions?: unknown;
}

export const GOLDEN_EXAMPLES = examples as GoldenExample[];
export const GOLDEN_ERROR = errorExample;
