/**
 * The demo: the built-in ResNet-20 on the built-in Fashion-MNIST with every layer at 4 bits, the first and the last
 * included, trained back for one epoch over the 10,500 training images with a quarter of the rows. Prints the
 * command, then float, post-training and EfQAT accuracy on the 10,000 test images; writes out/demo/.
 *
 *     npm run demo [-- further options of efqat optimize]
 */
import { runCommandLine } from "../src/cli/run.ts";

const out = "out/demo";
const args = [
  ...["optimize", "fixtures/resnet20/model.onnx"],
  ...["--data", "fixtures/fashion-mnist", "--mean", "0.286", "--std", "0.353"],
  ...["--wbits", "4", "--abits", "4", "--first-last", "same", "--ratio", "0.25", "--batch", "128"],
  ...["--out", `${out}/quantized.onnx`, "--json", `${out}/report.json`, "--html", `${out}/report.html`],
  ...process.argv.slice(2),
];
const controller = new AbortController();
process.once("SIGINT", () => controller.abort());
const { stdout, stderr } = process;
stdout.write(`efqat ${args.join(" ")}\n\n`);
process.exitCode = await runCommandLine(args, { stdout, stderr, stack: false, signal: controller.signal });
