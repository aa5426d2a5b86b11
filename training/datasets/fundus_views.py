"""Augmented views that take away camera, colour, sharpness, compression, light and frame as clues.

Every view goes through the same `even_out` that the service uses. Settings follow the fundus-artefact augmentation of
Che et al., "Towards Generalizable Diabetic Retinopathy Grading in Unseen Domains" (2023), with random loss of lines,
JPEG and a random cut of the band above and below added.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from inference.fundus.retina import Preprocessing, Retina, disc, even_out


def augmented_view(
    rgb: Image.Image, retina: Retina, settings: Preprocessing, rng: np.random.Generator, masks: Sequence[Image.Image] = ()
) -> tuple[np.ndarray, list[np.ndarray]]:
    """One random view.

    Args:
        rgb: the photograph.
        retina: its circle.
        settings: the normal form.
        rng: source of every random choice.
        masks: lesion masks (mode L) of the photograph's size.

    Returns:
        float32 (height, diameter, 3) in 0..1, and the masks as bool (height, diameter) under the same geometry.
    """
    image, circle, moved_masks = _lose_lines(rgb, retina, rng, masks)
    if rng.random() < 0.5:
        image = _jpeg(image, int(rng.integers(30, 95)))
    diameter, height = settings.diameter, settings.height
    coefficients = _geometry(circle, diameter, rng, height)
    shape = (diameter, height)
    band = image.transform(shape, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
    shown = np.asarray(Image.new("L", image.size, 255).transform(shape, Image.Transform.AFFINE, coefficients, Image.Resampling.NEAREST))
    turned = [np.asarray(m.transform(shape, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)) > 80 for m in moved_masks]
    band = _blur_or_sharpen(band, rng)
    values = _colour(np.asarray(band, dtype=np.float32) / 255.0, rng)
    values = _light(values, rng)
    cut = float(rng.uniform(0.80, 1.0)) if rng.random() < 0.6 else 1.0
    valid = (shown > 0) & disc(diameter, height, settings.rim * float(rng.uniform(0.95, 1.0)), cut)
    out = even_out((np.clip(values, 0, 1) * 255).astype(np.uint8), valid, settings)
    if rng.random() < 0.5:
        # Haze and contrast differ between cameras also after flattening.
        middle = np.asarray(settings.tint, dtype=np.float32)
        out = middle + (out - middle) * float(rng.uniform(0.7, 1.4)) + rng.normal(0, 0.015, 3).astype(np.float32)
        out = np.clip(out, 0, 1)
        out[~valid] = 0.5
    return out.astype(np.float32), turned


def _lose_lines(
    rgb: Image.Image, retina: Retina, rng: np.random.Generator, masks: Sequence[Image.Image]
) -> tuple[Image.Image, Retina, list[Image.Image]]:
    if rng.random() < 0.5:
        return rgb, retina, list(masks)
    factor = float(rng.uniform(200, 384)) / max(2 * retina.radius, 1)
    if factor >= 1:
        return rgb, retina, list(masks)
    size = (max(16, round(rgb.width * factor)), max(16, round(rgb.height * factor)))
    small = rgb.resize(size, Image.Resampling.BILINEAR)
    circle = Retina(retina.x * factor, retina.y * factor, retina.radius * factor, retina.roundness, retina.fill, retina.contrast)
    return small, circle, [m.resize(size, Image.Resampling.BILINEAR) for m in masks]


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def _geometry(circle: Retina, diameter: int, rng: np.random.Generator, height: int) -> tuple[float, ...]:
    """Affine coefficients from output to input pixels: flips, a small turn, scale, shift and squeeze."""
    angle = math.radians(float(rng.uniform(-20, 20)))
    step = 2 * circle.radius / diameter * float(rng.uniform(0.9, 1.06))
    squeeze = float(rng.uniform(0.96, 1.04))
    flip_x, flip_y = (1 if rng.random() < 0.5 else -1), (1 if rng.random() < 0.5 else -1)
    a, b = step * squeeze * math.cos(angle) * flip_x, -step / squeeze * math.sin(angle) * flip_y
    d, e = step * squeeze * math.sin(angle) * flip_x, step / squeeze * math.cos(angle) * flip_y
    x = circle.x + circle.radius * float(rng.uniform(-0.05, 0.05))
    y = circle.y + circle.radius * float(rng.uniform(-0.04, 0.04))
    return (a, b, x - a * diameter / 2 - b * height / 2, d, e, y - d * diameter / 2 - e * height / 2)


def _blur_or_sharpen(band: Image.Image, rng: np.random.Generator) -> Image.Image:
    kind = rng.random()
    if kind < 0.3:
        return band.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.6))))
    if kind < 0.5:
        return ImageEnhance.Sharpness(band).enhance(float(rng.uniform(1.2, 3.0)))
    return band


def _colour(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation, gamma, channel gains and noise."""
    if rng.random() < 0.4:
        values = values * float(rng.uniform(0.5, 1.5))
    if rng.random() < 0.4:
        values = np.clip(values, 0, 1) ** float(rng.uniform(0.7, 1.5))
    if rng.random() < 0.4:
        grey = values.mean(axis=2, keepdims=True)
        values = grey + (values - grey) * float(rng.uniform(0.4, 1.6))
    if rng.random() < 0.5:
        values = values * rng.uniform(0.8, 1.2, 3).astype(np.float32)
    if rng.random() < 0.3:
        values = values + float(rng.uniform(0.0, 0.15))
    if rng.random() < 0.3:
        values = values + rng.normal(0, float(rng.uniform(0.005, 0.03)), values.shape).astype(np.float32)
    return values


def _light(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Halo at the rim, a bright spot, a dark hole: the artefacts of small pupils and lenses."""
    height, width, _ = values.shape
    y, x = np.mgrid[-height / 2 : height / 2, -width / 2 : width / 2].astype(np.float32) / (width / 2)
    if rng.random() < 0.25:
        rim = np.clip((np.hypot(y, x) - float(rng.uniform(0.6, 0.85))) / 0.3, 0, 1) ** 2
        colour = np.array([1.0, 0.9, 0.7], dtype=np.float32) * float(rng.uniform(0.1, 0.5))
        values = values + rim[..., None] * colour
    if rng.random() < 0.25:
        spot = _blob(y, x, rng, (0.05, 0.4))
        values = values + spot[..., None] * float(rng.uniform(0.05, 0.4))
    if rng.random() < 0.25:
        hole = _blob(y, x, rng, (0.2, 0.6))
        values = values * (1 - hole[..., None] * float(rng.uniform(0.2, 0.7)))
    return values


def _blob(y: np.ndarray, x: np.ndarray, rng: np.random.Generator, size: tuple[float, float]) -> np.ndarray:
    cy, cx, r = float(rng.uniform(-0.7, 0.7)), float(rng.uniform(-0.9, 0.9)), float(rng.uniform(*size))
    return np.asarray(np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * r * r)), dtype=np.float32)
