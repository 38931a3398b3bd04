import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";

/** Prints at the end of a run which tests were left out, and why: the reason given to `context.skip`, else what titles say. */
export class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const groups = new Map<string, number>();
    for (const module of modules)
      for (const test of module.children.allTests("skipped")) {
        const why = reasonOf(test, module);
        groups.set(why, (groups.get(why) ?? 0) + 1);
      }
    if (groups.size === 0) return;
    console.log("Left out:");
    for (const [why, tests] of groups) console.log(`  ${tests} ${tests === 1 ? "test" : "tests"}: ${why}`);
  }
}

function reasonOf(test: TestCase, module: TestModule): string {
  const result = test.result();
  const note = result.state === "skipped" ? result.note : undefined;
  if (note !== undefined) return `${module.relativeModuleId}: ${note}`;
  const suite = outermostSkipped(test.parent);
  return `${module.relativeModuleId}: ${suite?.name ?? "no reason given (a filter, or a condition beside the test)"}`;
}

/** The outermost suite around a test that is left out as a whole. */
function outermostSkipped(parent: TestSuite | TestModule): TestSuite | undefined {
  if (parent.type === "module") return undefined;
  return outermostSkipped(parent.parent) ?? (parent.state() === "skipped" ? parent : undefined);
}
