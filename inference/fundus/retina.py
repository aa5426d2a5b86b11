"""Finding the retina and bringing every photograph to one form.

The same function serves training, export and the service. The retina's circle is fitted, scaled to one diameter and
cut to the central band that every camera's frame still shows (so the frame's shape tells nothing); the surround is
filled with one grey and illumination and colour cast are evened out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

#: Side of the small copy on which the circle is fitted, pixels.
FIT_SIDE = 192


@dataclass(frozen=True)
class Preprocessing:
    """Parameters of the normal form; stored in the bundle, never guessed.

    Attributes:
        diameter: the circle's diameter in the normal form, pixels; also the width.
        height: height of the normal form, pixels (the central band).
        rim: share of the radius that is kept; the outermost rim shows reflexes.
        blur: standard deviation of the illumination estimate, as a share of the diameter.
        flatten: 0 keeps the illumination as it is, 1 takes it out altogether.
        gain: contrast after flattening.
        tint: the even colour (red, green, blue in 0..1) that every retina gets.
        mean, std: normalisation to the network's input, of values in 0..1.
    """

    diameter: int = 320
    height: int = 240
    rim: float = 0.97
    blur: float = 0.08
    flatten: float = 1.0
    gain: float = 1.0
    tint: tuple[float, float, float] = (0.5, 0.3, 0.18)
    mean: float = 0.5
    std: float = 0.5


def preprocessing_from(entry: Mapping[str, Any]) -> Preprocessing:
    """Read the parameters from JSON; an unknown name is refused."""
    values = dict(entry)
    if "tint" in values:
        red, green, blue = values["tint"]
        values["tint"] = (float(red), float(green), float(blue))
    return Preprocessing(**values)


@dataclass(frozen=True)
class Retina:
    """The retina's circle in a picture, in its pixels.

    Attributes:
        x, y, radius: the circle.
        roundness: share of rim points that lie on the circle (0 where no rim was seen).
        fill: share of the circle's central band that the picture shows.
        contrast: mean brightness inside against the background, 0..255.
    """

    x: float
    y: float
    radius: float
    roundness: float
    fill: float
    contrast: float


#: Where the lit part is smaller than this share of the picture, the circle is fitted again on the lit part alone.
REFIT_BELOW = 0.93


def find_retina(rgb: Image.Image) -> Retina:
    """Fit the retina's circle, the same under any width of black border.

    The first fit finds the lit part; where a border surrounds it, a second one on that part alone has the resolution that
    a picture without border gets.
    """
    retina, (left, top, right, bottom) = _fit_retina(rgb)
    if max(right - left, bottom - top) >= REFIT_BELOW * max(rgb.size) or min(right - left, bottom - top) < 16:
        return retina
    inner, _ = _fit_retina(rgb.crop((left, top, right, bottom)))
    return replace(inner, x=inner.x + left, y=inner.y + top)


def _fit_retina(rgb: Image.Image) -> tuple[Retina, tuple[int, int, int, int]]:
    """The circle, and the box (left, top, right, bottom) of the lit part in pixels.

    A threshold over the dark surround, the connected part around the middle, then a trimmed least-squares circle
    through the rim points row by row (photographs cut above and below) or column by column (cut left and right).
    Where the picture shows no rim the bounding box stands in.
    """
    scale = FIT_SIDE / max(rgb.size)
    small = rgb.resize((max(8, round(rgb.width * scale)), max(8, round(rgb.height * scale))), Image.Resampling.BOX)
    value = np.asarray(small.filter(ImageFilter.BoxBlur(1)), dtype=np.float32).max(axis=2)
    level = float(np.percentile(value, 95))
    floor = float(np.percentile(value, 1))
    mask = value > max(14.0, min(floor, 40.0) + 0.16 * (level - min(floor, 40.0)))
    mask = _connected(mask)
    if mask.sum() < 64:
        return Retina(rgb.width / 2, rgb.height / 2, max(rgb.size) / 2, 0.0, 0.0, 0.0), (0, 0, *rgb.size)
    inside = float(value[mask].mean())
    outside = float(value[~mask].mean()) if (~mask).any() else 0.0
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, right = mask.argmax(axis=1)[rows], width - 1 - mask[:, ::-1].argmax(axis=1)[rows]
    top, bottom = mask.argmax(axis=0)[columns], height - 1 - mask[::-1].argmax(axis=0)[columns]
    by_row = np.concatenate([np.stack([left, rows + 0.5], 1), np.stack([right + 1, rows + 0.5], 1)]).astype(np.float64)
    by_column = np.concatenate([np.stack([columns + 0.5, top], 1), np.stack([columns + 0.5, bottom + 1], 1)]).astype(np.float64)
    box_radius = max(columns[-1] - columns[0], rows[-1] - rows[0]) / 2 + 0.5
    best: tuple[float, float, float, float] | None = None
    for points in (by_row, by_column):
        kept = points[(points[:, 0] > 2) & (points[:, 0] < width - 2) & (points[:, 1] > 2) & (points[:, 1] < height - 2)]
        fit = _fit_circle(kept, len(points))
        if fit is None or not 0.75 * box_radius <= fit[2] <= 1.6 * box_radius:
            continue
        if best is None or fit[3] > best[3] + 0.05:
            best = fit
    if best is None:
        x, y, radius, roundness = (columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2, box_radius, 0.0
    else:
        x, y, radius, roundness = best
    grid_y, grid_x = np.mgrid[y - 0.7 * radius : y + 0.7 * radius : 25j, x - 0.7 * radius : x + 0.7 * radius : 25j]
    within = (grid_x >= 0) & (grid_x < width) & (grid_y >= 0) & (grid_y < height)
    seen = mask[np.clip(grid_y.astype(int), 0, height - 1), np.clip(grid_x.astype(int), 0, width - 1)] & within
    box = (
        max(0, math.floor((columns[0] - 1) / scale)),
        max(0, math.floor((rows[0] - 1) / scale)),
        min(rgb.width, math.ceil((columns[-1] + 2) / scale)),
        min(rgb.height, math.ceil((rows[-1] + 2) / scale)),
    )
    return Retina(x / scale, y / scale, radius / scale, roundness, float(seen.mean()), inside - outside), box


def _connected(mask: np.ndarray) -> np.ndarray:
    """The part of the mask that hangs together with its central third (whole mask where the middle is empty)."""
    height, width = mask.shape
    seed = np.zeros_like(mask)
    seed[height // 3 : height - height // 3, width // 3 : width - width // 3] = True
    seed &= mask
    if not seed.any():
        return mask
    count = -1
    grown = seed
    while count != (count := int(grown.sum())):
        for _ in range(8):
            wide = grown.copy()
            wide[1:] |= grown[:-1]
            wide[:-1] |= grown[1:]
            wide[:, 1:] |= grown[:, :-1]
            wide[:, :-1] |= grown[:, 1:]
            grown = wide & mask
    return grown


def _fit_circle(points: np.ndarray, possible: int) -> tuple[float, float, float, float] | None:
    """Trimmed algebraic fit; x, y, radius and the share of all possible rim points that lie within 2 % of it."""
    if len(points) < 24:
        return None
    kept = points
    x = y = radius = 0.0
    for share in (None, 0.08, 0.04, 0.025, 0.025):
        if share is not None:
            off = np.abs(np.hypot(points[:, 0] - x, points[:, 1] - y) - radius)
            limit = max(share * radius, float(np.percentile(off, 40)))
            kept = points[off <= limit]
        if len(kept) < 24:
            return None
        design = np.column_stack([kept, np.ones(len(kept))])
        solution, *_ = np.linalg.lstsq(design, (kept**2).sum(axis=1), rcond=None)
        x, y = float(solution[0]) / 2, float(solution[1]) / 2
        squared = float(solution[2]) + x * x + y * y
        if squared <= 0:
            return None
        radius = float(np.sqrt(squared))
    good = np.abs(np.hypot(points[:, 0] - x, points[:, 1] - y) - radius) <= max(1.0, 0.02 * radius)
    share_good = float(good.sum()) / possible
    return (x, y, radius, share_good) if good.sum() >= 20 else None


def crop(rgb: Image.Image, retina: Retina, diameter: int, height: int) -> tuple[Image.Image, np.ndarray]:
    """The band around the circle at one scale, and which of its pixels the picture shows.

    Returns:
        The band as RGB `diameter` x `height`, and a bool mask (height, diameter) of pixels that lie in the picture.
    """
    half = retina.radius * height / diameter
    box = (retina.x - retina.radius, retina.y - half, retina.x + retina.radius, retina.y + half)
    pad = max(0, *(int(np.ceil(v)) for v in (-box[0], -box[1], box[2] - rgb.width, box[3] - rgb.height)))
    source = rgb
    if pad:
        source = Image.new("RGB", (rgb.width + 2 * pad, rgb.height + 2 * pad))
        source.paste(rgb, (pad, pad))
    moved = (box[0] + pad, box[1] + pad, box[2] + pad, box[3] + pad)
    band = source.resize((diameter, height), Image.Resampling.BICUBIC, box=moved, reducing_gap=3.0)
    step = 2 * retina.radius / diameter
    xs = box[0] + (np.arange(diameter) + 0.5) * step
    ys = box[1] + (np.arange(height) + 0.5) * step
    shown = ((ys >= 0) & (ys < rgb.height))[:, None] & ((xs >= 0) & (xs < rgb.width))[None, :]
    return band, shown


def disc(diameter: int, height: int, rim: float, band: float = 1.0) -> np.ndarray:
    """Bool mask (height, diameter): the circle's inner `rim`, of which `band` of the height is kept."""
    y = (np.arange(height) + 0.5 - height / 2)[:, None]
    x = (np.arange(diameter) + 0.5 - diameter / 2)[None, :]
    return (np.hypot(y, x) <= rim * diameter / 2) & (np.abs(y) <= band * height / 2)


