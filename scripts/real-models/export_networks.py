"""Exports networks with seeded random weights to ONNX by both PyTorch exporters, each with a data file of the same name.

usage: export_networks.py OUTDIR [NAME ...]

OUTDIR/NAME_EXPORTER.onnx, OUTDIR/NAME_EXPORTER.npz: vision networks of torchvision (their BatchNorm statistics taken
from the data), a U-Net and a super-resolution network, and language and audio encoders of transformers, all of them
small enough that a processor trains them. What an exporter cannot do is printed. Needs torch, torchvision,
transformers, onnxscript and numpy.
"""
import os
import sys
import warnings

import numpy as np
import torch
from torch import nn

warnings.filterwarnings("ignore")
EXPORTERS = ("torchscript", "dynamo")
SAMPLES = 48


class Picked(nn.Module):
    """A model called by keyword, of whose outputs some are taken."""

    def __init__(self, model, names, pick):
        super().__init__()
        self.model, self.names, self.pick = model, names, pick

    def forward(self, *inputs):
        return self.pick(self.model(**dict(zip(self.names, inputs))))


class UNet(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        block = lambda i, o: nn.Sequential(*[m for c in ((i, o), (o, o)) for m in (nn.Conv2d(*c, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())])
        self.down1, self.down2, self.middle = block(3, width), block(width, 2 * width), block(2 * width, 4 * width)
        self.up2, self.up1 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.join2, self.join1 = block(4 * width, 2 * width), block(2 * width, width)
        self.head = nn.Conv2d(width, 3, 1)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(nn.functional.max_pool2d(first, 2))
        third = self.middle(nn.functional.max_pool2d(second, 2))
        second = self.join2(torch.cat([self.up2(third), second], 1))
        return self.head(self.join1(torch.cat([self.up1(second), first], 1)))


class SuperResolution(nn.Module):
    """Residual blocks, PixelShuffle and a bicubic skip."""

    def __init__(self, width=32):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU(), nn.Conv2d(width, width, 3, padding=1)) for _ in range(3))
        self.last = nn.Sequential(nn.Conv2d(width, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, x):
        found = self.first(x)
        for block in self.blocks:
            found = found + block(found)
        return self.last(found) + nn.functional.interpolate(x, scale_factor=2, mode="bicubic")


def images(size, channels=3):
    """Smooth random pictures with noise, so that neighbouring pixels are alike."""
    random = np.random.default_rng(0)
    coarse = torch.tensor(random.standard_normal((SAMPLES, channels, 6, 6)), dtype=torch.float32)
    smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return smooth + 0.1 * torch.tensor(random.standard_normal(tuple(smooth.shape)), dtype=torch.float32)


def settle_batch_norms(model, data):
    """Running statistics as after training: those of the data."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    if norms:
        model.train()
        with torch.no_grad():
            for start in range(0, 48, 16):
                model(data[start : start + 16])
    return model.eval()


def export(out, name, model, inputs, data, axes, outputs):
    for exporter in EXPORTERS:
        path = f"{out}/{name}_{exporter}.onnx"
        np.savez(path.replace(".onnx", ".npz"), **data)
        if os.path.exists(path):
            continue
        options = {"input_names": list(inputs), "output_names": outputs}
        try:
            if exporter == "torchscript":
                torch.onnx.export(model, tuple(inputs.values()), path, dynamo=False, dynamic_axes=axes, opset_version=17, **options)
            else:
                dims = {}
                shapes = tuple({axis: dims.setdefault(symbol, torch.export.Dim.DYNAMIC) for axis, symbol in axes[key].items()} for key in inputs)
                if isinstance(model, Picked):
                    shapes = (shapes,)
                torch.onnx.export(model, tuple(inputs.values()), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False, **options)
            print("exported", path, flush=True)
        except Exception as error:  # An exporter may not take a model; the other still does.
            os.remove(path.replace(".onnx", ".npz"))
            print("not exported", path, f"{type(error).__name__}: {str(error).splitlines()[0][:160]}", flush=True)


def vision():
    import torchvision.models as tv
    from torchvision.models import detection, segmentation

    classes = {"num_classes": 10}
    unpretrained = {"weights": None, "weights_backbone": None}
    of_size = {
        "resnet18": (64, lambda: tv.resnet18(**classes)),
        "mobilenet_v2": (64, lambda: tv.mobilenet_v2(**classes)),
        "mobilenet_v3_small": (64, lambda: tv.mobilenet_v3_small(**classes)),
        "efficientnet_b0": (64, lambda: tv.efficientnet_b0(**classes)),
        "densenet121": (64, lambda: tv.densenet121(**classes)),
        "shufflenet_v2": (64, lambda: tv.shufflenet_v2_x0_5(**classes)),
        "regnet_y_400mf": (64, lambda: tv.regnet_y_400mf(**classes)),
        "convnext": (64, lambda: tv.ConvNeXt([tv.convnext.CNBlockConfig(*b) for b in ((32, 64, 2), (64, 128, 2), (128, 256, 2), (256, None, 2))], layer_scale=0.5, **classes)),
        "vit": (64, lambda: tv.VisionTransformer(image_size=64, patch_size=8, num_layers=4, num_heads=4, hidden_dim=128, mlp_dim=256, **classes)),
        "swin": (64, lambda: tv.SwinTransformer([4, 4], 48, [2, 2, 2], [2, 4, 8], [4, 4], **classes)),
        "unet": (48, UNet),
        "super_resolution": (24, SuperResolution),
    }
    for name, (size, make) in of_size.items():
        yield name, lambda size=size, make=make: image_network(make(), size)
    yield "deeplab_v3", lambda: image_network(Picked(segmentation.deeplabv3_mobilenet_v3_large(num_classes=5, aux_loss=False, **unpretrained), ["x"], lambda found: found["out"]), 64)
    yield "ssdlite", lambda: detector(detection.ssdlite320_mobilenet_v3_large(num_classes=5, **unpretrained))
    yield "fcos", lambda: detector(detection.fcos_resnet50_fpn(num_classes=5, min_size=96, max_size=96, **unpretrained))


def image_network(model, size):
    data = images(size)
    for head in [m for m in model.modules() if isinstance(m, nn.Linear)][-1:]:
        nn.init.normal_(head.weight, std=0.1)
        nn.init.zeros_(head.bias)
    model = settle_batch_norms(model, data)
    return model, {"x": data[:2]}, {"x": data.numpy()}, {"x": {0: "batch"}}, ["output"]


class Detector(nn.Module):
    """Boxes and scores of every anchor, as they leave the head: what is trained and quantized of a detector."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        found = self.model.head(list(self.model.backbone(x).values()))
        return found["cls_logits"], found["bbox_regression"]


def detector(model):
    data = images(96)
    model = settle_batch_norms(Detector(model), data)
    return model, {"x": data[:2]}, {"x": data.numpy()}, {"x": {0: "batch"}}, ["logits", "boxes"]


def language():
    import transformers as t

    small = {"vocab_size": 500, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 256, "max_position_embeddings": 64}
    labels = {"num_labels": 5}
    yield "bert", lambda: tokens(t.BertForSequenceClassification(t.BertConfig(**small, **labels)), "logits")
    yield "distilbert", lambda: tokens(t.DistilBertForSequenceClassification(t.DistilBertConfig(vocab_size=500, dim=128, n_layers=2, n_heads=4, hidden_dim=256, max_position_embeddings=64, **labels)), "logits")
    yield "roberta", lambda: tokens(t.RobertaForTokenClassification(t.RobertaConfig(**small, **labels, pad_token_id=0)), "logits")
    yield "albert", lambda: tokens(t.AlbertModel(t.AlbertConfig(**{**small, "embedding_size": 64})), "last_hidden_state")
    yield "deberta", lambda: tokens(t.DebertaModel(t.DebertaConfig(**small, relative_attention=True, pos_att_type=["c2p", "p2c"])), "last_hidden_state")
    yield "t5_encoder", lambda: tokens(t.T5EncoderModel(t.T5Config(vocab_size=500, d_model=128, d_kv=32, d_ff=256, num_layers=2, num_heads=4)), "last_hidden_state")
    yield "gpt2", lambda: tokens(t.GPT2LMHeadModel(t.GPT2Config(vocab_size=500, n_embd=128, n_layer=2, n_head=4, n_positions=64, use_cache=False)), "logits")
    yield "llama", lambda: tokens(t.LlamaForCausalLM(t.LlamaConfig(**small, num_key_value_heads=2, use_cache=False)), "logits")
    yield "deit", lambda: deit(t)
    yield "whisper_encoder", lambda: whisper(t)
    yield "wav2vec2", lambda: wav2vec(t)


def tokens(model, output):
    random = np.random.default_rng(0)
    ids, mask = random.integers(3, 500, (SAMPLES, 24)), np.ones((SAMPLES, 24), np.int64)
    for row, length in enumerate(random.integers(6, 25, SAMPLES)):
        ids[row, length:], mask[row, length:] = 0, 0
    data = {"input_ids": ids, "attention_mask": mask}
    model.config._attn_implementation = "eager"
    model = Picked(spread_weights(model), list(data), lambda found: found[output]).eval()
    axes = {name: {0: "batch", 1: "length"} for name in data}
    return model, {name: torch.tensor(value[:2]) for name, value in data.items()}, data, axes, [output]


def spread_weights(model):
    """Initial weights of 0.02 leave a network nearly constant: those of trained networks are wider."""
    random = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            deviation = 1.0 if isinstance(module, nn.Embedding) else module.weight.shape[1] ** -0.5
            module.weight.data = deviation * torch.randn(module.weight.shape, generator=random)
    return model


def deit(t):
    config = t.DeiTConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256, image_size=64, patch_size=8, num_labels=10)
    model = Picked(spread_weights(t.DeiTForImageClassification(config)), ["pixel_values"], lambda found: found.logits).eval()
    data = images(64)
    return model, {"x": data[:2]}, {"x": data.numpy()}, {"x": {0: "batch"}}, ["logits"]


