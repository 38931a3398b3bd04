"""Operators of the oracle that make or compare values rather than compute with them (see torch_interpreter.py)."""

import math

import torch
import torch.nn.functional as F


class ValueOperators:
    def op_Size(self, node, a, x):
        return torch.tensor(x.numel(), dtype=torch.int64)

    def op_Range(self, node, a, start, limit, delta):
        count = max(0, math.ceil((limit.item() - start.item()) / delta.item()))
        return start + delta * torch.arange(count, dtype=start.dtype)

    def op_LessOrEqual(self, node, a, x, y):
        return x <= y

    def op_GreaterOrEqual(self, node, a, x, y):
        return x >= y

    def op_Or(self, node, a, x, y):
        return x | y

    def op_IsNaN(self, node, a, x):
        return torch.isnan(x)

    def op_Floor(self, node, a, x):
        return torch.floor(x)

    def op_Ceil(self, node, a, x):
        return torch.ceil(x)

    def op_Sign(self, node, a, x):
        return torch.sign(x)

    def op_EyeLike(self, node, a, x):
        return torch.diag_embed(torch.ones(min(x.shape), dtype=x.dtype), a.get("k", 0))[: x.shape[0], : x.shape[1]]

    def op_Hardmax(self, node, a, x):
        axis = a.get("axis", -1)
        return F.one_hot(x.argmax(axis), x.shape[axis]).movedim(-1, axis).to(x.dtype)

    def op_If(self, node, a, condition):
        """The branch that is taken, whose inner values are seen by nobody else."""
        branch = a["then_branch"] if condition.item() else a["else_branch"]
        outer = dict(self.values)
        self.evaluate(branch.node)
        found = [self.values[output.name] for output in branch.output]
        self.values = outer
        return found
