"""Compares models before and after a round trip, under Python's onnx.

    python compare_models.py BEFORE AFTER

Both are containers as scripts/fixtures/backend_suite.py describes. A model passes when both are equal as protobuf
messages after the data of every tensor has been moved to raw_data (tensor values are what must survive, not the
field that holds them), and when onnx.checker accepts the second if it accepts the first. Prints one JSON line:
{"compared": n, "checked": n, "refused": n, "failures": [[name, reason], ...]}
"""

import gzip
import json
import struct
import sys
from pathlib import Path

import onnx
from google.protobuf.message import Message
from onnx import TensorProto, numpy_helper

DATA_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def read_container(path):
    content = gzip.decompress(Path(path).read_bytes())
    (header_length,) = struct.unpack_from("<I", content)
    index = json.loads(content[4 : 4 + header_length])
    at, models = 4 + header_length, {}
    for name, length in index["models"]:
        models[name] = content[at : at + length]
        at += length
    return models


def move_data_to_raw(tensor):
    """By onnx's own reading of the typed fields."""
    if tensor.data_type == TensorProto.STRING or tensor.data_location == TensorProto.EXTERNAL:
        return
    if not tensor.HasField("raw_data"):
        array = numpy_helper.to_array(tensor)
        tensor.raw_data = numpy_helper.from_array(array).raw_data if array.size else b""
    for field in DATA_FIELDS:
        tensor.ClearField(field)
    tensor.ClearField("data_location")


def visit(message):
    if isinstance(message, TensorProto):
        move_data_to_raw(message)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in [value] if isinstance(value, Message) else value:
            visit(inner)


def first_difference(a, b, path=""):
    """Where two messages first differ, for a readable failure."""
    for field in a.DESCRIPTOR.fields:
        here = f"{path}.{field.name}"
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, Message):
            if a.HasField(field.name) != b.HasField(field.name):
                return f"{here}: present {a.HasField(field.name)} / {b.HasField(field.name)}"
            if left != right:
                return first_difference(left, right, here)
        elif hasattr(left, "__len__") and not isinstance(left, (str, bytes)):
            if len(left) != len(right):
                return f"{here}: {len(left)} / {len(right)} entries"
            for i, (x, y) in enumerate(zip(left, right)):
                if x != y:
                    at = f"{here}[{i}]"
                    return first_difference(x, y, at) if isinstance(x, Message) else f"{at}: {x!r} / {y!r}"
        elif field.has_presence and a.HasField(field.name) != b.HasField(field.name):
            return f"{here}: present {a.HasField(field.name)} / {b.HasField(field.name)}"
        elif left != right and not (left != left and right != right):
            return f"{here}: {left!r:.80} / {right!r:.80}"
    return f"{path}: unknown fields"


def same_bits(message):
    """NaN attributes make equal messages unequal; deterministic bytes decide."""
    return message.SerializeToString(deterministic=True)


def accepts(model):
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the checker raises several kinds
        return str(error)
    return None


def main(before, after):
    result = {"compared": 0, "checked": 0, "refused": 0, "failures": []}
    originals, copies = read_container(before), read_container(after)
    for name, data in originals.items():
        if name not in copies:
            result["failures"].append([name, "missing"])
            continue
        original, copy = onnx.load_model_from_string(data), onnx.load_model_from_string(copies[name])
        refusal, later = accepts(original), accepts(copy)
        visit(original)
        visit(copy)
        if original != copy and same_bits(original) != same_bits(copy):
            result["failures"].append([name, first_difference(original, copy)])
        if refusal is None and later is not None:
            result["failures"].append([name, f"checker: {later:.300}"])
        result["compared"] += 1
        result["checked" if refusal is None else "refused"] += 1
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:3])
