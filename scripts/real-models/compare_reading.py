"""How many of the characters that a float text recogniser reads its quantized files read, on lines that no one trained on.

    python compare_reading.py lines OUT.npz COUNT SEED                   renders lines in five fonts, as the models take them
    python compare_reading.py read FLOAT.onnx LINES.npz FILE.onnx ...    a row per file: characters kept, lines read alike

Reading is greedy: the class of every step, repeats and blanks (class 0) left out. Characters kept: 1 - edit distance to the
float model's reading / its length, over all lines. Needs numpy, onnxruntime, pillow and the fonts of text_lines.py.
"""

import sys

import numpy as np
import onnxruntime as ort

from text_lines import render_lines


def reading(path, lines):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    texts = []
    for line in lines:
        steps = session.run(None, {name: line[None]})[0][0].argmax(-1)
        kept = steps[np.insert(steps[1:] != steps[:-1], 0, True)]
        texts.append(kept[kept != 0].tolist())
    return texts


def distance(a, b):
    """Insertions, deletions and replacements (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def main(command, *rest):
    if command == "lines":
        path, count, seed = rest
        lines = np.stack(render_lines(int(count), 48, 320, seed=int(seed)))
        np.savez(path, x=((lines - 0.5) / 0.5).astype(np.float32))
        return
    source, data, *files = rest
    lines = np.load(data)["x"]
    expected = reading(source, lines)
    total = sum(map(len, expected))
    print(f"{len(lines)} lines, {total} characters read by the float model")
    for path in files:
        found = reading(path, lines)
        kept = 1 - sum(map(distance, expected, found)) / total
        alike = np.mean([a == b for a, b in zip(expected, found)])
        print(f"{path}: {100 * kept:.2f} % of the characters, {100 * alike:.1f} % of the lines alike")


main(*sys.argv[1:])
