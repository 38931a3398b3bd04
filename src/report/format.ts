/** A number of bytes for people, in decimal units. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toPrecision(3)} ${units[unit]}`;
}

/** A fraction as a percentage with two decimals; a dash where there is none. */
export function formatPercent(fraction: number | undefined): string {
  return fraction === undefined ? "-" : `${(100 * fraction).toFixed(2)} %`;
}

/** A duration in seconds, minutes or hours. */
export function formatSeconds(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function formatMilliseconds(ms: number | undefined): string {
  return ms === undefined ? "-" : `${ms.toPrecision(3)} ms`;
}

export function formatNumber(value: number | undefined, digits = 4): string {
  return value === undefined ? "-" : String(Number(value.toPrecision(digits)));
}
