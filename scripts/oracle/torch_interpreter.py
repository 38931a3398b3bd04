"""Runs an ONNX graph with PyTorch operators, so that autograd gives the gradients of any value.

The oracle of the gradient tests: it shares nothing with the product but the ONNX graph. Fake quantizers
(QuantizeLinear -> Clip on the codes -> DequantizeLinear) are differentiated by autograd through the usual
straight-through expression: the code is rounded exactly as ONNX does, its gradient is that of
clamp(x, (qmin - z)*s, (qmax - z)*s)/s + z, bounds included.

As a program: torch_interpreter.py MODEL.onnx FEEDS.npz OUT.npz --loss NAME --wrt NAME... [--weight 'CODES|SCALE|ROWS']
"""

import argparse
import math

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

from torch_layers import LayerOperators
from torch_recurrent import RecurrentOperators
from torch_sampling import SamplingOperators
from torch_values import ValueOperators

LIMITS = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}
TYPES = {
    onnx.TensorProto.FLOAT: torch.float32,
    onnx.TensorProto.DOUBLE: torch.float64,
    onnx.TensorProto.INT64: torch.int64,
    onnx.TensorProto.INT32: torch.int32,
    onnx.TensorProto.INT8: torch.int8,
    onnx.TensorProto.UINT8: torch.uint8,
    onnx.TensorProto.BOOL: torch.bool,
}


class Codes:
    """Integer codes that remember what they were quantized from, so that DequantizeLinear can pass gradients."""

    def __init__(self, codes, x, scale, zero, qmin, qmax):
        self.codes, self.x, self.scale, self.zero, self.qmin, self.qmax = codes, x, scale, zero, qmin, qmax

    def clipped(self, low, high):
        qmin = self.qmin if low is None else max(self.qmin, int(low))
        qmax = self.qmax if high is None else min(self.qmax, int(high))
        return Codes(self.codes.clamp(qmin, qmax), self.x, self.scale, self.zero, qmin, qmax)

    def dequantized(self):
        low = (self.qmin - self.zero) * self.scale
        high = (self.qmax - self.zero) * self.scale
        smooth = torch.minimum(torch.maximum(self.x, low), high)
        inside = (self.x >= low) & (self.x <= high)
        smooth = torch.where(inside, self.x, smooth) / self.scale + self.zero
        through = smooth + (self.codes.to(smooth.dtype) - smooth).detach()
        return (through - self.zero) * self.scale


