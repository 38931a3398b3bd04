/** A piece of a region of the arena. Neighbours are linked in the order of their addresses. */
interface Chunk {
  region: number;
  start: number;
  size: number;
  free: boolean;
  before: Chunk | undefined;
  after: Chunk | undefined;
}

const granule = 256;
const firstRegion = 2 ** 20;
const largestRegion = 2 ** 30;
/** A chunk is also split when more than this would be wasted of it. */
const largestWaste = 2 ** 27;

/**
 * ONNX Runtime's CPU arena, as far as it decides how much memory is touched: the smallest free chunk that fits, split when
 * at most half of it is needed, free neighbours joined, and regions that double in size. Touched memory stays resident.
 */
export class Arena {
  readonly #free = new Set<Chunk>();
  /** Per region, how much from its start was ever used. */
  readonly #touched: number[] = [];
  readonly #taken = new Map<string, Chunk>();
  #nextRegion = firstRegion;

  /** Bytes that are resident once touched. */
  get resident(): number {
    return this.#touched.reduce((sum, bytes) => sum + bytes, 0);
  }

  take(name: string, bytes: number): void {
    const size = Math.max(granule, Math.ceil(bytes / granule) * granule);
    const chunk = this.#smallestFree(size) ?? this.#addRegion(size);
    this.#free.delete(chunk);
    if (chunk.size >= 2 * size || chunk.size - size >= largestWaste) this.#split(chunk, size);
    chunk.free = false;
    this.#touched[chunk.region] = Math.max(this.#touched[chunk.region] ?? 0, chunk.start + size);
    this.#taken.set(name, chunk);
  }

  /** Gives a buffer back; without a name, all of them. */
  giveBack(name?: string): void {
    for (const each of name === undefined ? [...this.#taken.keys()] : [name]) {
      const chunk = this.#taken.get(each);
      this.#taken.delete(each);
      if (chunk !== undefined) this.#join(chunk);
    }
  }

  #smallestFree(size: number): Chunk | undefined {
    let best: Chunk | undefined;
    for (const chunk of this.#free)
      if (chunk.size >= size && (best === undefined || isBefore(chunk, best))) best = chunk;
    return best;
  }

  #addRegion(size: number): Chunk {
    const enough = this.#nextRegion >= size;
    while (this.#nextRegion < size) this.#nextRegion *= 2;
    const chunk: Chunk = {
      ...{ region: this.#touched.length, start: 0, size: this.#nextRegion, free: true },
      ...{ before: undefined, after: undefined },
    };
    if (enough) this.#nextRegion = Math.min(2 * this.#nextRegion, largestRegion);
    this.#touched.push(0);
    return chunk;
  }

  #split(chunk: Chunk, size: number): void {
    const { region, start, after } = chunk;
    const rest: Chunk = {
      ...{ region, start: start + size, size: chunk.size - size, free: true },
      ...{ before: chunk, after },
    };
    if (after !== undefined) after.before = rest;
    chunk.after = rest;
    chunk.size = size;
    this.#free.add(rest);
  }

  #join(chunk: Chunk): void {
    const { before, after } = chunk;
    if (after?.free === true) this.#swallow(chunk, after);
    if (before?.free === true) this.#swallow(before, chunk);
    const joined = before?.free === true ? before : chunk;
    joined.free = true;
    this.#free.add(joined);
  }

  #swallow(chunk: Chunk, next: Chunk): void {
    this.#free.delete(next);
    chunk.size += next.size;
    chunk.after = next.after;
    if (next.after !== undefined) next.after.before = chunk;
  }
}

/** By size, then by address. */
const isBefore = (a: Chunk, b: Chunk): boolean =>
  (a.size - b.size || b.region - a.region || a.start - b.start) < 0;