def whisper(t):
    config = t.WhisperConfig(d_model=128, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=256, max_source_positions=50, num_mel_bins=40)
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    model = Picked(spread_weights(WhisperEncoder(config)), ["input_features"], lambda found: found.last_hidden_state).eval()
    data = images(100, 1)[:, 0, :40].contiguous()
    return model, {"input_features": data[:2]}, {"input_features": data.numpy()}, {"input_features": {0: "batch"}}, ["states"]


def wav2vec(t):
    config = t.Wav2Vec2Config(vocab_size=32, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256, conv_dim=[64] * 5, conv_stride=[5, 2, 2, 2, 2], conv_kernel=[10, 3, 3, 3, 2], num_feat_extract_layers=5, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4)
    model = Picked(spread_weights(t.Wav2Vec2ForCTC(config)), ["input_values"], lambda found: found.logits).eval()
    random = np.random.default_rng(0)
    data = np.cumsum(random.standard_normal((SAMPLES, 3200)), 1).astype(np.float32)
    data = (data - data.mean(1, keepdims=True)) / data.std(1, keepdims=True)
    return model, {"input_values": torch.tensor(data[:2])}, {"input_values": data}, {"input_values": {0: "batch"}}, ["logits"]


def main():
    out, wanted = sys.argv[1], set(sys.argv[2:])
    os.makedirs(out, exist_ok=True)
    for name, make in [*vision(), *language()]:
        if wanted and name not in wanted:
            continue
        torch.manual_seed(0)
        try:
            model, inputs, data, axes, outputs = make()
        except Exception as error:
            print("not built", name, f"{type(error).__name__}: {error}", flush=True)
            continue
        export(out, name, model, inputs, data, axes, outputs)


main()
