const seconds = { s: 1, min: 60, h: 3600 } as const;

/** Seconds of a time with its unit, as the schema allows it. */
export function parseDuration(text: string): number {
  const [, digits = "", unit = "s"] = /^(\d+(?:\.\d+)?) ?(s|min|h)$/.exec(text) ?? [];
  return Number(digits) * seconds[unit as keyof typeof seconds];
}

/** Bytes of a size with its unit, as the schema allows it. */
export function parseSize(text: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?) ?([kMGT]i?B)$/i.exec(text) ?? [];
  const power = "kmgt".indexOf(unit.charAt(0).toLowerCase()) + 1;
  return Number(digits) * (unit.length === 3 ? 1024 : 1000) ** power;
}
