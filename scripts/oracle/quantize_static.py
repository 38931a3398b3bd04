"""Compares quantized models with their sources: how far they are, and how far what quantize_static makes of it is.

    python quantize_static.py FOLDER NAME ...        (needs numpy, onnx, onnxruntime)

For each NAME it reads FOLDER/NAME.onnx, FOLDER/NAME.npz (samples first) and FOLDER/NAME.quantized.onnx, and prints a
line of JSON: the SQNR in dB of the first float output over all samples, "own" of the quantized model and "static" of
onnxruntime.quantization.quantize_static (QDQ, per channel, uint8 activations, int8 weights, MinMax) with these samples;
null where quantize_static or its model fails, with the "reason".
"""

import json
import logging
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

logging.disable(logging.CRITICAL)
ort.set_default_logger_severity(4)


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feeds_of(model, arrays):
    """One feed per sample: an array of the input's own rank has samples in its first dimension, any other before it."""
    ranks = {each.name: len(each.shape) for each in session(model).get_inputs()}
    count = len(next(iter(arrays.values())))
    return [
        {name: values[i : i + 1] if values.ndim == ranks[name] else np.asarray(values[i]) for name, values in arrays.items()}
        for i in range(count)
    ]


class Reader(CalibrationDataReader):
    def __init__(self, feeds):
        self.feeds = iter(feeds)

    def get_next(self):
        return next(self.feeds, None)


def outputs_of(path, feeds, name):
    running = session(path)
    return np.concatenate([running.run([name], feed)[0].ravel() for feed in feeds]).astype(np.float64)


def decibels(expected, found):
    noise = np.sum((expected - found) ** 2)
    if not np.isfinite(noise):
        return None
    return 200.0 if noise == 0 else float(10 * np.log10(np.sum(expected**2) / noise))


def compare(folder, name):
    model = folder / f"{name}.onnx"
    with np.load(folder / f"{name}.npz") as arrays:
        feeds = feeds_of(model, dict(arrays))
    output = next(each.name for each in session(model).get_outputs() if each.type == "tensor(float)")
    expected = outputs_of(model, feeds, output)
    own = decibels(expected, outputs_of(folder / f"{name}.quantized.onnx", feeds, output))
    found = {"name": name, "own": own, "static": None}
    with tempfile.TemporaryDirectory() as scratch:
        target = pathlib.Path(scratch) / "static.onnx"
        try:
            quantize_static(
                str(model),
                str(target),
                Reader(feeds),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            found["static"] = decibels(expected, outputs_of(target, feeds, output))
        except Exception as error:  # whatever it fails with is its result
            found["reason"] = f"{type(error).__name__}: {error}".split("\n")[0][:200]
    return found


if __name__ == "__main__":
    for each in sys.argv[2:]:
        print(json.dumps(compare(pathlib.Path(sys.argv[1]), each)), flush=True)
