"""PyTorch quantization-aware training of the same network, as the other side of the benchmark.

Reads an artifact directory (eval_model.onnx, checkpoint.safetensors, manifest.json), builds the same graph out of
PyTorch operators with the same quantizers as learned-scale fake quantizers (torch._fake_quantize_learnable_*),
every weight, bias, scale and zero point training, and serves timing requests, one JSON line each, on standard
input: {"do": "forward" | "step" | "nothing"}. SGD with momentum, as on our side.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper


def read_safetensors(path):
    blob = Path(path).read_bytes()
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    types = {"F32": np.float32, "I8": np.int8, "I64": np.int64, "U8": np.uint8, "I32": np.int32, "F64": np.float64}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = blob[8 + size + begin : 8 + size + end]
        tensors[name] = np.frombuffer(raw, types[entry["dtype"]]).reshape(entry["shape"]).copy()
    return tensors


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def spatial_pads(attrs, rank):
    pads = attrs.get("pads", [0] * (2 * rank))
    begin, end = pads[:rank], pads[rank:]
    if list(begin) != list(end):
        raise SystemExit(f"asymmetric pads {pads} are not in this benchmark's reach")
    return list(begin)


class QatNetwork(torch.nn.Module):
    """The forward of an artifact's eval model, as a list of PyTorch calls."""

    def __init__(self, graph, manifest, state, source_outputs):
        super().__init__()
        self.parameters_by_name = {}
        self.steps = []
        self.outputs = source_outputs
        constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        weights = {w["codes"]: w for w in manifest["weights"]}
        activations = {a["scale"]: a for a in manifest["activations"]}
        self.constants = {n: torch.from_numpy(np.array(v)) for n, v in constants.items()}
        self._read_plain_biases(graph)
        producers = {o: n for n in graph.node for o in n.output}
        wanted = self._needed(producers)
        for node in graph.node:
            if not any(o in wanted for o in node.output):
                continue
            self._add(node, attributes(node), weights, activations, state, producers)
        for name, value in state.items():
            if name in {p["input"] for p in manifest["parameters"]}:
                self._parameter(name, value)

    @staticmethod
    def _read_plain_biases(graph):
        """PyTorch's QAT does not round biases to the deployed model's steps, and need not pay for it."""
        for node in graph.node:
            for index, name in enumerate(node.input):
                if name.endswith(".snapped"):
                    node.input[index] = name.removesuffix(".snapped")

    def _needed(self, producers):
        needed, stack = set(), list(self.outputs)
        while stack:
            name = stack.pop()
            if name in needed:
                continue
            needed.add(name)
            if name in producers:
                stack.extend(i for i in producers[name].input if i)
        return needed

    def _parameter(self, name, value):
        if name not in self.parameters_by_name:
            parameter = torch.nn.Parameter(torch.from_numpy(np.array(value, np.float32)))
            self.parameters_by_name[name] = parameter
            self.register_parameter(name.replace(".", "|"), parameter)
        return self.parameters_by_name[name]

    def _add(self, node, attrs, weights, activations, state, producers):
        op, inputs, output = node.op_type, list(node.input), node.output[0]
        if op == "DequantizeLinear" and inputs[0] in weights:
            entry = weights[inputs[0]]
            codes, scale = state[entry["codes"]].astype(np.float32), state[entry["scale"]]
            shape = [1] * codes.ndim
            shape[entry["axis"]] = -1
            latent = self._parameter(entry["codes"], codes * scale.reshape(shape))
            scales = self._parameter(entry["scale"], scale)
            zero = torch.zeros(len(scale))
            axis, qmin, qmax = entry["axis"], entry["qmin"], entry["qmax"]
            self.steps.append(
                (output, lambda v: torch._fake_quantize_learnable_per_channel_affine(latent, scales, zero, axis, qmin, qmax, 1.0))
            )
        elif op == "QuantizeLinear" and inputs[1] in activations:
            self.steps.append((output, lambda v, x=inputs[0]: self._get(v, x)))
        elif op == "Clip" and output in producers and producers.get(inputs[0]) is not None and producers[inputs[0]].op_type == "QuantizeLinear":
            self.steps.append((output, lambda v, x=inputs[0]: self._get(v, x)))
        elif op == "DequantizeLinear" and inputs[1] in activations:
            entry = activations[inputs[1]]
            scale = self._parameter(entry["scale"], state[entry["scale"]].reshape(1))
            zero = self._parameter(entry["zeroPoint"], state[entry["zeroPoint"]].reshape(1))
            qmin, qmax = entry["qmin"], entry["qmax"]
            self.steps.append(
                (output, lambda v, x=inputs[0]: torch._fake_quantize_learnable_per_tensor_affine(self._get(v, x), scale, zero, qmin, qmax, 1.0))
            )
        elif op == "Round" or (op in ("Cast", "Clip") and "zero_point" in inputs[0]):
            return  # how the graph makes a zero point an integer; the fake quantizer above does it itself
        else:
            self.steps.append((output, self._operator(node, op, inputs, attrs)))

    def _operator(self, node, op, inputs, attrs):
        get = self._get
        x = inputs[0]
        if op == "Conv":
            rank = len(attrs["kernel_shape"])
            conv = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[rank]
            kwargs = {
                "stride": attrs.get("strides", [1] * rank),
                "padding": spatial_pads(attrs, rank),
                "dilation": attrs.get("dilations", [1] * rank),
                "groups": attrs.get("group", 1),
            }
            bias = inputs[2] if len(inputs) > 2 and inputs[2] else None
            return lambda v: conv(get(v, x), get(v, inputs[1]), get(v, bias), **kwargs)
        if op == "Gemm":
            transposed = attrs.get("transB", 0)
            bias = inputs[2] if len(inputs) > 2 else None
            def gemm(v):
                weight = get(v, inputs[1])
                return F.linear(get(v, x), weight if transposed else weight.t(), get(v, bias))
            return gemm
        if op == "Clip":
            low = get({}, inputs[1]) if len(inputs) > 1 and inputs[1] else None
            high = get({}, inputs[2]) if len(inputs) > 2 and inputs[2] else None
            return lambda v: torch.clamp(get(v, x), low, high)
        if op == "MaxPool":
            kernel = attrs["kernel_shape"]
            padding, stride = spatial_pads(attrs, len(kernel)), attrs.get("strides", [1] * len(kernel))
            return lambda v: F.max_pool2d(get(v, x), kernel, stride, padding)
        if op == "ReduceMean":
            axes = attrs.get("axes") or self.constants[inputs[1]].tolist()
            return lambda v: get(v, x).mean(dim=list(axes), keepdim=bool(attrs.get("keepdims", 1)))
        if op == "Reshape":
            sizes = lambda v: enumerate(get(v, inputs[1]).tolist())
            return lambda v: get(v, x).reshape([get(v, x).shape[i] if d == 0 else d for i, d in sizes(v)])
        if op == "LayerNormalization":
            bias = inputs[2] if len(inputs) > 2 and inputs[2] else None
            epsilon = attrs.get("epsilon", 1e-5)
            return lambda v: F.layer_norm(get(v, x), get(v, inputs[1]).shape, get(v, inputs[1]), get(v, bias), epsilon)
        if op == "Gelu":
            approximate = attrs.get("approximate", b"none").decode()
            return lambda v: F.gelu(get(v, x), approximate=approximate)
        if op in ("Squeeze", "Unsqueeze"):
            return self._reranked(op, inputs)
        if op == "Slice":
            return self._slice(inputs)
        if op == "Gather":
            axis = attrs.get("axis", 0)
            index = self.constants[inputs[1]].long()
            return lambda v: get(v, x).index_select(axis, index.reshape(-1)).reshape(
                [*get(v, x).shape[:axis], *index.shape, *get(v, x).shape[axis % get(v, x).dim() + 1 :]]
            )
        if op == "Expand":
            shape = lambda v: torch.broadcast_shapes(get(v, x).shape, get(v, inputs[1]).tolist())
            return lambda v: torch.broadcast_to(get(v, x), shape(v))
        if op == "Shape":
            return lambda v: torch.tensor(get(v, x).shape)[attrs.get("start", 0) : attrs.get("end")]
        if op == "ConstantOfShape":
            value = torch.from_numpy(numpy_helper.to_array(attrs["value"]).copy()) if "value" in attrs else torch.zeros(1)
            return lambda v: value.expand(get(v, x).tolist())
        if op == "Cast":
            kind = torch.from_numpy(np.zeros(0, onnx.helper.tensor_dtype_to_np_dtype(attrs["to"]))).dtype
            return lambda v: get(v, x).to(kind)
        simple = {
            "Relu": lambda v: F.relu(get(v, x)),
            "Erf": lambda v: torch.erf(get(v, x)),
            "Tanh": lambda v: torch.tanh(get(v, x)),
            "Sqrt": lambda v: torch.sqrt(get(v, x)),
            "Add": lambda v: get(v, x) + get(v, inputs[1]),
            "Sub": lambda v: get(v, x) - get(v, inputs[1]),
            "Mul": lambda v: get(v, x) * get(v, inputs[1]),
            "Div": lambda v: get(v, x) / get(v, inputs[1]),
            "Pow": lambda v: torch.pow(get(v, x), get(v, inputs[1])),
            "MatMul": lambda v: torch.matmul(get(v, x), get(v, inputs[1])),
            "Equal": lambda v: get(v, x) == get(v, inputs[1]),
            "Where": lambda v: torch.where(get(v, x), get(v, inputs[1]), get(v, inputs[2])),
            "Softmax": lambda v: torch.softmax(get(v, x), attrs.get("axis", -1)),
            "Transpose": lambda v: get(v, x).permute(attrs["perm"]),
            "Concat": lambda v: torch.cat([get(v, each) for each in inputs], attrs["axis"]),
            "HardSwish": lambda v: F.hardswish(get(v, x)),
            "HardSigmoid": lambda v: torch.clamp(get(v, x) * attrs.get("alpha", 0.2) + attrs.get("beta", 0.5), 0, 1),
            "Sigmoid": lambda v: torch.sigmoid(get(v, x)),
            "GlobalAveragePool": lambda v: get(v, x).mean(dim=(2, 3), keepdim=True),
            "Flatten": lambda v: get(v, x).flatten(1),
            "Identity": lambda v: get(v, x),
        }
        if op not in simple:
            raise SystemExit(f"the PyTorch side of the benchmark lacks {op} (node {node.name})")
        return simple[op]

    def _reranked(self, op, inputs):
        get, x, axes = self._get, inputs[0], self.constants[inputs[1]].tolist()
        if op == "Squeeze":
            return lambda v: get(v, x).squeeze(tuple(axes))
        (axis,) = axes
        return lambda v: get(v, x).unsqueeze(axis)

    def _slice(self, inputs):
        get, x = self._get, inputs[0]
        starts, ends = (self.constants[name].tolist() for name in inputs[1:3])
        axes = self.constants[inputs[3]].tolist() if len(inputs) > 3 and inputs[3] else range(len(starts))
        steps = self.constants[inputs[4]].tolist() if len(inputs) > 4 and inputs[4] else [1] * len(starts)

        def cut(v):
            value = get(v, x)
            index = [slice(None)] * value.dim()
            for start, end, axis, step in zip(starts, ends, axes, steps):
                index[axis] = slice(start, end if abs(end) < 2**31 - 1 else None, step)
            return value[tuple(index)]

        return cut

    def _get(self, values, name):
        if name is None:
            return None
        if name in values:
            return values[name]
        if name in self.parameters_by_name:
            return self.parameters_by_name[name]
        return self.constants[name]

    def forward(self, inputs):
        values = dict(inputs)
        for name, call in self.steps:
            values[name] = call(values)
        return [values[name] for name in self.outputs]


