"""Loads encodings that `efqat encodings` wrote into AIMET's simulation and compares what its quantizers then have.

    python aimet_encodings.py FLOAT.onnx ENCODINGS.json        (needs aimet-onnx, in an environment of its own)

Prints how many quantizers have the scale, offset and bit width of the file, and those that do not; ends with 1 where there are
such. Takes the formats 0.6.1 and 1.0.0.
"""

import json
import sys

import onnx
from aimet_onnx.quantsim import QuantizationSimModel, load_encodings_to_sim


def entries(encodings):
    """Name and [(scale, offset, bits)] of every entry of either format."""
    if isinstance(encodings, dict):
        for name, listed in encodings.items():
            yield name, [(each["scale"], each["offset"], each["bitwidth"]) for each in listed]
    else:
        for each in encodings:
            yield each["name"], [(scale, offset, each["bw"]) for scale, offset in zip(each["scale"], each["offset"])]


def alike(found, wanted):
    return len(found) == len(wanted) and all(
        abs(a[0] / b[0] - 1) < 1e-5 and a[1:] == b[1:] for a, b in zip(found, wanted)
    )


source, path = sys.argv[1:]
simulation = QuantizationSimModel(onnx.load(source), param_type="int8", activation_type="int8")
load_encodings_to_sim(simulation, path, strict=False)
with open(path, encoding="utf-8") as file:
    written = json.load(file)
equal, others = 0, []
for kind in ("activation_encodings", "param_encodings"):
    for name, wanted in entries(written[kind]):
        quantizer = simulation.qc_quantize_op_dict.get(name)
        encodings = quantizer.get_encodings() if quantizer is not None and quantizer.enabled else None
        found = [(each.delta, each.offset, each.bw) for each in encodings or []]
        if alike(found, wanted):
            equal += 1
        else:
            others.append((kind, name, found[:2], wanted[:2]))
print(f"{equal} of {equal + len(others)} quantizers are as the file has them")
for other in others:
    print(*other)
sys.exit(1 if others else 0)
