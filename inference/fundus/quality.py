"""Measures of a photograph that need no network: focus, light, field, colour.

They feed the two gates (is it a fundus photograph; can it be graded) beside the network's features, and they give the
reason that is told when a gate closes.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from PIL import Image

from inference.fundus.retina import Preprocessing, Retina, crop, disc, even_out


@dataclass(frozen=True)
class Measures:
    """All without unit; brightness in 0..1.

    Attributes:
        focus: log of the Laplacian's variance in evened green; higher is sharper.
        detail: fine (1-2 px) against coarse (4-8 px) structure in evened green.
        structure: standard deviation of evened green.
        vessels: how far the darkest 2 % of evened green lie below the middle.
        brightness: mean green in the circle.
        red, blue: mean of the channels.
        warm: share of the circle where red > green > blue.
        dark, bright: share of the circle with green under 0.08, over 0.95.
        uneven: spread of the light over blocks, relative to its mean.
        chroma: mean of (max - min) over channels.
        roundness, fill, contrast: of the circle found (contrast in 0..1).
    """

    focus: float
    detail: float
    structure: float
    vessels: float
    brightness: float
    red: float
    blue: float
    warm: float
    dark: float
    bright: float
    uneven: float
    chroma: float
    roundness: float
    fill: float
    contrast: float

    def values(self) -> list[float]:
        """The measures in the order of `names`."""
        return [float(v) for v in astuple(self)]

    @staticmethod
    def names() -> list[str]:
        """Names of the measures, in order."""
        return [f.name for f in fields(Measures)]


def describe(rgb: Image.Image, retina: Retina, settings: Preprocessing) -> Measures:
    """Measure a photograph in its normal form."""
    band_image, shown = crop(rgb, retina, settings.diameter, settings.height)
    band = np.asarray(band_image)
    valid = shown & disc(settings.diameter, settings.height, settings.rim)
    return measure(band, valid, even_out(band, valid, settings), retina)


def measure(band: np.ndarray, valid: np.ndarray, evened: np.ndarray, retina: Retina) -> Measures:
    """Measures from the band (uint8), its valid mask and its evened form."""
    inner = valid.copy()
    for axis in (0, 1):
        for shift in (-6, 6):
            inner &= np.roll(valid, shift, axis)
    if inner.sum() < 100:
        return Measures(-12.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, retina.roundness, retina.fill, 0.0)
    green = evened[..., 1]
    laplace = np.zeros_like(green)
    laplace[1:-1, 1:-1] = 4 * green[1:-1, 1:-1] - green[:-2, 1:-1] - green[2:, 1:-1] - green[1:-1, :-2] - green[1:-1, 2:]
    fine = green - _smooth(green, 1)
    coarse = _smooth(green, 2) - _smooth(green, 6)
    colours = band.astype(np.float32)[inner] / 255.0
    raw_green = band[..., 1].astype(np.float32) / 255.0
    rows, columns = green.shape[0] // 6, green.shape[1] // 8
    blocks = (raw_green * inner)[: rows * 6, : columns * 8].reshape(6, rows, 8, columns).sum((1, 3))
    counts = inner[: rows * 6, : columns * 8].reshape(6, rows, 8, columns).sum((1, 3))
    lit = blocks[counts > rows * columns / 2] / counts[counts > rows * columns / 2]
    values = green[inner]
    low, middle = np.percentile(values, [2, 50])
    return Measures(
        focus=float(np.log(laplace[inner].var() + 1e-6)),
        detail=float(fine[inner].std() / (coarse[inner].std() + 0.004)),
        structure=float(values.std()),
        vessels=float(middle - low),
        brightness=float(colours[:, 1].mean()),
        red=float(colours[:, 0].mean()),
        blue=float(colours[:, 2].mean()),
        warm=float(((colours[:, 0] > colours[:, 1]) & (colours[:, 1] >= colours[:, 2])).mean()),
        dark=float((colours[:, 1] < 0.08).mean()),
        bright=float((colours[:, 1] > 0.95).mean()),
        uneven=float(lit.std() / (lit.mean() + 0.02)) if lit.size else 0.0,
        chroma=float((colours.max(1) - colours.min(1)).mean()),
        roundness=retina.roundness,
        fill=retina.fill,
        contrast=retina.contrast / 255.0,
    )


def _smooth(values: np.ndarray, radius: int) -> np.ndarray:
    """Box mean over 2 radius + 1 pixels each way, edges wrapped (they are masked out)."""
    out = values
    for axis in (0, 1):
        total = sum(np.roll(out, s, axis) for s in range(-radius, radius + 1))
        out = np.asarray(total, dtype=np.float32) / (2 * radius + 1)
    return out
