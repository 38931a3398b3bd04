/** What waits to be run. */
export interface Waiting {
  memoryBytes: number;
}

/** Times that others may go ahead of one that does not fit before they have to wait for it. */
const mostOvertakings = 8;

/**
 * Decides what runs next: the first that fits into the memory that is left, on one of `slots`. What is larger than all
 * memory runs alone. Where the first has been overtaken often enough, nothing starts until it fits.
 */
export class Admission {
  readonly #slots: number;
  readonly #memoryBytes: number;
  readonly #running = new Set<Waiting>();
  #overtakings = 0;

  constructor({ slots, memoryBytes }: { slots: number; memoryBytes: number }) {
    this.#slots = slots;
    this.#memoryBytes = memoryBytes;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Takes the next one out of `waiting` and counts it as running; undefined: nothing can start now. */
  next<T extends Waiting>(waiting: T[]): T | undefined {
    if (this.#running.size >= this.#slots) return undefined;
    const most = this.#overtakings >= mostOvertakings ? 1 : waiting.length;
    const at = waiting.slice(0, most).findIndex((each) => this.#fits(each));
    const found = at < 0 ? undefined : waiting.splice(at, 1)[0];
    if (found === undefined) return undefined;
    this.#overtakings = at === 0 ? 0 : this.#overtakings + 1;
    this.#running.add(found);
    return found;
  }

  #fits({ memoryBytes }: Waiting): boolean {
    if (this.#running.size === 0) return true;
    const taken = [...this.#running].reduce((sum, each) => sum + each.memoryBytes, 0);
    return taken + memoryBytes <= this.#memoryBytes;
  }

  release(one: Waiting): void {
    this.#running.delete(one);
  }
}
