import type { Node } from "../ir/model.ts";

/** Replacements and insertions in a list of nodes, collected first and applied together, in linear time. */
export class Arrangement {
  readonly #replaced = new Map<Node, readonly Node[]>();
  readonly #before = new Map<Node, Node[]>();
  readonly #after = new Map<Node, Node[]>();

  /** `nodes` take the place of `node`; what was put before and behind it stays. */
  replace(node: Node, nodes: readonly Node[]): void {
    this.#replaced.set(node, nodes);
  }

  /** Puts `other` right before `node`, or right behind it. */
  insert(other: Node, place: "before" | "after", node: Node): void {
    const lists = place === "before" ? this.#before : this.#after;
    const list = lists.get(node);
    if (list === undefined) lists.set(node, [other]);
    else if (place === "before") list.push(other);
    else list.unshift(other);
  }

  /** The nodes as they stand now. */
  apply(nodes: readonly Node[]): Node[] {
    const placed: Node[] = [];
    const place = (node: Node): void => {
      this.#before.get(node)?.forEach(place);
      const instead = this.#replaced.get(node);
      if (instead === undefined) placed.push(node);
      else instead.forEach(place);
      this.#after.get(node)?.forEach(place);
    };
    nodes.forEach(place);
    return placed;
  }
}
