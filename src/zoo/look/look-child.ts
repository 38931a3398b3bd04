import { z } from "zod";
import { linkToParent } from "../process/child-link.ts";
import { lookAt } from "./look-at.ts";

/** Entry of the process that looks at one model. */
const { task, send } = await linkToParent();
const { model, recipe } = z.object({ model: z.string(), recipe: z.string() }).parse(task);
send(await lookAt(model, recipe));
process.removeAllListeners("disconnect");
process.disconnect();
