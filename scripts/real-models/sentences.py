"""Sentences out of the documentation strings of Python's standard library, as token ids and masks for an encoder.

usage: sentences.py MODEL_FOLDER OUT.npz COUNT [SKIP]

MODEL_FOLDER: a tokenizer as transformers reads it. COUNT sentences in an order that a hash gives, after SKIP others.
Needs transformers and numpy.
"""
import ast
import hashlib
import re
import sys
import sysconfig
from pathlib import Path

import numpy as np


def sentences():
    found = set()
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        if "site-packages" in path.parts or "test" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_text())
        except (SyntaxError, ValueError):
            continue
        nodes = (node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)))
        for text in filter(None, (ast.get_docstring(node) for node in nodes)):
            parts = (re.sub(r"\s+", " ", part).strip() for part in re.split(r"(?<=[.!?])\s|\n\n", text))
            found.update(part for part in parts if 20 < len(part) < 220 and part[0].isupper())
    return sorted(found, key=lambda text: hashlib.sha256(text.encode()).digest())


def main():
    from transformers import AutoTokenizer

    folder, out, count, skip = sys.argv[1], sys.argv[2], int(sys.argv[3]), int((sys.argv + ["0"])[4])
    picked = sentences()[skip : skip + count]
    if len(picked) < count:
        raise SystemExit(f"only {len(picked)} sentences are left after {skip}")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(picked, padding="max_length", truncation=True, max_length=48, return_tensors="np")
    ids, mask = tokens["input_ids"].astype(np.int64), tokens["attention_mask"].astype(np.int64)
    np.savez(out, input_ids=ids, attention_mask=mask)


if __name__ == "__main__":
    main()
