/** Models the contents of a decoded typedstream: objects, their classes and values. */

/** Classes are followed this far up; the longest chain of 20,783 bodies is 3, but a forged chain may be endless. */
const MAX_CLASS_CHAIN = 16;

/** Invalid UTF-8 becomes U+FFFD; a leading U+FEFF is text and stays. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** A class as archived: its name and the class it extends (`null` at a root class). */
export interface ArchivedClass {
  name: string;
  superclass: ArchivedClass | null;
}

/** Numbers (`i q c f …`), C strings (`*`), raw bytes (`+` and `[Nc]`), objects, classes and nil. */
export type ArchivedValue = number | string | Uint8Array | ArchivedObject | ArchivedClass | null;

/** An object as archived: its class and the values of all its groups in stream order. */
export class ArchivedObject {
  archivedClass: ArchivedClass | null = null;
  readonly fields: ArchivedValue[] = [];
  #string: string | undefined;

  /** True when the object's class or one of its ancestors has the name. */
  isKindOf(className: string): boolean {
    let current = this.archivedClass;
    for (let depth = 0; current !== null && depth < MAX_CLASS_CHAIN; depth++) {
      if (current.name === className) return true;
      current = current.superclass;
    }
    return false;
  }

  /** The characters of an NSString, decoded once however often it is referenced; null for any other object. */
  string(): string | null {
    const bytes = this.fields[0];
    if (!(bytes instanceof Uint8Array) || !this.isKindOf("NSString")) return null;
    return this.#string ??= utf8.decode(bytes);
  }
}
