/** Opens agent.db, the one file in which the agent remembers what it has sent, for the moment that it is needed. */
import { dirname, join } from "node:path";
import { diskFault } from "../platform/private_file.ts";
import { AgentDatabase, BROKEN, DamagedStateError, existsSync } from "./agent_database.ts";
import { oldFilesIn, type StateArea, takeOverOldFiles } from "./json_takeover.ts";

const FILE = "agent.db";
/** The index of the write-ahead log is worth nothing without the other two. */
const PARTS = ["-wal", "-shm", ""];

/**
 * One area of the state of a data folder. Several processes may have it open; each keeps it open for one piece of work
 * only, so that an idle agent holds nothing, and a file that was set aside is left by all.
 */
export class AgentStore {
  readonly path: string;

  constructor(readonly dataDir: string, readonly area: StateArea) {
    this.path = join(dataDir, FILE);
  }

  /**
   * Opens it for writing, with what earlier versions stored in JSON files. A damaged file is set aside as
   * `agent.db.broken` and an empty one takes its place.
   *
   * @throws UserError when the disk does not take it
   */
  open(): AgentDatabase {
    return this.#pastDamage(() => this.#open());
  }

  /** Opens it for one change. @throws UserError when the disk does not take it */
  write<Result>(change: (database: AgentDatabase) => Result): Result {
    return this.#pastDamage(() => {
      using database = this.#open();
      return database.transaction(() => change(database));
    });
  }

  /**
   * Opens it for one look, which leaves no trace.
   *
   * @param whenDamaged gives the result when it cannot be read; without it that is thrown
   * @throws DamagedStateError or UserError when it cannot be read
   */
  read<Result>(
    look: (database: AgentDatabase) => Result,
    whenDamaged: (error: DamagedStateError) => Result = (error) => {
      throw error;
    },
  ): Result {
    try {
      const isWhole = existsSync(this.path) && oldFilesIn(this).length === 0;
      using database = isWhole ? new AgentDatabase(this.path) : this.copy();
      return look(database);
    } catch (error) {
      if (error instanceof DamagedStateError) return whenDamaged(error);
      throw error;
    }
  }

  /** A copy in memory, to be changed without a trace. @throws DamagedStateError or UserError when it cannot be read */
  copy(): AgentDatabase {
    return this.#takeOver(new AgentDatabase(":memory:"), (copy) => {
      if (!existsSync(this.path)) return;
      using database = new AgentDatabase(this.path);
      copy.copyFrom(database.path);
    });
  }

  /** Moves a damaged file out of the way, keeping it for a look, unless another process has done so. */
  setAside({ inode }: DamagedStateError): void {
    if (!existsSync(this.path) || Deno.statSync(this.path).ino !== inode) return;
    for (const part of PARTS) {
      try {
        Deno.renameSync(this.path + part, this.path + BROKEN + part);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw diskFault("rename", this.path, { error });
      }
    }
  }

  /** Tries once more with an empty file when the one that is there is damaged. */
  #pastDamage<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof DamagedStateError)) throw error;
      this.setAside(error);
      return action();
    }
  }

  #open(): AgentDatabase {
    this.#create();
    return this.#takeOver(new AgentDatabase(this.path));
  }

  /** What comes first is the content of the database. */
  #takeOver(database: AgentDatabase, fill: (database: AgentDatabase) => void = () => {}): AgentDatabase {
    try {
      fill(database);
      takeOverOldFiles(database, this);
      return database;
    } catch (error) {
      database[Symbol.dispose]();
      throw error;
    }
  }

  /** SQLite makes its other files with the same permissions. */
  #create(): void {
    try {
      Deno.mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
      Deno.openSync(this.path, { create: true, write: true, mode: 0o600 }).close();
    } catch (error) {
      throw diskFault("write", this.path, { error });
    }
  }
}
