/** Milliseconds of work that a process that is killed may lose, where saving is quick. */
const losable = 10_000;
/** Where saving is slow, at least this many times as long as it takes passes before the next time. */
const workPerSave = 50;

/** Tells when a run has to be saved again: so that little work can be lost, and a fiftieth of the time goes into it at most. */
export class SaveClock {
  readonly #now: () => number;
  #last: number;
  #took = 0;

  constructor(now = () => performance.now()) {
    this.#now = now;
    this.#last = now();
  }

  isDue(): boolean {
    return this.#now() - this.#last >= Math.max(losable, workPerSave * this.#took);
  }

  async time(save: () => Promise<void>): Promise<void> {
    const start = this.#now();
    await save();
    this.#last = this.#now();
    this.#took = this.#last - start;
  }
}
