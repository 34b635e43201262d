/** What the parts of the abuse report. */

/** What a part saw: its figures by name, and sentences for what should not have been. */
export interface AbuseReport {
  readonly figures: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}