class Interpreter(LayerOperators, RecurrentOperators, SamplingOperators, ValueOperators):
    """Evaluates the nodes of a model whose values are PyTorch tensors.

    dtype: the float type of all arithmetic; rounding to codes is done in float32, as ONNX Runtime does it.
    """

    def __init__(self, model, dtype=torch.float32):
        self.model = model
        self.dtype = dtype
        self.opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))

    def run(self, feeds, replaced=None):
        """All values by name. `feeds`: numpy arrays or tensors; `replaced`: values that stand in for inner ones."""
        self.values = {"": None}
        for tensor in self.model.graph.initializer:
            self.values[tensor.name] = self.tensor(numpy_helper.to_array(tensor))
        for name, value in feeds.items():
            self.values[name] = self.tensor(value)
        self.values.update(replaced or {})
        self.evaluate(self.model.graph.node, replaced)
        return self.values

    def evaluate(self, nodes, replaced=None):
        """Computes nodes in turn, those whose outputs are all replaced left out."""
        for node in nodes:
            if node.domain not in ("", "ai.onnx"):
                raise NotImplementedError(f"{node.domain}.{node.op_type}")
            if all(name == "" or name in (replaced or {}) for name in node.output):
                continue
            inputs = [self.values[name] for name in node.input]
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            outputs = getattr(self, "op_" + node.op_type)(node, attributes, *inputs)
            outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
            for name, value in zip(node.output, outputs):
                if name not in (replaced or {}):
                    self.values[name] = value

    def tensor(self, value):
        if not isinstance(value, torch.Tensor):
            array = np.asarray(value)
            value = torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape).copy())
        return value.to(self.dtype) if value.is_floating_point() else value

    # Elementwise

    def op_Add(self, node, a, x, y):
        return x + y

    def op_Sub(self, node, a, x, y):
        return x - y

    def op_Mul(self, node, a, x, y):
        return x * y

    def op_Div(self, node, a, x, y):
        return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")

    def op_Pow(self, node, a, x, y):
        return torch.pow(x, y.to(x.dtype))

    def op_Max(self, node, a, *xs):
        return self.fold(torch.maximum, xs)

    def op_Min(self, node, a, *xs):
        return self.fold(torch.minimum, xs)

    def op_Sum(self, node, a, *xs):
        return self.fold(torch.add, xs)

    def op_Mean(self, node, a, *xs):
        return self.fold(torch.add, xs) / len(xs)

    def fold(self, function, xs):
        result = xs[0]
        for x in xs[1:]:
            result = function(result, x)
        return result

    def op_Where(self, node, a, condition, x, y):
        return torch.where(condition, x, y)

    def op_Equal(self, node, a, x, y):
        return x == y

    def op_Greater(self, node, a, x, y):
        return x > y

    def op_Less(self, node, a, x, y):
        return x < y

    def op_Not(self, node, a, x):
        return ~x

    def op_And(self, node, a, x, y):
        return x & y

    def op_Neg(self, node, a, x):
        return -x

    def op_Abs(self, node, a, x):
        return x.abs()

    def op_Exp(self, node, a, x):
        return x.exp()

    def op_Log(self, node, a, x):
        return x.log()

    def op_Sqrt(self, node, a, x):
        return x.sqrt()

    def op_Reciprocal(self, node, a, x):
        return x.reciprocal()

    def op_Erf(self, node, a, x):
        return torch.erf(x)

    def op_Round(self, node, a, x):
        return torch.round(x)

    def op_Identity(self, node, a, x):
        return x

    def op_Dropout(self, node, a, x, *rest):
        return x, torch.ones(x.shape, dtype=torch.bool)

    def op_Cast(self, node, a, x):
        kind = TYPES[a["to"]]
        return x.to(self.dtype if kind.is_floating_point else kind)

    def op_Relu(self, node, a, x):
        return F.relu(x)

    def op_LeakyRelu(self, node, a, x):
        return F.leaky_relu(x, a.get("alpha", 0.01))

    def op_PRelu(self, node, a, x, slope):
        return torch.where(x > 0, x, slope * x)

    def op_Clip(self, node, a, x, low=None, high=None):
        if isinstance(x, Codes):
            return x.clipped(low, high)
        if low is None and high is None:
            return x
        return torch.clamp(x, low, high)

    def op_Sigmoid(self, node, a, x):
        return torch.sigmoid(x)

    def op_Tanh(self, node, a, x):
        return torch.tanh(x)

    def op_HardSigmoid(self, node, a, x):
        y = a.get("alpha", 0.2) * x + a.get("beta", 0.5)
        return torch.where(y <= 0, 0.0, torch.where(y >= 1, 1.0, y))

    def op_HardSwish(self, node, a, x):
        return F.hardswish(x)

    def op_Elu(self, node, a, x):
        return F.elu(x, a.get("alpha", 1.0))

    def op_Softplus(self, node, a, x):
        return F.softplus(x)

    def op_Softsign(self, node, a, x):
        return F.softsign(x)

    def op_Softmax(self, node, a, x):
        return F.softmax(x, a.get("axis", -1))

    def op_LogSoftmax(self, node, a, x):
        return F.log_softmax(x, a.get("axis", -1))

    # Losses

    def op_SoftmaxCrossEntropyLoss(self, node, a, x, labels, weight=None):
        log_prob = F.log_softmax(x, 1)
        return self.op_NegativeLogLikelihoodLoss(node, a, log_prob, labels, weight), log_prob

    def op_NegativeLogLikelihoodLoss(self, node, a, x, labels, weight=None):
        counted = labels != a["ignore_index"] if "ignore_index" in a else torch.ones(labels.shape, dtype=torch.bool)
        places = torch.where(counted, labels.long(), 0)
        shares = counted.to(x.dtype) * (1 if weight is None else weight.detach()[places])
        losses = -x.gather(1, places.unsqueeze(1)).squeeze(1) * shares
        reduction = a.get("reduction", b"mean").decode()
        return losses if reduction == "none" else losses.sum() / (shares.sum() if reduction == "mean" else 1)

    def op_OneHot(self, node, a, indices, depth, values):
        count = int(depth.reshape(-1)[0])
        hot = F.one_hot(indices.long() % count, count).to(values.dtype)
        axis = a.get("axis", -1)
        hot = hot * (values[1] - values[0]) + values[0]
        return hot.movedim(-1, axis if axis >= 0 else axis + hot.dim())

    # Convolutions, products, pools

    def windows(self, a, spatial, kernel):
        """(strides, dilations, pads at the beginning, pads at the end), auto_pad resolved."""
        rank = len(kernel)
        strides = list(a.get("strides", [1] * rank))
        dilations = list(a.get("dilations", [1] * rank))
        pads = list(a.get("pads", [0] * 2 * rank))
        mode = a.get("auto_pad", b"NOTSET").decode()
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            totals = [
                max(0, (math.ceil(size / s) - 1) * s + d * (k - 1) + 1 - size)
                for size, s, d, k in zip(spatial, strides, dilations, kernel)
            ]
            small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
            pads = small + large if mode == "SAME_UPPER" else large + small
        elif mode == "VALID":
            pads = [0] * 2 * rank
        return strides, dilations, pads[:rank], pads[rank:]

    def padded(self, x, begin, end, value=0.0):
        widths = [w for pair in zip(reversed(begin), reversed(end)) for w in pair]
        return F.pad(x, widths, value=value) if any(widths) else x

    def op_Conv(self, node, a, x, w, bias=None):
        strides, dilations, begin, end = self.windows(a, x.shape[2:], w.shape[2:])
        function = (F.conv1d, F.conv2d, F.conv3d)[x.dim() - 3]
        return function(self.padded(x, begin, end), w, bias, strides, 0, dilations, a.get("group", 1))

    def op_Gemm(self, node, a, x, w, c=None):
        x = x.T if a.get("transA", 0) else x
        w = w.T if a.get("transB", 0) else w
        y = a.get("alpha", 1.0) * (x @ w)
        return y if c is None else y + a.get("beta", 1.0) * c

    def op_MatMul(self, node, a, x, y):
        return torch.matmul(x, y)

    def op_MaxPool(self, node, a, x):
        strides, dilations, begin, end = self.windows(a, x.shape[2:], a["kernel_shape"])
        x = self.padded(x, begin, self.ceiled(a, x, strides, dilations, begin, end), -math.inf)
        function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x.dim() - 3]
        if len(node.output) > 1:
            raise NotImplementedError("MaxPool with indices")
        return function(x, list(a["kernel_shape"]), strides, 0, dilations)

    def ceiled(self, a, x, strides, dilations, begin, end):
        """Pads at the end, with what ceil_mode's last windows reach beyond them."""
        if not a.get("ceil_mode", 0):
            return end
        result = []
        for axis, (k, s, d) in enumerate(zip(a["kernel_shape"], strides, dilations)):
            size, extent = x.shape[axis + 2], d * (k - 1) + 1
            count = math.ceil((size + begin[axis] + end[axis] - extent) / s) + 1
            if (count - 1) * s >= size + begin[axis]:
                count -= 1
            result.append(max(end[axis], (count - 1) * s + extent - size - begin[axis]))
        return result

    def op_AveragePool(self, node, a, x):
        strides, dilations, begin, end = self.windows(a, x.shape[2:], a["kernel_shape"])
        far = self.ceiled(a, x, strides, dilations, begin, end)
        counts = torch.ones_like(x[:1, :1])
        if a.get("count_include_pad", 0):
            counts = self.padded(counts, begin, end, 1.0)
            counts = self.padded(counts, [0] * len(far), [f - e for f, e in zip(far, end)])
        else:
            counts = self.padded(counts, begin, far)
        ones = torch.ones([1, 1, *a["kernel_shape"]], dtype=x.dtype)
        function = (F.conv1d, F.conv2d, F.conv3d)[x.dim() - 3]
        values = self.padded(x, begin, far)
        flat = values.reshape(-1, 1, *values.shape[2:])
        sums = function(flat, ones, None, strides, 0, dilations)
        counts = function(counts, ones, None, strides, 0, dilations)
        return (sums / counts).reshape(*x.shape[:2], *sums.shape[2:])

    def op_GlobalAveragePool(self, node, a, x):
        return x.mean(dim=list(range(2, x.dim())), keepdim=True)

    def op_GlobalMaxPool(self, node, a, x):
        flat = x.reshape(*x.shape[:2], -1)
        return F.max_pool1d(flat, flat.shape[-1]).reshape(*x.shape[:2], *[1] * (x.dim() - 2))

    # Reductions

    def axes(self, a, axes, x):
        given = a.get("axes") if axes is None else axes.tolist()
        return list(given) if given else list(range(x.dim()))

    def is_noop(self, a, axes):
        """Whether a reduction over no axes at all leaves everything as it is."""
        given = a.get("axes") if axes is None else axes.tolist()
        return not given and a.get("noop_with_empty_axes", 0) == 1

    def op_ReduceSum(self, node, a, x, axes=None):
        return x if self.is_noop(a, axes) else x.sum(self.axes(a, axes, x), keepdim=bool(a.get("keepdims", 1)))

    def op_ReduceMean(self, node, a, x, axes=None):
        return x.mean(self.axes(a, axes, x), keepdim=bool(a.get("keepdims", 1)))

    def op_ReduceMax(self, node, a, x, axes=None):
        return x.amax(self.axes(a, axes, x), keepdim=bool(a.get("keepdims", 1)))

    def op_ReduceMin(self, node, a, x, axes=None):
        return x.amin(self.axes(a, axes, x), keepdim=bool(a.get("keepdims", 1)))

    def op_ReduceSumSquare(self, node, a, x, axes=None):
        return (x * x).sum(self.axes(a, axes, x), keepdim=bool(a.get("keepdims", 1)))

    def op_ReduceL1(self, node, a, x, axes=None):
        return x.abs().sum(self.axes(a, axes, x), keepdim=bool(a.get("keepdims", 1)))

    def op_ReduceL2(self, node, a, x, axes=None):
        return (x * x).sum(self.axes(a, axes, x), keepdim=bool(a.get("keepdims", 1))).sqrt()

    def op_ReduceLogSumExp(self, node, a, x, axes=None):
        return x.logsumexp(self.axes(a, axes, x), keepdim=bool(a.get("keepdims", 1)))

    # Shapes and pieces

    def op_Shape(self, node, a, x):
        return torch.tensor(list(x.shape)[a.get("start", 0) : a.get("end")], dtype=torch.int64)

    def op_Reshape(self, node, a, x, shape):
        sizes = [x.shape[i] if n == 0 and not a.get("allowzero", 0) else n for i, n in enumerate(shape.tolist())]
        return x.reshape(tuple(sizes))

    def op_Flatten(self, node, a, x):
        axis = a.get("axis", 1)
        axis = axis + x.dim() if axis < 0 else axis
        return x.reshape(math.prod(x.shape[:axis]), -1)

    def op_Transpose(self, node, a, x):
        return x.permute(a.get("perm", list(reversed(range(x.dim())))))

    def op_Squeeze(self, node, a, x, axes=None):
        given = a.get("axes") if axes is None else axes.tolist()
        return x.squeeze() if given is None else x.squeeze(tuple(given))

    def op_Unsqueeze(self, node, a, x, axes=None):
        given = list(a["axes"] if axes is None else axes.reshape(-1).tolist())
        rank = x.dim() + len(given)
        for axis in sorted(g + rank if g < 0 else g for g in given):
            x = x.unsqueeze(axis)
        return x

    def op_Expand(self, node, a, x, shape):
        return x.expand(torch.broadcast_shapes(x.shape, shape.tolist()))

    def op_Concat(self, node, a, *xs):
        return torch.cat(xs, a["axis"])

    def op_Split(self, node, a, x, sizes=None):
        axis, count = a.get("axis", 0), len(node.output)
        parts = math.ceil(x.shape[axis] / count) if sizes is None else sizes.tolist()
        return list(torch.split(x, parts, axis))

    def op_Slice(self, node, a, x, starts, ends, axes=None, steps=None):
        axes = range(len(starts)) if axes is None else axes.tolist()
        steps = [1] * len(starts) if steps is None else steps.tolist()
        for start, end, axis, step in zip(starts.tolist(), ends.tolist(), axes, steps):
            indices = range(x.shape[axis])[slice(start, None if step < 0 and end < -x.shape[axis] else end, step)]
            x = x.index_select(axis, torch.tensor(list(indices), dtype=torch.int64))
        return x

    def op_Pad(self, node, a, x, pads, value=None, axes=None):
        widths = pads.tolist()
        axes = list(range(x.dim())) if axes is None else [axis % x.dim() for axis in axes.tolist()]
        begin, end = [0] * x.dim(), [0] * x.dim()
        for i, axis in enumerate(axes):
            begin[axis], end[axis] = widths[i], widths[i + len(axes)]
        mode = a.get("mode", b"constant").decode()
        if mode != "constant":
            return self.bordered(x, begin, end, mode)
        return self.padded(x, begin, end, 0.0 if value is None else value.item())

    def op_Gather(self, node, a, x, indices):
        axis = a.get("axis", 0) % x.dim()
        flat = indices.reshape(-1).long() % x.shape[axis]
        return x.index_select(axis, flat).reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))

    def op_GatherElements(self, node, a, x, indices):
        axis = a.get("axis", 0)
        return torch.gather(x, axis, indices.long() % x.shape[axis])

    def op_Constant(self, node, a):
        if "value" in a:
            return self.tensor(numpy_helper.to_array(a["value"]))
        name, value = next(iter(a.items()))
        return self.tensor(np.array(value, np.float32 if "float" in name else np.int64))

    def op_ConstantOfShape(self, node, a, shape):
        value = self.tensor(numpy_helper.to_array(a["value"])) if "value" in a else torch.zeros(1, dtype=self.dtype)
        return value.expand(shape.tolist())

    # Quantizers

    def op_QuantizeLinear(self, node, a, x, scale, zero=None):
        integer = torch.uint8 if zero is None else getattr(zero, "integer_type", zero.dtype)
        qmin, qmax = LIMITS[str(integer).removeprefix("torch.")]
        z = torch.zeros((), dtype=self.dtype) if zero is None else zero.to(self.dtype)
        ratio = (x.detach().float() / scale.detach().float()).round()
        codes = (ratio + z.detach().float().round()).clamp(qmin, qmax)
        return Codes(codes, x, scale, z, qmin, qmax)

    def op_DequantizeLinear(self, node, a, codes, scale, zero=None):
        if isinstance(codes, Codes):
            return codes.dequantized()
        values = codes.to(self.dtype)
        if scale.dim() == 1 and scale.numel() > 1 or scale.dim() == 1 and values.dim() > 0:
            shape = [1] * values.dim()
            shape[a.get("axis", 1)] = -1
            scale = scale.reshape(shape)
            zero = None if zero is None else zero.reshape(shape)
        return (values - (0 if zero is None else zero.to(self.dtype))) * scale


