"""Photographs spoilt by rule, for the quality gate: what clinics throw away, from cameras that nobody labelled for quality.

Only EyePACS has quality labels. A gate fitted on them alone takes another camera's softness for a poor photograph (it
refused half of APTOS). So photographs of the other sources stand in as gradable, plain and mildly changed, and the same
photographs, spoilt beyond grading, as not gradable.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from inference.fundus.retina import Retina

Change = Callable[[Image.Image, Retina, np.random.Generator], Image.Image]


def spoilt(rgb: Image.Image, retina: Retina, rng: np.random.Generator) -> Image.Image:
    """One way of making a photograph ungradable, or two at once."""
    ways = list(SPOILING)
    first = ways[int(rng.integers(len(ways)))]
    image = first(rgb, retina, rng)
    if rng.random() < 0.2:
        image = ways[int(rng.integers(len(ways)))](image, retina, rng)
    return compressed(image, rng, 40)


def mild(rgb: Image.Image, retina: Retina, rng: np.random.Generator) -> Image.Image:
    """Fewer lines, slight blur, other light, stronger compression: still a photograph that a doctor would grade."""
    image = rgb
    if rng.random() < 0.6:
        factor = float(rng.uniform(200, 340)) / max(2 * retina.radius, 1)
        if factor < 1:
            size = (max(1, round(rgb.width * factor)), max(1, round(rgb.height * factor)))
            image = image.resize(size, Image.Resampling.BILINEAR).resize(rgb.size, Image.Resampling.BICUBIC)
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(2 * retina.radius * float(rng.uniform(0.001, 0.004))))
    values = np.asarray(image, dtype=np.float32) * float(rng.uniform(0.65, 1.3))
    if rng.random() < 0.3:
        values = veiled(values, float(rng.uniform(0.05, 0.25)), rng)
    return compressed(to_image(values), rng, 50)


def out_of_focus(rgb: Image.Image, retina: Retina, rng: np.random.Generator) -> Image.Image:
    """A blur that takes the smaller vessels away."""
    return rgb.filter(ImageFilter.GaussianBlur(2 * retina.radius * float(rng.uniform(0.014, 0.035))))


def moved(rgb: Image.Image, retina: Retina, rng: np.random.Generator) -> Image.Image:
    """A blur along one line."""
    length, angle = 2 * retina.radius * float(rng.uniform(0.06, 0.14)), float(rng.uniform(0, math.pi))
    values = np.asarray(rgb, dtype=np.float32)
    steps = [round(t) for t in np.linspace(-length / 2, length / 2, 17)]
    shifted = [np.roll(values, (round(s * math.sin(angle)), round(s * math.cos(angle))), (0, 1)) for s in steps]
    return to_image(np.mean(shifted, axis=0)).filter(ImageFilter.GaussianBlur(2 * retina.radius * 0.004))


def too_dark(rgb: Image.Image, retina: Retina, rng: np.random.Generator) -> Image.Image:
    """Little flash through a small pupil: dark, noisy."""
    values = np.asarray(rgb, dtype=np.float32) * float(rng.uniform(0.05, 0.18))
    return to_image(values + rng.normal(0, float(rng.uniform(1, 4)), values.shape) * (values.max(axis=2, keepdims=True) > 2))


def too_bright(rgb: Image.Image, retina: Retina, rng: np.random.Generator) -> Image.Image:
    """Overexposed until the middle is white."""
    values = np.asarray(rgb, dtype=np.float32)
    lit = values.max(axis=2, keepdims=True) > 12
    return to_image(np.where(lit, values * float(rng.uniform(2.4, 4.5)) + float(rng.uniform(20, 90)), values))


def hazy(rgb: Image.Image, retina: Retina, rng: np.random.Generator) -> Image.Image:
    """A cataract: everything behind a bright veil, slightly blurred."""
    blurred = rgb.filter(ImageFilter.GaussianBlur(2 * retina.radius * float(rng.uniform(0.006, 0.015))))
    return to_image(veiled(np.asarray(blurred, dtype=np.float32), float(rng.uniform(0.75, 0.93)), rng))


def covered(rgb: Image.Image, retina: Retina, rng: np.random.Generator) -> Image.Image:
    """More than half of the field behind a lid's shadow or a reflex."""
    angle, offset = float(rng.uniform(0, 2 * math.pi)), retina.radius * float(rng.uniform(-0.45, -0.1))
    y, x = np.mgrid[: rgb.height, : rgb.width]
    along = (x - retina.x) * math.cos(angle) + (y - retina.y) * math.sin(angle)
    share = 1 / (1 + np.exp(-(along - offset) / (retina.radius * float(rng.uniform(0.03, 0.12)))))
    values = np.asarray(rgb, dtype=np.float32)
    lit = values.max(axis=2, keepdims=True) > 12
    cover = values * 0.08 if rng.random() < 0.6 else np.where(lit, 200 + 0.15 * values, values)
    return to_image(values * (1 - share[..., None]) + cover * share[..., None])


SPOILING: tuple[Change, ...] = (out_of_focus, out_of_focus, moved, too_dark, too_bright, hazy, hazy, covered)


def veiled(values: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A veil of one colour over what is lit."""
    colour = rng.uniform([110, 90, 40], [220, 190, 150]).astype(np.float32)
    lit = values.max(axis=2, keepdims=True) > 12
    return np.where(lit, values * (1 - strength) + colour * strength, values)


def compressed(image: Image.Image, rng: np.random.Generator, lowest: int) -> Image.Image:
    """Through JPEG at a random quality."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(rng.integers(lowest, 95)))
    return Image.open(stream).convert("RGB")


def to_image(values: np.ndarray) -> Image.Image:
    """Float values 0..255 to RGB."""
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
