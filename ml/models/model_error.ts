/** Owns the error of a model that cannot be had: a sentence for the person who runs the service. */

/** Its message says what failed and what to do. */
export class ModelError extends Error {
  override readonly name = "ModelError";
}
