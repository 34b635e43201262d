/** Owns the product's version, as health answers and API documents show it. */
export const VERSION = "0.1.0";
