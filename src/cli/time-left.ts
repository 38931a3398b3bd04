/** Seconds that a stage must have been watched, and parts that it must have, before its end is foretold. */
const [leastSeconds, fewestParts] = [2, 8];

/** Foretells how long stages still take, from the speed since their first report. */
export class TimeLeft {
  readonly #now: () => number;
  #stage = "";
  #begun = { at: 0, done: 0 };

  /** `now`: milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** In words, such as "3 min left"; "" where nothing can be said yet. */
  after(stage: string, done: number, total: number): string {
    if (stage !== this.#stage || done < this.#begun.done) {
      this.#stage = stage;
      this.#begun = { at: this.#now(), done };
    }
    const seconds = (this.#now() - this.#begun.at) / 1000;
    const parts = done - this.#begun.done;
    if (done >= total || total < fewestParts || seconds < leastSeconds || parts === 0) return "";
    return `${inWords((seconds / parts) * (total - done))} left`;
  }
}

function inWords(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