def gradients(model, feeds, loss, wrt, weights=(), dtype=torch.float32):
    """Values and gradients of a model's graph.

    wrt: names of inputs or initializers; an integer one (a zero point) gets a float gradient.
    weights: (codes, scale, rows) names; the gradient of rows is with respect to the dequantized weight, row axis
    first, under the name of the codes.
    Returns (all values, {name: gradient as numpy array}).
    """
    interpreter = Interpreter(model, dtype)
    initializers = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    inner = [name for name in wrt if name not in feeds and name not in initializers]
    known = {**initializers, **feeds}
    if inner:
        known |= {name: value for name, value in interpreter.run(feeds).items() if name in inner}
    leaves, replaced = {}, {}
    for name in wrt:
        source = known[name]
        leaf = interpreter.tensor(source)
        kept = leaf.dtype
        leaf = leaf.to(dtype).clone().requires_grad_(True)
        leaves[name] = leaf
        leaf.integer_type = kept
        replaced[name] = leaf
    dense = {}
    for codes, scale, rows in weights:
        node = next(n for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] == codes)
        dense[codes] = (node.output[0], onnx.helper.get_node_attr_value(node, "axis") if node.attribute else 1, rows)
    values = interpreter.run({k: v for k, v in feeds.items() if k not in replaced}, replaced)
    for output, _, _ in dense.values():
        if values[output].requires_grad:
            values[output].retain_grad()
    missing = [output for output, _, _ in dense.values() if not values[output].requires_grad]
    if missing:
        for output in missing:
            replaced[output] = values[output].detach().clone().requires_grad_(True)
        values = interpreter.run({k: v for k, v in feeds.items() if k not in replaced}, replaced)
        for output, _, _ in dense.values():
            if output not in missing:
                values[output].retain_grad()
    values[loss].sum().backward()
    found = {name: none_as_zero(leaf) for name, leaf in leaves.items()}
    for codes, (output, axis, rows) in dense.items():
        index = interpreter.tensor(feeds[rows] if rows in feeds else initializers[rows])
        found[codes] = none_as_zero(values[output]).movedim(axis, 0)[index]
    return values, {name: value.numpy() for name, value in found.items()}


def none_as_zero(tensor):
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad.detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("feeds")
    parser.add_argument("out")
    parser.add_argument("--loss", required=True)
    parser.add_argument("--wrt", nargs="*", default=[])
    parser.add_argument("--weight", nargs="*", default=[], help="CODES|SCALE|ROWS")
    parser.add_argument("--double", action="store_true", help="compute in float64")
    arguments = parser.parse_args()
    model = onnx.load(arguments.model)
    feeds = dict(np.load(arguments.feeds))
    weights = [tuple(text.split("|")) for text in arguments.weight]
    dtype = torch.float64 if arguments.double else torch.float32
    values, found = gradients(model, feeds, arguments.loss, arguments.wrt, weights, dtype)
    loss = values[arguments.loss].detach().numpy()
    np.savez(arguments.out, **{"loss": loss}, **{f"{name}.grad": value for name, value in found.items()})


if __name__ == "__main__":
    main()
