"""PyTorch's weight gradient of depthwise convolutions, as the other side of the benchmark of ours.

Serves timing requests, one JSON line each, on standard input: {"images", "channels", "size", "kernel", "stride",
"rounds", "apart"}. Rounds take turns among copies of the operands, so that "apart" bytes lie between two with the same. The
reply is the median of the rounds after the first.
"""

import argparse
import json
import statistics
import sys
import time

import torch


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    operands = {}
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        channels, size, kernel, stride = (request[name] for name in ("channels", "size", "kernel", "stride"))
        if line not in operands:
            operands.clear()
            x = torch.rand(request["images"], channels, size, size)
            w = torch.rand(channels, 1, kernel, kernel)
            y = torch.nn.functional.conv2d(x, w, stride=stride, padding=kernel // 2, groups=channels)
            dy = torch.rand_like(y)
            count = min(request["rounds"] + 1, request["apart"] // (x.nbytes + dy.nbytes) + 2)
            operands[line] = ([(dy.clone(), x.clone()) for _ in range(count)], w)
        copies, w = operands[line]
        taken = []
        for index in range(request["rounds"] + 1):
            dy, x = copies[index % len(copies)]
            start = time.perf_counter()
            torch.ops.aten.convolution_backward(
                dy, x, w, None, [stride] * 2, [kernel // 2] * 2, [1, 1], False, [0, 0], channels, [False, True, False]
            )
            taken.append(time.perf_counter() - start)
        print(json.dumps({"ms": statistics.median(taken[1:]) * 1000}), flush=True)


if __name__ == "__main__":
    main()
