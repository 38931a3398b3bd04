"""More operators of the oracle (see torch_interpreter.py): normalisations, smooth activations, movements, attention and
recurrent layers. Operators that are linear in their first input and that PyTorch has no like of (Resize) are evaluated
by their matrix, whose columns ONNX Runtime computes; the gradient is then that matrix transposed.
"""

import math

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F
from onnx import helper


def linear_by_runtime(node, opset, x, others):
    """y = node(x, *others) as a matrix times x, with an offset for what does not depend on x (extrapolated values)."""
    names = list(node.input)
    values = {names[0]: np.zeros(x.shape, np.float32)}
    for name, other in zip(names[1:], others):
        if name and other is not None:
            values[name] = other.detach().numpy() if isinstance(other, torch.Tensor) else other
            if values[name].dtype == np.float64:
                values[name] = values[name].astype(np.float32)
    inputs = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in values.items()]
    graph = helper.make_graph([node], "linear", inputs, [helper.make_empty_tensor_value_info(node.output[0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    offset = session.run(None, values)[0].astype(np.float64)
    columns = []
    for i in range(x.numel()):
        unit = np.zeros(x.numel(), np.float32)
        unit[i] = 1
        y = session.run(None, {**values, names[0]: unit.reshape(x.shape)})[0].astype(np.float64)
        columns.append((y - offset).reshape(-1))
    matrix = torch.from_numpy(np.stack(columns, 1)).to(x.dtype)
    return (matrix @ x.reshape(-1)).reshape(offset.shape) + torch.from_numpy(offset).to(x.dtype)


class LayerOperators:
    # Normalisations

    def op_LayerNormalization(self, node, a, x, scale, bias=None):
        axis = a.get("axis", -1) % x.dim()
        axes = list(range(axis, x.dim()))
        mean = x.mean(axes, keepdim=True)
        inverse = (x.var(axes, correction=0, keepdim=True) + a.get("epsilon", 1e-5)).rsqrt()
        y = F.layer_norm(x, x.shape[axis:], None, None, a.get("epsilon", 1e-5)) * scale
        return y if bias is None else y + bias, mean, inverse

    def op_RMSNormalization(self, node, a, x, scale):
        axis = a.get("axis", -1) % x.dim()
        return F.rms_norm(x, x.shape[axis:], None, a.get("epsilon", 1e-5)) * scale

    def op_InstanceNormalization(self, node, a, x, scale, bias):
        return F.instance_norm(x, None, None, scale, bias, eps=a.get("epsilon", 1e-5))

    def op_GroupNormalization(self, node, a, x, scale, bias):
        groups = a["num_groups"]
        if scale.shape[0] != x.shape[1]:
            scale, bias = (v.repeat_interleave(x.shape[1] // groups) for v in (scale, bias))
        return F.group_norm(x, groups, scale, bias, a.get("epsilon", 1e-5))

    def op_MeanVarianceNormalization(self, node, a, x):
        axes = a.get("axes", [0, 2, 3])
        return (x - x.mean(axes, keepdim=True)) / (x.var(axes, correction=0, keepdim=True).sqrt() + 1e-9)

    def op_BatchNormalization(self, node, a, x, scale, bias, mean, var):
        if a.get("training_mode", 0):
            raise NotImplementedError("BatchNormalization in training mode")
        shape = [1, -1] + [1] * (x.dim() - 2)
        scale, bias, mean, var = (v.reshape(shape) for v in (scale, bias, mean, var))
        return (x - mean) * (var + a.get("epsilon", 1e-5)).rsqrt() * scale + bias

    def op_LpNormalization(self, node, a, x):
        return x / x.norm(a.get("p", 2), a.get("axis", -1), keepdim=True)

    def op_LRN(self, node, a, x):
        size, half = a["size"], (a["size"] - 1) // 2
        square = F.pad((x * x).reshape(x.shape[0], 1, x.shape[1], -1), (0, 0, half, size - 1 - half))
        sums = square.unfold(2, size, 1).sum(-1).reshape(x.shape)
        return x / (a.get("bias", 1.0) + a.get("alpha", 1e-4) / size * sums) ** a.get("beta", 0.75)

    # Smooth activations and elementwise functions

    def op_Gelu(self, node, a, x):
        return F.gelu(x, approximate=a.get("approximate", b"none").decode())

    def op_Swish(self, node, a, x):
        return x * torch.sigmoid(a.get("alpha", 1.0) * x)

    def op_Mish(self, node, a, x):
        return F.mish(x)

    def op_Selu(self, node, a, x):
        alpha, gamma = a.get("alpha", 1.6732632423543772), a.get("gamma", 1.0507009873554805)
        return gamma * torch.where(x > 0, x, alpha * torch.expm1(x))

    def op_Celu(self, node, a, x):
        return F.celu(x, a.get("alpha", 1.0))

    def op_ThresholdedRelu(self, node, a, x):
        return torch.where(x > a.get("alpha", 1.0), x, torch.zeros_like(x))

    def op_Shrink(self, node, a, x):
        limit, bias = a.get("lambd", 0.5), a.get("bias", 0.0)
        return torch.where(x < -limit, x + bias, torch.where(x > limit, x - bias, torch.zeros_like(x)))

    def op_Sin(self, node, a, x):
        return x.sin()

    def op_Cos(self, node, a, x):
        return x.cos()

    def op_Tan(self, node, a, x):
        return x.tan()

    def op_Asin(self, node, a, x):
        return x.asin()

    def op_Acos(self, node, a, x):
        return x.acos()

    def op_Atan(self, node, a, x):
        return x.atan()

    def op_Sinh(self, node, a, x):
        return x.sinh()

    def op_Cosh(self, node, a, x):
        return x.cosh()

    def op_Asinh(self, node, a, x):
        return x.asinh()

    def op_Acosh(self, node, a, x):
        return x.acosh()

    def op_Atanh(self, node, a, x):
        return x.atanh()

    def op_Mod(self, node, a, x, y):
        return torch.fmod(x, y) if a.get("fmod", 0) else torch.remainder(x, y)

    def op_CastLike(self, node, a, x, like):
        return x.to(self.dtype if like.is_floating_point() else like.dtype)

    # Reductions

    def op_ReduceLogSum(self, node, a, x, axes=None):
        return x.sum(self.axes(a, axes, x), keepdim=bool(a.get("keepdims", 1))).log()

    def op_ReduceProd(self, node, a, x, axes=None):
        keep = bool(a.get("keepdims", 1))
        for axis in sorted((axis % x.dim() for axis in self.axes(a, axes, x)), reverse=True):
            x = x.prod(axis, keepdim=keep)
        return x

    def op_CumSum(self, node, a, x, axis):
        axis = int(axis)
        y = x.flip(axis) if a.get("reverse", 0) else x
        sums = y.cumsum(axis)
        sums = sums - y if a.get("exclusive", 0) else sums
        return sums.flip(axis) if a.get("reverse", 0) else sums

    def op_Einsum(self, node, a, *xs):
        return torch.einsum(a["equation"].decode(), *xs)

    # Pools

    def op_LpPool(self, node, a, x):
        p = a.get("p", 2)
        strides, dilations, begin, end = self.windows(a, x.shape[2:], a["kernel_shape"])
        values = self.padded(x.abs() ** p, begin, end)
        ones = torch.ones([x.shape[1], 1, *a["kernel_shape"]], dtype=x.dtype)
        function = (F.conv1d, F.conv2d, F.conv3d)[x.dim() - 3]
        return function(values, ones, None, strides, 0, dilations, x.shape[1]) ** (1 / p)

    def op_GlobalLpPool(self, node, a, x):
        p = a.get("p", 2)
        return (x.abs() ** p).sum(list(range(2, x.dim())), keepdim=True) ** (1 / p)

    def op_MaxUnpool(self, node, a, x, indices, shape=None):
        size = shape.tolist() if shape is not None else self.by_runtime(node, x, [indices]).shape
        return torch.zeros(math.prod(size), dtype=x.dtype).scatter(0, indices.reshape(-1), x.reshape(-1)).reshape(size)

    # Convolutions

    def op_ConvTranspose(self, node, a, x, w, bias=None):
        rank = x.dim() - 2
        strides, dilations = list(a.get("strides", [1] * rank)), list(a.get("dilations", [1] * rank))
        function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
        whole = function(x, w, None, strides, 0, 0, a.get("group", 1), dilations)
        extra = list(a.get("output_padding", [0] * rank))
        pads = list(a.get("pads", [0] * 2 * rank))
        mode = a.get("auto_pad", b"NOTSET").decode()
        sizes = a.get("output_shape")
        if sizes is None and mode in ("SAME_UPPER", "SAME_LOWER"):
            sizes = [n * s for n, s in zip(x.shape[2:], strides)]
        if sizes is not None:
            totals = [n + e - s for n, e, s in zip(whole.shape[2:], extra, sizes)]
            halves = [t // 2 for t in totals]
            others = [t - h for t, h in zip(totals, halves)]
            pads = halves + others if mode == "SAME_UPPER" else others + halves
        begin, end = pads[:rank], pads[rank:]
        y = self.padded(whole, [-b for b in begin], [e - p for e, p in zip(extra, end)])
        return y if bias is None else y + bias.reshape([-1] + [1] * rank)

    def op_Col2Im(self, node, a, x, image, block):
        pads = a.get("pads", [0] * 4)
        if len(block) != 2:
            return self.by_runtime(node, x, [image, block])
        assert pads[:2] == pads[2:]
        return F.fold(x, image.tolist(), block.tolist(), tuple(a.get("dilations", [1, 1])), tuple(pads[:2]), tuple(a.get("strides", [1, 1])))

    # Movements

    def by_runtime(self, node, x, others):
        return linear_by_runtime(node, self.opset, x, others)

    def op_Resize(self, node, a, x, *others):
        return self.by_runtime(node, x, others)

    def op_DepthToSpace(self, node, a, x):
        n, c, h, w = x.shape
        b = a["blocksize"]
        if a.get("mode", b"DCR") == b"CRD":
            return F.pixel_shuffle(x, b)
        return x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)

    def op_SpaceToDepth(self, node, a, x):
        n, c, h, w = x.shape
        b = a["blocksize"]
        if a.get("mode", b"DCR") == b"CRD":
            return F.pixel_unshuffle(x, b)
        return x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b**2, h // b, w // b)

    def op_Tile(self, node, a, x, repeats):
        return x.repeat(repeats.tolist())

    def op_Trilu(self, node, a, x, k=None):
        diagonal = 0 if k is None else int(k)
        return x.triu(diagonal) if a.get("upper", 1) else x.tril(diagonal)

    def op_TopK(self, node, a, x, k):
        values, indices = torch.topk(x, int(k), a.get("axis", -1), bool(a.get("largest", 1)), bool(a.get("sorted", 1)))
        return values, indices

    def op_GatherND(self, node, a, x, indices):
        return self.gathered(x, indices, a.get("batch_dims", 0))

    def gathered(self, x, indices, batch):
        if batch > 0:
            return torch.stack([self.gathered(part, own, batch - 1) for part, own in zip(x, indices)])
        return x[tuple(indices.long().unbind(-1))]

    def op_ScatterElements(self, node, a, x, indices, updates):
        axis = a.get("axis", 0)
        places = indices.long() % x.shape[axis]
        return self.scattered(x, axis, places, updates, a.get("reduction", b"none").decode())

    def op_ScatterND(self, node, a, x, indices, updates):
        """ScatterElements on the flat data, at the places of all elements of the slices."""
        depth = indices.shape[-1]
        numbers = torch.arange(x.numel()).reshape(x.shape)
        places = numbers[tuple(indices.long().unbind(-1))] if depth > 0 else numbers
        flat = self.scattered(x.reshape(-1), 0, places.reshape(-1), updates.reshape(-1), a.get("reduction", b"none").decode())
        return flat.reshape(x.shape)

    def scattered(self, x, axis, places, updates, reduction):
        if reduction == "none":
            return x.scatter(axis, places, updates)
        name = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}[reduction]
        return x.scatter_reduce(axis, places, updates, name)

    def op_ReverseSequence(self, node, a, x, lengths):
        batch, time = a.get("batch_axis", 1), a.get("time_axis", 0)
        rows = []
        for row, length in zip(x.unbind(batch), lengths.tolist()):
            axis = time - (batch < time)
            rows.append(torch.cat([row.narrow(axis, 0, length).flip(axis), row.narrow(axis, length, row.shape[axis] - length)], axis))
        return torch.stack(rows, batch)

    def op_CenterCropPad(self, node, a, x, shape):
        axes = a.get("axes", list(range(x.dim())))
        for axis, size in zip(axes, shape.tolist()):
            change = x.shape[axis] - size
            if change >= 0:
                x = x.narrow(axis, change // 2, size)
            else:
                begin, end = [0] * x.dim(), [0] * x.dim()
                begin[axis], end[axis] = -change // 2, -change - (-change // 2)
                x = self.padded(x, begin, end)
        return x

    def bordered(self, x, begin, end, mode):
        """Pad in the modes that repeat x, along each axis by its indices."""
        for axis, (before, after) in enumerate(zip(begin, end)):
            size = x.shape[axis]
            index = np.pad(np.arange(size), (before, after), mode=mode)
            x = x.index_select(axis, torch.from_numpy(index))
        return x
