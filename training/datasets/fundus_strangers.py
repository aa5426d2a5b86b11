"""Pictures that are no fundus photographs, drawn by rule: what a clinic's folder may hold beside them.

The corpora's own strangers are few; these teach the gate kinds that they lack (irises, X-rays, documents, charts,
coloured discs and scenes in a round black frame, pieces of fundus photographs put together wrongly).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = (384, 320)


def iris_like(rng: np.random.Generator) -> Image.Image:
    """An eye from outside: skin, white, coloured iris with radial fibres, black pupil, a reflex."""
    width, height = SIZE
    image = Image.new("RGB", SIZE, tuple(int(v) for v in rng.uniform([170, 120, 90], [230, 180, 150])))
    draw = ImageDraw.Draw(image)
    cx, cy, r = width / 2, height / 2, float(rng.uniform(70, 130))
    if rng.random() < 0.7:
        draw.ellipse([cx - 1.6 * r, cy - r * 0.9, cx + 1.6 * r, cy + r * 0.9], fill=(235, 228, 222))
    base = rng.uniform([40, 40, 20], [160, 130, 140])
    draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=tuple(int(v) for v in base))
    for angle in rng.uniform(0, 2 * np.pi, 160):
        shade = base * float(rng.uniform(0.6, 1.4))
        a, b = 0.4 * r, r * float(rng.uniform(0.7, 1.0))
        line = [cx + a * np.cos(angle), cy + a * np.sin(angle), cx + b * np.cos(angle), cy + b * np.sin(angle)]
        draw.line(line, fill=tuple(int(v) for v in np.clip(shade, 0, 255)), width=2)
    p = r * float(rng.uniform(0.25, 0.55))
    draw.ellipse([cx - p, cy - p, cx + p, cy + p], fill=(8, 6, 6))
    draw.ellipse([cx - p * 0.5, cy - p * 0.8, cx - p * 0.1, cy - p * 0.4], fill=(250, 250, 250))
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2))))


def xray_like(rng: np.random.Generator) -> Image.Image:
    """A grey chest: two dark lungs, ribs, a bright middle; sometimes tinted."""
    image = Image.new("L", SIZE, int(rng.integers(20, 90)))
    draw = ImageDraw.Draw(image)
    draw.rectangle([60, 20, 324, 310], fill=int(rng.integers(120, 190)))
    for x in (75, 205):
        draw.ellipse([x, 40, x + 105, 280], fill=int(rng.integers(30, 80)))
    for k in range(8):
        draw.arc([50, 30 + 30 * k, 334, 130 + 30 * k], 200, 340, fill=int(rng.integers(130, 200)), width=5)
    draw.rectangle([178, 20, 206, 310], fill=210)
    grey = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 5))))
    if rng.random() < 0.5:
        return grey.convert("RGB")
    tint = rng.uniform(0.5, 1.0, 3)
    return Image.fromarray((np.asarray(grey)[..., None] * tint).astype(np.uint8))


def document(rng: np.random.Generator) -> Image.Image:
    """Lines of text-like dashes on paper."""
    image = Image.new("RGB", SIZE, tuple(int(v) for v in rng.uniform(190, 255, 3)))
    draw = ImageDraw.Draw(image)
    for y in range(12, 310, int(rng.integers(11, 24))):
        x = 15
        while x < 360:
            w = int(rng.integers(4, 40))
            draw.rectangle([x, y, min(x + w, 368), y + 5], fill=tuple(int(v) for v in rng.uniform(0, 90, 3)))
            x += w + int(rng.integers(3, 12))
    return image


def shapes(rng: np.random.Generator) -> Image.Image:
    """Coloured rectangles, ellipses and triangles: charts, toys, furniture."""
    image = Image.new("RGB", SIZE, tuple(int(v) for v in rng.uniform(0, 255, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 25))):
        x, y = float(rng.uniform(-40, 360)), float(rng.uniform(-40, 300))
        w, h = rng.uniform(15, 180, 2)
        colour = tuple(int(v) for v in rng.uniform(0, 255, 3))
        kind = rng.random()
        if kind < 0.4:
            draw.rectangle([x, y, x + w, y + h], fill=colour)
        elif kind < 0.75:
            draw.ellipse([x, y, x + w, y + h], fill=colour)
        else:
            draw.polygon([(x, y), (x + w, y + h / 3), (x + w / 2, y + h)], fill=colour)
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 2))))


def furry(rng: np.random.Generator) -> Image.Image:
    """Fur, grass and cloth: oriented noise over soft patches of warm colour, with two eye-like spots at times."""
    width, height = SIZE
    coarse = Image.fromarray(rng.integers(40, 230, (6, 7, 3)).astype(np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    noise = Image.fromarray(rng.integers(0, 255, (height // 3, width)).astype(np.uint8)).resize(SIZE)
    hair = np.asarray(noise.rotate(float(rng.uniform(0, 180))).filter(ImageFilter.GaussianBlur(1)), dtype=np.float32) - 128
    warm = np.array([1.0, float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.3, 1.0))])
    values = np.asarray(coarse.convert("L"), dtype=np.float32)[..., None] * warm + hair[..., None] * float(rng.uniform(0.2, 0.8))
    image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        draw = ImageDraw.Draw(image)
        for x in (140, 230):
            draw.ellipse([x, 120, x + 30, 150], fill=(190, 190, 60))
            draw.ellipse([x + 10, 122, x + 19, 148], fill=(5, 5, 5))
    return image


def stripes(rng: np.random.Generator) -> Image.Image:
    """Stripes, checks, bricks and gradients in two colours."""
    width, height = SIZE
    y, x = np.mgrid[0:height, 0:width]
    p = int(rng.integers(8, 60))
    kind = int(rng.integers(0, 5))
    pattern = [
        (x // p) % 2,
        ((x // p) + (y // p)) % 2,
        ((y % p < 3) | ((x + (y // p % 2) * p) % (2 * p) < 3)).astype(int),
        x / width,
        np.hypot(x - width / 2, y - height / 2) / width,
    ][kind]
    a, b = rng.uniform(0, 255, (2, 3))
    return Image.fromarray((a + (b - a) * np.asarray(pattern, dtype=np.float32)[..., None]).astype(np.uint8))


def plain_disc(rng: np.random.Generator) -> Image.Image:
    """An even disc, often in a retina's colours, on black."""
    image = Image.new("RGB", SIZE)
    low, high = ([120, 40, 10], [230, 130, 80]) if rng.random() < 0.6 else ([0, 0, 0], [255, 255, 255])
    colour = tuple(int(v) for v in rng.uniform(low, high))
    r = float(rng.uniform(110, 158))
    ImageDraw.Draw(image).ellipse([192 - r, 160 - r, 192 + r, 160 + r], fill=colour)
    values = np.asarray(image, dtype=np.float32) + rng.normal(0, float(rng.uniform(0, 12)), (SIZE[1], SIZE[0], 3))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 3))))


