"""Operators of the oracle that read maps between their elements, and transforms (see torch_interpreter.py)."""

import itertools

import torch
import torch.nn.functional as F
import torchvision.ops

MODES = {b"linear": "bilinear", b"bilinear": "bilinear", b"nearest": "nearest", b"cubic": "bicubic", b"bicubic": "bicubic"}


class SamplingOperators:
    def op_GridSample(self, node, a, x, grid):
        padding = a.get("padding_mode", b"zeros").decode()
        return F.grid_sample(x, grid, MODES[a.get("mode", b"linear")], padding, bool(a.get("align_corners", 0)))

    def op_AffineGrid(self, node, a, theta, size):
        return F.affine_grid(theta, size.tolist(), bool(a.get("align_corners", 0)))

    def op_RoiAlign(self, node, a, x, rois, batch):
        aligned = a.get("coordinate_transformation_mode", b"half_pixel" if self.opset >= 16 else b"output_half_pixel") == b"half_pixel"
        size = (a.get("output_height", 1), a.get("output_width", 1))
        scale, points = a.get("spatial_scale", 1.0), a.get("sampling_ratio", 0)
        if a.get("mode", b"avg") == b"max":
            return self.largest_of_regions(x, rois * scale - 0.5 * aligned, batch, size, points, aligned)
        boxes = torch.cat([batch.to(x.dtype).unsqueeze(1), rois], 1)
        return torchvision.ops.roi_align(x, boxes, size, scale, points, aligned)

    def largest_of_regions(self, x, rois, batch, size, points, aligned):
        """RoiAlign of maxima: of the products of an element and its weight, point by point."""

        def between(start, length, bins, at, point, limit):
            position = start + length / bins * (at + (point + 0.5) / points)
            if not -1 <= position <= limit:
                return []
            position = min(max(position, 0.0), limit - 1.0)
            low = int(position)
            return [(low, 1 - (position - low)), (min(low + 1, limit - 1), position - low)]

        results = []
        for (x1, y1, x2, y2), sample in zip(rois.tolist(), batch.tolist()):
            width, height = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
            for row, column in itertools.product(range(size[0]), range(size[1])):
                products = []
                for i, j in itertools.product(range(points), range(points)):
                    tall = between(y1, height, size[0], row, i, x.shape[2])
                    wide = between(x1, width, size[1], column, j, x.shape[3])
                    pairs = list(itertools.product(tall, wide))
                    products += [x[sample, :, h, w] * (u * v) for (h, u), (w, v) in pairs] or [torch.zeros_like(x[0, :, 0, 0])]
                results.append(torch.stack(products).amax(0))
        return torch.stack(results).reshape(len(rois), *size, x.shape[1]).permute(0, 3, 1, 2)

    def op_DeformConv(self, node, a, x, w, offset, bias=None, mask=None):
        pads = a.get("pads", [0] * 4)
        assert a.get("group", 1) == x.shape[1] // w.shape[1]
        x = self.padded(x, pads[:2], pads[2:])
        return torchvision.ops.deform_conv2d(x, offset, w, bias, tuple(a.get("strides", [1, 1])), 0, tuple(a.get("dilations", [1, 1])), mask)

    def op_Det(self, node, a, x):
        return torch.linalg.det(x)

    def op_MaxRoiPool(self, node, a, x, rois):
        return torchvision.ops.roi_pool(x, rois, tuple(a["pooled_shape"]), a.get("spatial_scale", 1.0))

    def op_DFT(self, node, a, x, length=None, axis=None):
        place = int(axis) if axis is not None else a.get("axis", 1 if self.opset < 20 else -2)
        place = place % x.dim()
        points = x.shape[place] if length is None else int(length)
        transform = torch.fft.ifft if a.get("inverse", 0) else torch.fft.fft
        return self.one_side(a, transform(complex_of(x), points, place), points, place)

    def op_STFT(self, node, a, x, step, window=None, length=None):
        points = int(length) if length is not None else window.shape[0]
        samples = complex_of(x if x.dim() == 3 else x.unsqueeze(-1))
        frames = samples.unfold(1, points, int(step))
        spectrum = torch.fft.fft(frames if window is None else frames * window, points, 2)
        return self.one_side({"onesided": a.get("onesided", 1)}, spectrum, points, 2)

    def one_side(self, a, spectrum, points, axis):
        half = spectrum.narrow(axis, 0, points // 2 + 1) if a.get("onesided", 0) else spectrum
        return torch.view_as_real(half.resolve_conj())


def complex_of(x):
    return torch.complex(x[..., 0], x[..., 1] if x.shape[-1] == 2 else torch.zeros_like(x[..., 0]))
