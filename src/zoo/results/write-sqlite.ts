import { rm } from "node:fs/promises";
import sqlite from "node-sqlite3-wasm";
import { openPending } from "../../atomic-file.ts";
import type { JobResult } from "../jobs/job.ts";
import { columns } from "./columns.ts";

/** Version of the tables, as `PRAGMA user_version` tells it. */
const schemaVersion = 1;

/**
 * Writes results as an SQLite database: a table `jobs` with the columns of the CSV, and `outputs` with the files of each
 * job. It is made anew beside its place and moved there whole.
 */
export async function writeSqlite(path: string, results: readonly JobResult[]): Promise<void> {
  const pending = await openPending(path);
  try {
    const database = new sqlite.Database(pending.temporary);
    try {
      fill(database, results);
    } finally {
      database.close();
      // The library locks by making a folder.
      await rm(`${pending.temporary}.lock`, { recursive: true, force: true });
    }
    await pending.commit();
  } finally {
    await pending.discard();
  }
}

function fill(database: InstanceType<typeof sqlite.Database>, results: readonly JobResult[]): void {
  const fields = columns.map(({ name, kind }) => `${name} ${kind === "text" ? "TEXT" : "REAL"}`);
  database.exec("PRAGMA journal_mode = OFF");
  database.exec("BEGIN");
  database.exec(`CREATE TABLE jobs (${fields.join(", ")}, PRIMARY KEY (name))`);
  database.exec("CREATE TABLE outputs (job TEXT REFERENCES jobs(name), path TEXT, bytes REAL, sha256 TEXT)");
  const places = columns.map(() => "?").join(", ");
  const insert = database.prepare(`INSERT INTO jobs VALUES (${places})`);
  const insertOutput = database.prepare("INSERT INTO outputs VALUES (?, ?, ?, ?)");
  for (const result of results) {
    insert.run(columns.map(({ of }) => of(result) ?? null));
    for (const { path, bytes, sha256 } of result.outputs)
      insertOutput.run([result.name, path, bytes, sha256]);
  }
  insert.finalize();
  insertOutput.finalize();
  database.exec("COMMIT");
  database.exec(`PRAGMA user_version = ${schemaVersion}`);
}