def noise(rng: np.random.Generator) -> Image.Image:
    """Noise at one grain, or stars on black."""
    grain = int(rng.integers(1, 24))
    small = rng.integers(0, 255, (SIZE[1] // grain + 1, SIZE[0] // grain + 1, 3))
    if rng.random() < 0.3:
        small = np.where(rng.random(small.shape[:2])[..., None] > 0.96, small, 0)
    return Image.fromarray(small.astype(np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)


def sample_scenes() -> list[Image.Image]:
    """The two ordinary photographs that scikit-learn ships."""
    from sklearn.datasets import load_sample_images

    return [Image.fromarray(np.asarray(i)) for i in load_sample_images().images]


def scene(rng: np.random.Generator, scenes: Sequence[Image.Image]) -> Image.Image:
    """A random piece of an ordinary photograph, its colours moved about."""
    whole = scenes[int(rng.integers(0, len(scenes)))]
    w = int(rng.uniform(0.3, 1.0) * whole.width)
    h = int(w * rng.uniform(0.6, 0.8))
    x, y = int(rng.integers(0, whole.width - w + 1)), int(rng.integers(0, max(1, whole.height - h + 1)))
    piece = np.asarray(whole.crop((x, y, x + w, y + h)).resize(SIZE, Image.Resampling.BICUBIC), dtype=np.float32)
    if rng.random() < 0.4:
        piece = piece.mean(axis=2, keepdims=True) * rng.uniform([0.7, 0.3, 0.1], [1.2, 0.8, 0.5])
    return Image.fromarray(np.clip(piece * rng.uniform(0.7, 1.3), 0, 255).astype(np.uint8))


def jumbled(rng: np.random.Generator, photograph: Image.Image) -> Image.Image:
    """A fundus photograph cut into tiles and put together wrongly: right colours, no anatomy."""
    small = photograph.resize((384, 384))
    tiles = [small.crop((x, y, x + 48, y + 48)) for y in range(48, 336, 48) for x in range(48, 336, 48)]
    out = Image.new("RGB", (288, 288))
    for place, index in enumerate(rng.permutation(len(tiles))):
        out.paste(tiles[index].rotate(90 * int(rng.integers(0, 4))), (place % 6 * 48, place // 6 * 48))
    return out


def round_frame(image: Image.Image) -> Image.Image:
    """The picture inside a round black frame, as a fundus camera would show it."""
    side = min(image.size)
    x, y = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((x, y, x + side, y + side))
    mask = Image.new("L", square.size)
    ImageDraw.Draw(mask).ellipse([1, 1, side - 2, side - 2], fill=255)
    out = Image.new("RGB", square.size)
    out.paste(square, mask=mask)
    return out


DRAWN: tuple[Callable[[np.random.Generator], Image.Image], ...] = (
    iris_like,
    xray_like,
    document,
    shapes,
    furry,
    stripes,
    plain_disc,
    noise,
)


def strangers(count: int, seed: int, photographs: Sequence[Image.Image] = ()) -> list[tuple[str, Image.Image]]:
    """`count` pictures with the name of their kind; half of them in a round frame."""
    rng = np.random.default_rng(seed)
    scenes = sample_scenes()
    out: list[tuple[str, Image.Image]] = []
    for i in range(count):
        kind = i % (len(DRAWN) + 2)
        if kind < len(DRAWN):
            name, image = DRAWN[kind].__name__, DRAWN[kind](rng)
        elif kind == len(DRAWN) or not photographs:
            name, image = "scene", scene(rng, scenes)
        else:
            name, image = "jumbled", jumbled(rng, photographs[int(rng.integers(0, len(photographs)))])
        out.append((name, round_frame(image) if rng.random() < 0.5 and name != "plain_disc" else image))
    return out
