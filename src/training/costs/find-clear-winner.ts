/** Runs something once and tells the milliseconds. */
export type Contestant = () => Promise<number>;

/** Rounds that every race has, and the most where times have not settled by then. */
const [fewestRounds, mostRounds] = [5, 30];
/** A shortest time counts once so many runs came within so much of it: on a busy machine single runs mean little. */
const [confirming, closeTo] = [3, 1.1];
/**
 * So many times as fast another contestant has to be: times of one machine vary by 5 to 20 % from run to run, so that a
 * small lead would be decided by chance, and two runs of one command would differ.
 */
export const clearlyFaster = 1.5;
/** What takes so many times as long as the first contestant when warming up is not run again. */
const hopeless = 8;

/**
 * Index of the contestant that is clearly the fastest, 0 (the default) where none is. All run in turn, so that what else
 * the machine does slows them alike; they are compared by their shortest times, which it disturbs least, and only when
 * those have been seen several times, or where half of one's runs are faster than the other ever was.
 */
export async function findClearWinner(contestants: readonly Contestant[]): Promise<number> {
  const racing = await warmUp(contestants);
  for (let round = 1; racing.length > 1 && round <= mostRounds; round++) {
    for (const { run, times } of racing) times.push(await run());
    if (round < fewestRounds) continue;
    const first = racing[0] as Racing;
    if (racing.every(({ times }) => shortest(times) >= shortest(first.times)) && isSettled(first)) return 0;
    if (racing.every(isSettled)) break;
  }
  return winnerOf(racing);
}

interface Racing {
  index: number;
  run: Contestant;
  times: number[];
}

/** Runs each once, which asks the system for memory, and leaves out what is far too slow. */
async function warmUp(contestants: readonly Contestant[]): Promise<Racing[]> {
  const racing: Racing[] = [];
  let limit = Infinity;
  for (const [index, run] of contestants.entries()) {
    const time = await run();
    if (index === 0) limit = hopeless * time;
    if (time <= limit) racing.push({ index, run, times: [] });
  }
  return racing;
}

const shortest = (times: readonly number[]): number => Math.min(...times);

const isSettled = ({ times }: Racing): boolean =>
  times.filter((time) => time <= closeTo * shortest(times)).length >= confirming;

function winnerOf([first, ...others]: readonly Racing[]): number {
  if (first === undefined || first.times.length === 0) return 0;
  const limit = shortest(first.times) / clearlyFaster;
  const clear = others.filter(
    (each) =>
      middle(each.times) <= limit || (isSettled(first) && isSettled(each) && shortest(each.times) <= limit),
  );
  const [fastest] = clear.sort((a, b) => shortest(a.times) - shortest(b.times));
  return fastest?.index ?? 0;
}

const middle = (times: readonly number[]): number =>
  [...times].sort((a, b) => a - b)[times.length >> 1] as number;
