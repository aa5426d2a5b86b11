"""A photograph as training keeps it: a square around the retina's circle, from which every augmented view is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from inference.fundus.retina import Retina

#: Half a square's side in radii of the circle: what the largest turn, scale and shift of a view can reach.
REACH = 1.16
#: Side of a square in pixels; the circle then measures about 358, more lines than most photographs of the corpora hold.
SIDE = 416


def square(rgb: Image.Image, retina: Retina, side: int = SIDE) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """The square around the circle, and what of it the picture shows.

    Returns:
        uint8 (side, side, 3), black where the picture ends, and the picture's left, top, right and lower edge in radii from
        the circle's middle.
    """
    moved = _moved(rgb, retina, side, Image.Resampling.BICUBIC)
    edges = (-retina.x, -retina.y, rgb.width - retina.x, rgb.height - retina.y)
    left, top, right, lower = (edge / max(retina.radius, 1e-6) for edge in edges)
    return np.asarray(moved), (left, top, right, lower)


def square_masks(masks: Sequence[Image.Image], retina: Retina, side: int = SIDE) -> np.ndarray:
    """Masks (mode L) of the photograph's size under the same geometry: uint8 (masks, side, side), 0..255."""
    return np.stack([np.asarray(_moved(mask, retina, side, Image.Resampling.BILINEAR)) for mask in masks])


def _moved(image: Image.Image, retina: Retina, side: int, resampling: Image.Resampling) -> Image.Image:
    half = REACH * retina.radius
    box = (retina.x - half, retina.y - half, retina.x + half, retina.y + half)
    pad = max(0, *(int(np.ceil(v)) for v in (-box[0], -box[1], box[2] - image.width, box[3] - image.height)))
    padded = Image.new(image.mode, (image.width + 2 * pad, image.height + 2 * pad))
    padded.paste(image, (pad, pad))
    moved = (box[0] + pad, box[1] + pad, box[2] + pad, box[3] + pad)
    return padded.resize((side, side), resampling, box=moved, reducing_gap=3.0)
