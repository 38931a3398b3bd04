import "./silence-telemetry.ts";
import * as ort from "onnxruntime-node";

/** ONNX Runtime, loaded with its telemetry off. Nothing else imports the package. */
export { ort };
