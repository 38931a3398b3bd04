"""Lays out the models of the packages of fetch.sh for `npm run bench:zoo`: each as NAME.onnx with inputs in NAME.npz.

usage: packaged_data.py PACKAGES OUTDIR        PACKAGES: the folder that fetch.sh filled

Lines of text are rendered, audio is made of gliding harmonics and noise, pictures are cut from those of scikit-learn;
what follows in a chain (features of a wake word, states of a voice detector) is computed by the models in front of it.
NAME.json holds options that the model needs. Needs numpy, onnxruntime, pillow and scikit-learn.
"""
import glob
import json
import os
import shutil
import sys

import numpy as np
import onnxruntime

from text_lines import render_lines, render_pages

packages, out = sys.argv[1:3]
os.makedirs(out, exist_ok=True)
random = np.random.default_rng(0)


def place(name, pattern, data, options=()):
    [source] = glob.glob(f"{packages}/{pattern}", recursive=True)
    target = f"{out}/{name}.onnx"
    shutil.copyfile(source, target)
    if os.path.exists(source + ".data"):
        shutil.copyfile(source + ".data", f"{out}/{os.path.basename(source)}.data")
    np.savez(f"{out}/{name}.npz", **data)
    with open(f"{out}/{name}.json", "w") as file:
        json.dump({"options": list(options)}, file)
    print(name, {key: value.shape for key, value in data.items()}, flush=True)
    return target


