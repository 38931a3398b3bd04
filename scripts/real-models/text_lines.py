"""Lines of English text rendered in five fonts: three of Debian's DejaVu, two of PyPI packages if those are installed."""
import functools
import importlib
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

DEJAVU = "/usr/share/fonts/truetype/dejavu"
FILES = [f"{DEJAVU}/{name}.ttf" for name in ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono")]
# Modules of font packages and the name of the font within them.
PACKAGED = [("font_roboto", "Roboto"), ("font_source_serif_pro", "SourceSerifPro")]


def font_files():
    """Paths of the fonts; fails with the packages that are missing."""
    found, missing = [path for path in FILES if os.path.exists(path)], [path for path in FILES if not os.path.exists(path)]
    for module, name in PACKAGED:
        try:
            found.append(getattr(importlib.import_module(module), name))
        except ImportError:
            missing.append(f"pip install {module.replace('_', '-')}")
    if missing:
        raise SystemExit("fonts are missing: " + ", ".join(missing))
    return found


@functools.cache
def words():
    """Words, numbers and signs as this Python's documentation strings have them."""
    import argparse, collections, email, http, json, logging, pathlib, random, socket, subprocess

    modules = [argparse, collections, email, http, json, logging, pathlib, random, socket, subprocess]
    texts = [getattr(module, name).__doc__ for module in modules for name in sorted(dir(module))]
    found = " ".join(text for text in texts if isinstance(text, str)).split()
    return [word for word in found if 1 < len(word) < 14 and word.isascii()]


def lines_of_text(count, seed=0, least=12, most=30):
    random = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        start, line, length = random.integers(len(words())), "", random.integers(least, most)
        while len(line) < length:
            line, start = f"{line} {words()[start % len(words())]}".strip(), start + 1
        found.append(line[:most])
    return found


def draw_line(text, path, height, width, random):
    """One line, dark on light or light on dark, as floats of [3, height, width] in [0, 1]."""
    size = int(height * random.uniform(0.55, 0.75))
    font = ImageFont.truetype(path, size)
    while font.getlength(text) > width - 8 and size > 8:
        size -= 1
        font = ImageFont.truetype(path, size)
    light, dark = random.uniform(0.75, 1, 3), random.uniform(0, 0.3, 3)
    if random.random() < 0.2:
        light, dark = dark, light
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).text((4, height / 2), text, 255, font, anchor="lm")
    ink = np.asarray(mask, np.float64) / 255
    image = light[:, None, None] * (1 - ink) + dark[:, None, None] * ink
    return np.clip(image + random.normal(0, 0.02, image.shape), 0, 1)


def render_lines(count, height, width, seed=0, texts=None):
    random, fonts = np.random.default_rng(seed), font_files()
    texts = texts or lines_of_text(count, seed, most=max(8, width // 11))
    return [draw_line(text, fonts[index % len(fonts)], height, width, random) for index, text in enumerate(texts)]


def render_pages(count, height, width, seed=0):
    """Pages of several lines of different sizes."""
    random, fonts = np.random.default_rng(seed), font_files()
    pages, texts = [], lines_of_text(8 * count, seed)
    for page in range(count):
        mask = Image.new("L", (width, height))
        top = int(random.integers(2, 20))
        while top < height - 20:
            size = int(random.integers(11, 28))
            font = ImageFont.truetype(fonts[random.integers(len(fonts))], size)
            ImageDraw.Draw(mask).text((int(random.integers(2, 40)), top), texts[random.integers(len(texts))], 255, font)
            top += int(size * random.uniform(1.3, 2.2))
        ink = np.asarray(mask, np.float64) / 255
        light, dark = random.uniform(0.7, 1, 3), random.uniform(0, 0.3, 3)
        image = light[:, None, None] * (1 - ink) + dark[:, None, None] * ink
        pages.append(np.clip(image + random.normal(0, 0.02, image.shape), 0, 1))
    return pages
