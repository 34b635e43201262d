/** What tests say of errors that a person reads. */
import { UserError } from "../../../lib/errors.ts";

/** For `assert.rejects`: a UserError whose sentence is like this. */
export function isUserError(sentence: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof UserError && sentence.test(error.message);
}
