"""LSTM, GRU and RNN of the oracle (see torch_interpreter.py), step by step as ONNX writes them; autograd goes through."""

import torch
import torch.nn.functional as F

# Default alpha and beta where an activation has them.
DEFAULTS = {"affine": (1.0, 0.0), "leakyrelu": (0.01,), "thresholdedrelu": (1.0,), "scaledtanh": (1.0, 1.0), "hardsigmoid": (0.2, 0.5), "elu": (1.0,)}
FUNCTIONS = {
    "affine": lambda x, a, b: a * x + b,
    "elu": lambda x, a, b: F.elu(x, a),
    "hardsigmoid": lambda x, a, b: (a * x + b).clamp(0, 1),
    "leakyrelu": lambda x, a, b: F.leaky_relu(x, a),
    "relu": lambda x, a, b: F.relu(x),
    "scaledtanh": lambda x, a, b: a * torch.tanh(b * x),
    "sigmoid": lambda x, a, b: torch.sigmoid(x),
    "softplus": lambda x, a, b: F.softplus(x),
    "softsign": lambda x, a, b: F.softsign(x),
    "tanh": lambda x, a, b: torch.tanh(x),
    "thresholdedrelu": lambda x, a, b: torch.where(x > a, x, torch.zeros_like(x)),
}


def activations(a, usual):
    names = [name.decode().lower() for name in a["activations"]] if "activations" in a else usual
    alphas, betas = list(a.get("activation_alpha", [])), list(a.get("activation_beta", []))
    found = []
    for name in names:
        values = DEFAULTS.get(name, ())
        alpha = (alphas.pop(0) if alphas else values[0]) if len(values) > 0 else 0.0
        beta = (betas.pop(0) if betas else values[1]) if len(values) > 1 else 0.0
        found.append(lambda x, f=FUNCTIONS[name], p=alpha, q=beta: f(x, p, q))
    return found


def bounded(a, x):
    limit = a.get("clip", 0.0)
    return x.clamp(-limit, limit) if limit > 0 else x


class RecurrentOperators:
    def op_LSTM(self, node, a, x, w, r, b=None, lengths=None, start=None, cell=None, peepholes=None):
        def step(d, functions, x, states, bias):
            (f, g, k), (h, c) = functions, states
            i, o, forget, new = (x @ w[d].T + h @ r[d].T + bias[0] + bias[1]).chunk(4, -1)
            pi, po, pf = (0, 0, 0) if peepholes is None else peepholes[d].chunk(3)
            i = f(bounded(a, i + pi * c))
            forget = 1 - i if a.get("input_forget", 0) else f(bounded(a, forget + pf * c))
            c = forget * c + i * g(bounded(a, new))
            return f(bounded(a, o + po * c)) * k(c), c

        return self.recurrent(a, x, r, b, 4, lengths, (start, cell), step, ["sigmoid", "tanh", "tanh"])

    def op_GRU(self, node, a, x, w, r, b=None, lengths=None, start=None):
        def step(d, functions, x, states, bias):
            f, g = functions
            (h,) = states
            n = h.shape[-1]
            xs, first = x @ w[d].T + bias[0], a.get("linear_before_reset", 0)
            hs = h @ r[d].T + bias[1]
            z, reset = (f(bounded(a, xs[:, part] + hs[:, part])) for part in (slice(0, n), slice(n, 2 * n)))
            state = reset * hs[:, 2 * n :] if first else (reset * h) @ r[d][2 * n :].T + bias[1][2 * n :]
            return ((1 - z) * g(bounded(a, xs[:, 2 * n :] + state)) + z * h,)

        return self.recurrent(a, x, r, b, 3, lengths, (start,), step, ["sigmoid", "tanh"])

    def op_RNN(self, node, a, x, w, r, b=None, lengths=None, start=None):
        def step(d, functions, x, states, bias):
            return (functions[0](bounded(a, x @ w[d].T + states[0] @ r[d].T + bias[0] + bias[1])),)

        return self.recurrent(a, x, r, b, 1, lengths, (start,), step, ["tanh"])

    def recurrent(self, a, x, r, b, gates, lengths, starts, step, usual):
        """Y, and the last of each state, of sequences that may be of different lengths."""
        steps, batch = x.shape[:2]
        directions, _, hidden = r.shape
        functions = activations(a, usual * directions)
        each = len(usual)
        lengths = [steps] * batch if lengths is None else lengths.tolist()
        ys, lasts = [], []
        for d in range(directions):
            backwards = a.get("direction", b"forward") == b"reverse" or d == 1
            bias = [torch.zeros(gates * hidden, dtype=x.dtype)] * 2 if b is None else b[d].chunk(2)
            rows, ends = [], []
            for sample, length in enumerate(lengths):
                states = tuple(torch.zeros(1, hidden, dtype=x.dtype) if s is None else s[d, sample : sample + 1] for s in starts)
                outputs = {}
                for t in reversed(range(length)) if backwards else range(length):
                    states = step(d, functions[d * each : (d + 1) * each], x[t, sample : sample + 1], states, bias)
                    outputs[t] = states[0]
                zero = torch.zeros(1, hidden, dtype=x.dtype)
                rows.append(torch.cat([outputs.get(t, zero) for t in range(steps)]))
                ends.append(states)
            ys.append(torch.stack(rows, 1))
            lasts.append([torch.cat(state) for state in zip(*ends)])
        return [torch.stack(ys, 1), *(torch.stack(state) for state in zip(*lasts))]
