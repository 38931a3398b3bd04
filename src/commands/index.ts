import type { Command } from "./command.ts";
import { artifactCommand } from "./artifact.ts";
import { auditCommand } from "./audit.ts";
import { calibrateCommand } from "./calibrate.ts";
import { dataCommand } from "./data.ts";
import { doctorCommand } from "./doctor.ts";
import { encodingsCommand } from "./encodings.ts";
import { evaluateCommand } from "./evaluate.ts";
import { exportCommand } from "./export.ts";
import { fromHfCommand } from "./from-hf.ts";
import { fromTfCommand } from "./from-tf.ts";
import { fromTorchCommand } from "./from-torch.ts";
import { initCommand } from "./init.ts";
import { inspectCommand } from "./inspect.ts";
import { optimizeCommand } from "./optimize.ts";
import { profileCommand } from "./profile.ts";
import { quantizeCommand } from "./quantize.ts";
import { targetsCommand } from "./targets.ts";
import { trainCommand } from "./train.ts";

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [
  optimizeCommand,
  inspectCommand,
  dataCommand,
  calibrateCommand,
  quantizeCommand,
  artifactCommand,
  trainCommand,
  exportCommand,
  evaluateCommand,
  profileCommand,
  auditCommand,
  encodingsCommand,
  fromTorchCommand,
  fromHfCommand,
  fromTfCommand,
  targetsCommand,
  doctorCommand,
  initCommand,
];
