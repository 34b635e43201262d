/** The product's version, as health answers, metrics and API documents show it. */
export const VERSION = "0.1.0";
