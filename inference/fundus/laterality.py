"""Which eye: from the optic disc's side, where it can be told; a claim is made only with a clear margin."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

#: Share of the radius that the disc must lie off the middle, and its lead over the other side.
OFF_CENTRE = 0.35
LEAD = 1.25


def eye_from_disc(band: np.ndarray, valid: np.ndarray) -> Literal["left", "right"] | None:
    """The eye of a macula-centred photograph that is not mirrored: the disc lies on the nasal side.

    Args:
        band: uint8 (height, width, 3), the normal form before evening.
        valid: bool (height, width).
    """
    height, width, _ = band.shape
    size = (64, round(64 * height / width))
    small = np.asarray(Image.fromarray(band).resize(size, Image.Resampling.BOX), dtype=np.float32)
    seen = np.asarray(Image.fromarray(valid.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)) > 250
    light = 0.4 * small[..., 0] + 0.6 * small[..., 1]
    light = np.where(seen, light, light[seen].mean() if seen.any() else 0.0)
    # A disc is about a seventh of the diameter wide: nine cells here, against the light of its wider surroundings.
    disc_light = _mean(light, 3) - _mean(light, 12)
    rows = slice(size[1] // 5, size[1] - size[1] // 5)
    disc_light = np.where(seen, disc_light, -np.inf)[rows]
    row, column = np.unravel_index(int(np.argmax(disc_light)), disc_light.shape)
    offset = (column + 0.5) / size[0] * 2 - 1
    if abs(offset) < OFF_CENTRE:
        return None
    other = disc_light[:, : size[0] // 2] if offset > 0 else disc_light[:, size[0] // 2 :]
    if disc_light[row, column] <= 2.0 or disc_light[row, column] < LEAD * max(float(other.max()), 0.0):
        return None
    return "right" if offset > 0 else "left"


def _mean(values: np.ndarray, radius: int) -> np.ndarray:
    out = np.pad(values, radius, mode="edge")
    for axis in (0, 1):
        total = np.cumsum(np.insert(out, 0, 0, axis=axis), axis=axis)
        n = total.shape[axis] - (2 * radius + 1)
        out = (np.take(total, np.arange(2 * radius + 1, 2 * radius + 1 + n), axis) - np.take(total, np.arange(n), axis)) / (2 * radius + 1)
    return out