def even_out(band: np.ndarray, valid: np.ndarray, settings: Preprocessing) -> np.ndarray:
    """Take out uneven light and colour cast; grey outside `valid`.

    Args:
        band: uint8 (height, width, 3).
        valid: bool (height, width).
        settings: blur, flatten and gain are used.

    Returns:
        float32 (height, width, 3) in 0..1, 0.5 outside.
    """
    values = band.astype(np.float32) / 255.0
    if settings.flatten > 0:
        ground = _illumination(band, valid, settings.blur * band.shape[1])
        # Weber contrast: a haemorrhage on a dark retina counts as much as on a bright one. Blue is nearly empty in most
        # photographs, so no channel is divided by less than a third of the strongest.
        divisor = np.maximum(ground, np.maximum(0.35 * ground.max(axis=2, keepdims=True), 0.04))
        flat = np.asarray(settings.tint, dtype=np.float32) * (1 + settings.gain * (values - ground) / divisor)
        values = settings.flatten * flat + (1 - settings.flatten) * values
    values = np.clip(values, 0.0, 1.0)
    values[~valid] = 0.5
    return values


#: The illumination is estimated on a copy reduced by this factor.
COARSE = 4


def _illumination(band: np.ndarray, valid: np.ndarray, sigma: float) -> np.ndarray:
    """Wide blur of the valid pixels alone, 0..1: float32 (height, width, 3)."""
    height, width, _ = band.shape
    size = (width // COARSE, height // COARSE)
    seen = Image.fromarray(band * valid[..., None].astype(np.uint8)).resize(size, Image.Resampling.BOX)
    share = Image.fromarray(valid.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    small = np.dstack([np.asarray(seen), np.asarray(share)]).astype(np.float32) / 255.0
    radius = max(1, round(sigma / COARSE))
    for _ in range(3):
        for axis in (0, 1):
            small = _box(small, radius, axis)
    ground = small[..., :3] / np.maximum(small[..., 3:], 1e-3)
    planes = [Image.fromarray(ground[..., c]).resize((width, height), Image.Resampling.BILINEAR) for c in range(3)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _box(values: np.ndarray, radius: int, axis: int) -> np.ndarray:
    """Moving average over 2 radius + 1 samples along one axis; edges repeat. Three passes are close to a Gaussian."""
    pad = [(0, 0)] * values.ndim
    pad[axis] = (radius + 1, radius)
    total = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis, dtype=np.float32)
    length = values.shape[axis]
    upper = np.take(total, np.arange(2 * radius + 1, 2 * radius + 1 + length), axis=axis)
    lower = np.take(total, np.arange(length), axis=axis)
    return (upper - lower) / (2 * radius + 1)


def network_input(values: np.ndarray, settings: Preprocessing) -> np.ndarray:
    """float32 (height, width, 3) in 0..1 to (3, height, width), normalised for the network."""
    return np.ascontiguousarray(((values - settings.mean) / settings.std).transpose(2, 0, 1), dtype=np.float32)


def normal_form(rgb: Image.Image, settings: Preprocessing) -> tuple[np.ndarray, np.ndarray, Retina]:
    """The whole way from picture to evened band.

    Returns:
        values float32 (height, diameter, 3) in 0..1, the valid mask (height, diameter), and the circle found.
    """
    retina = find_retina(rgb)
    band, shown = crop(rgb, retina, settings.diameter, settings.height)
    valid = shown & disc(settings.diameter, settings.height, settings.rim)
    return even_out(np.asarray(band), valid, settings), valid, retina
