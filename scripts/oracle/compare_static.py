"""Compares files of one float model on Fashion-MNIST: the float one, quantize_static's, and others that are given.

    python compare_static.py FLOAT.onnx FASHION_FOLDER NAME=FILE.onnx ...        (needs numpy, onnx, onnxruntime)

quantize_static of onnxruntime.quantization: QDQ, per channel, uint8 activations, int8 weights, MinMax, 512 training images
at regular distances, after its own quant_pre_process. Prints top-1 on the 10,000 test images, the share of images with
the float model's class, the file's size, and the latency of one image and of 32 on one thread: the median of 30 rounds
in which all files take turns, with quartiles.
"""

import gzip
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

ort.set_default_logger_severity(4)
mean, std = 0.286, 0.353
rounds = 30


def read(path):
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    dims = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(dims)


def images(folder, part):
    pixels = read(folder / f"{part}-images-idx3-ubyte.gz").astype(np.float32)[:, None] / 255
    return ((pixels - mean) / std).astype(np.float32)


class Reader(CalibrationDataReader):
    def __init__(self, name, samples):
        self.feeds = iter([{name: samples[i : i + 32]} for i in range(0, len(samples), 32)])

    def get_next(self):
        return next(self.feeds, None)


def open_session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def classes(session, samples):
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: samples[i : i + 500]})[0] for i in range(0, len(samples), 500)]
    return np.concatenate(parts).argmax(1)


def latencies(sessions, sample):
    times = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            feed = {session.get_inputs()[0].name: sample}
            session.run(None, feed)
            start = time.perf_counter()
            for _ in range(10):
                session.run(None, feed)
            times[name].append((time.perf_counter() - start) * 100)
    return {name: statistics.quantiles(values, n=4) for name, values in times.items()}


def main():
    source, folder, *others = sys.argv[1:]
    folder = pathlib.Path(folder)
    train, test = images(folder, "train"), images(folder, "t10k")
    labels = read(folder / "t10k-labels-idx1-ubyte.gz")
    with tempfile.TemporaryDirectory() as temporary:
        prepared, static = f"{temporary}/prepared.onnx", f"{temporary}/static.onnx"
        quant_pre_process(source, prepared)
        reader = Reader(open_session(source).get_inputs()[0].name, train[:: len(train) // 512][:512])
        quantize_static(
            prepared, static, reader, quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
        files = {"float": source, "quantize_static": static, **dict(each.split("=", 1) for each in others)}
        sessions = {name: open_session(path) for name, path in files.items()}
        one, many = (latencies(sessions, test[:count]) for count in (1, 32))
        found = {name: classes(session, test) for name, session in sessions.items()}
        print(f"{'file':<24} {'top-1':>8} {'as float':>9} {'size':>9} {'1 image, ms':>22} {'32 images, ms':>22}")
        for name, path in files.items():
            figures = [f"{values[1]:.3f} ({values[0]:.3f}-{values[2]:.3f})" for values in (one[name], many[name])]
            top1, same = (np.mean(found[name] == other) * 100 for other in (labels, found["float"]))
            size = pathlib.Path(path).stat().st_size / 1e3
            print(f"{name:<24} {top1:>7.2f}% {same:>8.2f}% {size:>6.0f} kB {figures[0]:>22} {figures[1]:>22}")


main()
