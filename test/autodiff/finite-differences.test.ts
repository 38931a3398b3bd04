import { describe, expect, test } from "vitest";
import { encodeModel } from "../../src/onnx/index.ts";
import { Session } from "../../src/runtime/session.ts";
import { floats, type Tensor, toNumbers, viewAs } from "../../src/tensor/tensor.ts";
import { type GradientCase, readGradientCases, runGradients } from "../support/gradient-cases.ts";
import { randomSource } from "../support/random-tensor.ts";

/** Half the distance of the two points; small against the distance of most values from a kink. */
const halfStep = 2e-4;

/** Of the gradient's norm: float32 rounding of the loss over a small step, and values next to a kink. */
const tolerance = 2e-2;

/**
 * Rounding is passed straight through, which differences of the loss do not see; at ties there is no derivative, and the
 * nearest element of a map is another one from one point to the next.
 */
const hasNoDerivative = ({ name, model }: GradientCase): boolean =>
  / ties|GridSample .* nearest/.test(name) ||
  model.graph.nodes.some(({ opType }) => ["QuantizeLinear", "Round"].includes(opType));

const cases = readGradientCases()
  .map((each) => ({ each, name: each.name, parameters: floatParameters(each) }))
  .filter(({ each, parameters }) => !hasNoDerivative(each) && parameters.length > 0);

test("nearly all cases can be checked", () => {
  expect(cases.length).toBeGreaterThan(0.8 * readGradientCases().length);
});

describe("the loss changes along random directions as the gradients say", () => {
  test.each(cases)("$name", async ({ each, parameters }) => {
    const gradients = await runGradients(each, {});
    const session = await Session.create(encodeModel(each.model), { threads: 1 });
    const random = randomSource(1);
    try {
      for (const name of parameters) {
        const gradient = toNumbers(gradients[name] as Tensor);
        const signs = gradient.map(() => (random() < 0.5 ? -1 : 1));
        const expected = gradient.reduce((sum, value, i) => sum + value * (signs[i] as number), 0);
        const [up, down] = [
          await lossAt(session, each, name, signs, 1),
          await lossAt(session, each, name, signs, -1),
        ];
        const norm = Math.hypot(...gradient);
        const rounding = (2 ** -22 * (Math.abs(up) + Math.abs(down) + 1)) / halfStep;
        const error = Math.abs((up - down) / (2 * halfStep) - expected);
        expect(error, `along ${name}`).toBeLessThan(tolerance * norm + rounding);
      }
    } finally {
      await session.release();
    }
  });
});

/** Parameters that are float32 inputs of the model. */
function floatParameters({ parameters, feeds }: GradientCase): string[] {
  return parameters.filter((name) => feeds[name]?.dtype === "float32");
}

async function lossAt(
  session: Session,
  { feeds }: GradientCase,
  name: string,
  signs: readonly number[],
  direction: number,
): Promise<number> {
  const at = feeds[name] as Tensor;
  const moved = viewAs(at, "float32").map((value, i) => value + direction * halfStep * (signs[i] as number));
  const results = await session.run({ ...feeds, [name]: floats(moved, at.dims) }, ["loss"]);
  return viewAs(results["loss"] as Tensor, "float32")[0] ?? NaN;
}
