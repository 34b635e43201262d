/** Owns the question which rows have been in the database long enough for Messages to have finished them. */

/**
 * Messages commits a row before its chat, its files and sometimes its text. A row's own date does not tell when it was
 * written (iCloud inserts old messages late), so the clock remembers when each highest ROWID was first seen: all rows
 * up to it are at least that old.
 */
export class RowAge {
  /** Ascending in both; only those younger than the settle window are kept. */
  #sightings: { maxRowId: number; atMs: number }[] = [];
  #finalRowId = 0;

  /**
   * Notes that rows up to `maxRowId` existed at `atMs`. A sighting that now lies in the future shows that the clock was
   * set back; it then counts from now, so that no row waits for the old time to come again.
   */
  observe(maxRowId: number, { atMs, nowMs }: { atMs: number; nowMs: number }): void {
    for (const sighting of this.#sightings) sighting.atMs = Math.min(sighting.atMs, nowMs);
    if (maxRowId > Math.max(this.#finalRowId, this.#sightings.at(-1)?.maxRowId ?? 0)) {
      this.#sightings.push({ maxRowId, atMs });
    }
  }

  /** The last row that was there at `beforeMs`; it and all rows before it are mature. */
  finalRowId(beforeMs: number): number {
    const open = this.#sightings.findIndex((sighting) => sighting.atMs > beforeMs);
    const mature = open === -1 ? this.#sightings.length : open;
    this.#finalRowId = this.#sightings[mature - 1]?.maxRowId ?? this.#finalRowId;
    this.#sightings.splice(0, mature);
    return this.#finalRowId;
  }
}
