/** Owns C strings: JavaScript text to bytes with a closing zero, and back. */

const encoder = new TextEncoder();

/** The bytes of a C string. */
export function cText(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

/** The C string at a pointer; empty for a null pointer. */
export function textAt(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : new Deno.UnsafePointerView(pointer).getCString();
}