def peak_memory():
    """Largest resident memory so far; getrusage would count that of the process that started this one."""
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    manifest = json.loads((arguments.artifact / "manifest.json").read_text())
    model = onnx.load(arguments.artifact / "eval_model.onnx")
    state = read_safetensors(arguments.artifact / "checkpoint.safetensors")
    outputs = [o.name for o in model.graph.output if o.name != "loss"]
    network = QatNetwork(model.graph, manifest, state, outputs)
    targets = {t["name"] for t in manifest["targets"]}
    fed = set(state) | targets
    inputs = {}
    for value in model.graph.input:
        if value.name in fed or value.name.endswith(".rows"):
            continue
        inputs[value.name] = torch.randn([d.dim_value or manifest["batch"] for d in value.type.tensor_type.shape.dim])
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9)
    with torch.no_grad():
        labels = network(inputs)[0].argmax(1)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(network(inputs)[0], labels)
        loss.backward()
        optimizer.step()

    def forward():
        with torch.no_grad():
            F.cross_entropy(network(inputs)[0], labels)

    print(json.dumps({"ready": True, "torch": torch.__version__, "parameters": len(network.parameters_by_name)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)["do"]
        start = time.perf_counter()
        if request == "step":
            step()
        elif request == "forward":
            forward()
        reply = {
            "ms": (time.perf_counter() - start) * 1000,
            "peakBytes": peak_memory(),
            "processorMs": time.process_time() * 1000,
        }
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
