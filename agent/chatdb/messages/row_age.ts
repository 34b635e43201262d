/** Tracks which rows have been in the database long enough for Messages to have finished them. */

/**
 * Messages commits a row before its chat, its files and sometimes its text. A row's own date is not when it was
 * written (iCloud inserts old messages late), so this remembers when each highest ROWID was first seen: all rows up to
 * it are at least that old. A row old enough is final: what it lacks will not come.
 */
export class RowAge {
  /** Ascending in both; only those younger than the grace period stay. */
  #sightings: { maxRowId: number; atMs: number }[] = [];
  #finalRowId = 0;

  /**
   * Notes that rows up to `maxRowId` existed at `atMs`. A sighting in the future shows that the clock was moved back; it
   * then counts from now, so that no row waits for the old time to come again.
   */
  observe(maxRowId: number, { atMs, nowMs }: { atMs: number; nowMs: number }): void {
    for (const sighting of this.#sightings) sighting.atMs = Math.min(sighting.atMs, nowMs);
    if (maxRowId > Math.max(this.#finalRowId, this.#sightings.at(-1)?.maxRowId ?? 0)) {
      this.#sightings.push({ maxRowId, atMs });
    }
  }

  /** The last row that was there at `beforeMs`; it and all rows before it are final. */
  finalRowId(beforeMs: number): number {
    const open = this.#sightings.findIndex((sighting) => sighting.atMs > beforeMs);
    const seen = open === -1 ? this.#sightings.length : open;
    this.#finalRowId = this.#sightings[seen - 1]?.maxRowId ?? this.#finalRowId;
    this.#sightings.splice(0, seen);
    return this.#finalRowId;
  }
}
