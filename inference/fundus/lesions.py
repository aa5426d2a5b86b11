"""Lesion evidence: one heat map in the picture's own coordinates, and candidate lesions where its maps peak."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from inference.fundus.retina import Preprocessing, Retina

KINDS = (("microaneurysm", "微动脉瘤"), ("haemorrhage", "出血"), ("hard_exudate", "硬性渗出"), ("soft_exudate", "棉绒斑"))
#: A map must reach this probability for a candidate to be named.
CANDIDATE_FROM = 0.5
MOST_CANDIDATES = 40
#: Longer side of the overlay, pixels.
OVERLAY_SIDE = 768

Floats = npt.NDArray[np.float32]


def heat(maps: Floats) -> Floats:
    """How warm a cell is shown, 0..1: (4, h, w) to (h, w).

    The probability that any lesion lies in the cell, squared: a haze of faint cells would outweigh the few sure ones.
    """
    joint = 1.0 - np.prod(1.0 - maps, axis=0)
    return np.asarray(joint * joint, dtype=np.float32)


def candidates(maps: Floats, retina: Retina, size: tuple[int, int], settings: Preprocessing) -> tuple[dict[str, Any], ...]:
    """Peaks of the lesion maps, strongest first.

    Args:
        maps: probabilities (4, h, w) in the normal form.
        retina: circle in the picture.
        size: width and height of the same picture.
        settings: the normal form.

    Returns:
        kind, name, x and y as shares of the picture's width and height, radius as share of the retina's, probability.
    """
    found = []
    for index, (kind, name) in enumerate(KINDS):
        for row, column in _peaks(maps[index]):
            x, y = _to_picture(column + 0.5, row + 0.5, maps.shape[2], maps.shape[1], retina, settings)
            found.append(
                {
                    "kind": kind,
                    "name": name,
                    "x": round(x / size[0], 4),
                    "y": round(y / size[1], 4),
                    "radius": round(2.0 / maps.shape[2], 4),
                    "probability": round(float(maps[index, row, column]), 4),
                }
            )
    found.sort(key=lambda c: -c["probability"])
    return tuple(found[:MOST_CANDIDATES])


def _peaks(cells: Floats) -> list[tuple[int, int]]:
    padded = np.pad(cells, 1, constant_values=-1.0)
    height, width = cells.shape
    around = [padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    top = (cells >= CANDIDATE_FROM) & np.all([cells >= other for other in around], axis=0)
    return [(int(r), int(c)) for r, c in np.argwhere(top)]


def _to_picture(x: float, y: float, columns: int, rows: int, retina: Retina, settings: Preprocessing) -> tuple[float, float]:
    half = retina.radius * settings.height / settings.diameter
    return retina.x - retina.radius + x / columns * 2 * retina.radius, retina.y - half + y / rows * 2 * half


def overlay_png(rgb: Image.Image, maps: Floats, retina: Retina, settings: Preprocessing) -> bytes:
    """The photograph with its heat map laid over it, PNG bytes."""
    scale = min(1.0, OVERLAY_SIDE / max(rgb.size))
    shown = rgb.resize((max(1, round(rgb.width * scale)), max(1, round(rgb.height * scale))), Image.Resampling.BOX)
    half = retina.radius * settings.height / settings.diameter
    box = [round(v * scale) for v in (retina.x - retina.radius, retina.y - half, retina.x + retina.radius, retina.y + half)]
    warmth = Image.fromarray((np.clip(heat(maps), 0, 1) * 255).astype(np.uint8))
    warmth = warmth.resize((max(1, box[2] - box[0]), max(1, box[3] - box[1])), Image.Resampling.BICUBIC)
    veil = Image.new("L", shown.size)
    veil.paste(warmth, (box[0], box[1]))
    strength = np.asarray(veil, dtype=np.float32)[..., None] / 255.0
    colour = np.concatenate([np.full_like(strength, 255), 220 * (1 - strength), np.zeros_like(strength)], axis=2)
    mixed = np.asarray(shown, dtype=np.float32) * (1 - 0.65 * strength) + colour * 0.65 * strength
    stream = io.BytesIO()
    Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()
