"""Prints what ml_dtypes makes of every bit pattern of the small floating-point types: {type: [repr, ...]} as JSON."""

import json

import ml_dtypes
import numpy as np

TYPES = {
    "float16": (np.float16, 16),
    "bfloat16": (ml_dtypes.bfloat16, 16),
    "float8e4m3fn": (ml_dtypes.float8_e4m3fn, 8),
    "float8e4m3fnuz": (ml_dtypes.float8_e4m3fnuz, 8),
    "float8e5m2": (ml_dtypes.float8_e5m2, 8),
    "float8e5m2fnuz": (ml_dtypes.float8_e5m2fnuz, 8),
    "float8e8m0": (ml_dtypes.float8_e8m0fnu, 8),
    "float6e2m3": (ml_dtypes.float6_e2m3fn, 6),
    "float6e3m2": (ml_dtypes.float6_e3m2fn, 6),
    "float4e2m1": (ml_dtypes.float4_e2m1fn, 4),
}


def decode_all(dtype, bits):
    container = np.uint16 if bits == 16 else np.uint8
    values = np.arange(2**bits, dtype=container).view(dtype).astype(np.float64)
    return [repr(float(value)) for value in values]


print(json.dumps({name: decode_all(*kind) for name, kind in TYPES.items()}))