def run(path, **feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def audio(samples, length, rate):
    """Harmonics on gliding pitches under slow envelopes, with noise: voiced and quiet stretches."""
    time = np.arange(length) / rate
    sounds = np.zeros((samples, length))
    for sound in sounds:
        for _ in range(3):
            pitch = random.uniform(80, 500) * (1 + 0.2 * np.sin(2 * np.pi * random.uniform(0.3, 4) * time))
            phase = 2 * np.pi * np.cumsum(pitch) / rate
            envelope = np.clip(np.sin(2 * np.pi * random.uniform(0.3, 3) * time + random.uniform(0, 6)), 0, 1)
            sound += envelope * sum(np.sin(k * phase) / k for k in range(1, 12)) * random.uniform(0.02, 0.15)
    return (sounds + 0.002 * random.standard_normal(sounds.shape)).astype(np.float32)


def text():
    lines = np.stack([(line - 0.5) / 0.5 for line in render_lines(96, 48, 320)])
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pages = np.stack([(page - mean[:, None, None]) / std[:, None, None] for page in render_pages(32, 160, 256)])
    small = np.stack([(line - 0.5) / 0.5 for line in render_lines(64, 48, 192)])
    oriented = np.stack([(line - mean[:, None, None]) / std[:, None, None] for line in render_lines(64, 80, 160)])
    turn = lambda images: np.stack([image[:, ::-1, ::-1] if index % 2 else image for index, image in enumerate(images)])
    data = {"rec": lines, "det": pages, "cls4": turn(small), "cls5": turn(oriented)}
    data = {name: {"x": value.astype(np.float32)} for name, value in data.items()}
    place("ppocrv4_det", "gutenye*/**/ch_PP-OCRv4_det_infer.onnx", data["det"])
    place("ppocrv4_rec", "gutenye*/**/ch_PP-OCRv4_rec_infer.onnx", data["rec"])
    place("ppocrv4_cls", "gutenye*/**/ch_ppocr_mobile_v2.0_cls_infer.onnx", data["cls4"])
    place("ppocrv5_det", "ocrspine*/**/ppocrv5_det.onnx", data["det"])
    place("ppocrv5_rec", "ocrspine*/**/ppocrv5_rec.onnx", data["rec"])
    place("ppocrv5_cls", "ocrspine*/**/ppocrv5_cls.onnx", data["cls5"])


def voice():
    sounds = audio(8, 512 * 16, 16000)
    for version in ("v5", "v6"):
        [path] = glob.glob(f"{packages}/ricky*/**/silero_vad_{version}.onnx", recursive=True)
        inputs, states = [], []
        for sound in sounds:
            state = np.zeros((2, 1, 128), np.float32)
            for chunk in np.split(sound, 16):
                inputs.append(chunk)
                states.append(state)
                _, state = run(path, input=chunk[None], state=state, sr=np.array(16000, np.int64))
        data = {"input": np.stack(inputs), "state": np.stack(states)}
        place(f"silero_{version}", f"ricky*/**/silero_vad_{version}.onnx", data, ["--set", "sr=16000", "--batch-axis", "state=1", "--input-shape", "input=-1,512"])
    h = np.zeros((64, 2, 1, 64), np.float32)
    chunks = audio(64, 1536, 16000)
    data = {"input": chunks, "h": h, "c": h}
    for name, folder in (("silero_legacy", "ricky*/**/silero_vad_legacy.onnx"), ("oww_silero", "openwakeword/**/silero_vad.onnx")):
        place(name, folder, data, ["--set", "sr=16000"])


def wake_words():
    folder = "openwakeword/**"
    sounds = audio(16, 16000 * 5, 16000) * 20000
    mel = place("oww_melspectrogram", f"{folder}/melspectrogram.onnx", {"input": sounds[:, :16000]})
    [features] = run(mel, input=sounds)
    features = features.reshape(features.shape[0], -1, 32) if features.ndim == 4 and features.shape[0] == 16 else np.stack([run(mel, input=sound[None])[0].reshape(-1, 32) for sound in sounds])
    features = features / 10 + 2
    starts = range(0, features.shape[1] - 76, 8)
    windows = np.stack([[one[start : start + 76] for start in starts] for one in features])[..., None].astype(np.float32)
    flat = windows.reshape(-1, 76, 32, 1)
    embedding = place("oww_embedding", f"{folder}/embedding_model.onnx", {"input_1": flat[random.permutation(len(flat))[:96]]})
    [vectors] = run(embedding, input_1=flat)
    vectors = vectors.reshape(len(sounds), len(starts), 96)
    for name in ("alexa", "hey_jarvis", "hey_mycroft", "hey_rhasspy", "timer", "weather"):
        pattern = f"{folder}/{name}_v0.1.onnx"
        [path] = glob.glob(f"{packages}/{pattern}", recursive=True)
        [source] = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_inputs()
        length = source.shape[1]
        data = np.stack([one[start : start + length] for one in vectors for start in range(0, len(starts) - length, 4)])
        place(f"oww_{name}", pattern, {source.name: data[:96]})


def pictures():
    from sklearn.datasets import load_sample_images

    photos = load_sample_images().images

    def crops(size, samples):
        found = []
        for _ in range(samples):
            photo = photos[random.integers(len(photos))]
            scale = int(random.integers(1, 5))
            y, x = (random.integers(0, extent - scale * size) for extent in photo.shape[:2])
            found.append(photo[y : y + scale * size : scale, x : x + scale * size : scale])
        return ((np.stack(found) - 127.5) * 0.0078125).astype(np.float32)

    for name, source, size in (("pnet", "input_1", 60), ("rnet", "input_2", 24), ("onet", "input_3", 48)):
        place(f"mtcnn_{name}", f"mtcnn*/**/{name}.onnx", {source: crops(size, 96)})


def others():
    notes = audio(24, 43844, 22050)[..., None]
    place("basic_pitch", "basic_pitch/**/nmp.onnx", {"serving_default_input_2:0": notes})
    ids, mask = random.integers(2, 126, (64, 48)), np.ones((64, 48), bool)
    for row, length in enumerate(random.integers(12, 49, 64)):
        ids[row, length:], mask[row, length:] = 0, False
    place("khmersm", "khmersm/**/model.onnx", {"x": ids, "mask": mask})


text()
voice()
wake_words()
pictures()
others()
