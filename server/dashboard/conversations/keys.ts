/** Keys that do something on the page. */

/** Whether a key press belongs to a field that the person writes in. */
function isWriting({ target }: KeyboardEvent): boolean {
  const isChoice = target instanceof HTMLInputElement && ["checkbox", "radio"].includes(target.type);
  return !isChoice && (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement);
}

/** Whether a press is of this key alone, and not in a text. */
export function isKey(event: KeyboardEvent, key: string): boolean {
  return event.key === key && !event.ctrlKey && !event.metaKey && !event.altKey && !isWriting(event);
}
