"""Loads a model with onnx.load and prints its initializers as JSON: [name, type, dims, base64 of raw data, offset].

    python external_data.py write FOLDER   writes FOLDER/model.onnx with external data, as onnx itself does it
    python external_data.py read MODEL
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write(folder):
    weights = [
        numpy_helper.from_array(np.arange(600, dtype=np.float32).reshape(20, 30), "a"),
        numpy_helper.from_array(np.arange(7, dtype=np.int64), "small"),
        numpy_helper.from_array(np.arange(2000, dtype=np.uint8), "b"),
    ]
    value = helper.make_tensor_value_info("a", TensorProto.FLOAT, [20, 30])
    model = helper.make_model(helper.make_graph([], "g", [], [value], weights), ir_version=10)
    onnx.save(model, Path(folder, "model.onnx"), save_as_external_data=True, location="weights.bin", size_threshold=1000)


def read(path):
    onnx.checker.check_model(path)
    places = {}
    for tensor in onnx.load(path, load_external_data=False).graph.initializer:
        places[tensor.name] = {entry.key: entry.value for entry in tensor.external_data}
    rows = [
        [t.name, t.data_type, list(t.dims), base64.b64encode(t.raw_data).decode(), places[t.name]]
        for t in onnx.load(path).graph.initializer
    ]
    print(json.dumps(rows))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2])
