"""Run a model in OpenVINO on CPU over samples, and tell what its execution graph computes in which precision.

    python3 scripts/targets/run_openvino.py MODEL.onnx SAMPLES.bin OUTPUT.bin 1,28,28

SAMPLES.bin holds float32 samples of the given shape, one after the other; OUTPUT.bin gets the first output. Prints JSON: the
version, and for every layer of the execution graph its type, its precision and the nodes that it was made of.
"""

import json
import sys

import numpy as np
import openvino as ov

BATCH = 50
# Layers that compute nothing.
SILENT = ("Const", "Input", "Output")


def layers_of(compiled):
    for op in compiled.get_runtime_model().get_ops():
        info = op.get_rt_info()
        text = lambda key: info[key].astype(str) if key in info else ""
        layer = {"type": text("layerType"), "precision": text("runtimePrecision"), "nodes": text("originalLayersNames")}
        if layer["type"] not in SILENT:
            yield layer


def main(model_path, samples_path, output_path, shape):
    core = ov.Core()
    # Elsewhere float layers may be bfloat16, where the processor has it: what is compared are the integer layers.
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model_path), "CPU", hints)
    samples = np.fromfile(samples_path, np.float32).reshape(-1, *map(int, shape.split(",")))
    outputs = [compiled(samples[at : at + BATCH])[0] for at in range(0, len(samples), BATCH)]
    np.concatenate(outputs).astype(np.float32).tofile(output_path)
    print(json.dumps({"version": ov.__version__, "layers": list(layers_of(compiled))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
