"""Augmented views that take away camera, colour, sharpness, compression, light and frame as clues, drawn in batches by torch.

Every view goes through the same evening-out as the service's (`even_out`, here for batches). Settings follow the fundus-artefact
augmentation of Che et al., "Towards Generalizable Diabetic Retinopathy Grading in Unseen Domains" (2023), with random loss of
lines, JPEG and a random cut of the band above and below added. All arithmetic runs on the device of the squares.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from inference.fundus.retina import COARSE, Preprocessing
from training.datasets.fundus_squares import REACH

#: Sides to which squares are reduced where lines are lost; multiples of 16, so that JPEG's blocks fit.
LOST_SIDES = (240, 288, 352, 400)
#: Quantisation tables of JPEG (ITU-T T.81, Annex K), luminance and chrominance.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)


class Drawn:
    """Random numbers for one batch, each shaped to broadcast over (n, 3, h, w)."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.count, self.generator, self.device = count, generator, generator.device

    def unit(self, channels: int = 1) -> Tensor:
        """Even in 0..1, (n, channels, 1, 1)."""
        return torch.rand((self.count, channels, 1, 1), generator=self.generator, device=self.device)

    def even(self, low: float, high: float, channels: int = 1) -> Tensor:
        """Even in low..high."""
        return low + (high - low) * self.unit(channels)

    def chance(self, share: float) -> Tensor:
        """True for this share of the batch."""
        return self.unit() < share

    def normal(self, *shape: int) -> Tensor:
        """Standard normal (n, *shape)."""
        return torch.randn((self.count, *shape), generator=self.generator, device=self.device)


def augmented_views(
    squares: Tensor, edges: Tensor, settings: Preprocessing, generator: torch.Generator, masks: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """One random view of each square.

    Args:
        squares: uint8 (n, 3, side, side).
        edges: float (n, 4): the picture's left, top, right and lower edge in radii from the circle's middle.
        settings: the normal form.
        generator: source of every random choice, on the squares' device.
        masks: uint8 (n, kinds, side, side), 0..255.

    Returns:
        float32 (n, 3, height, diameter) in 0..1, and the masks as float 0/1 (n, kinds, height, diameter) under the same geometry.
    """
    drawn = Drawn(len(squares), generator)
    grid, x, y = geometry(drawn, settings)
    band = _sampled(squares, grid, drawn)
    shown = (
        (x >= edges[:, 0, None, None]) & (y >= edges[:, 1, None, None]) & (x <= edges[:, 2, None, None]) & (y <= edges[:, 3, None, None])
    )
    band = light(colour(blur_or_sharpen(band, drawn), drawn), drawn).clamp(0, 1)
    valid = shown[:, None] & _disc(drawn, settings)
    out = even_out_batch(band, valid, settings)
    middle = torch.tensor(settings.tint, device=out.device)[None, :, None, None]
    # Haze and contrast differ between cameras also after flattening.
    hazy = (middle + (out - middle) * drawn.even(0.7, 1.4) + 0.015 * drawn.normal(3, 1, 1)).clamp(0, 1)
    out = torch.where(drawn.chance(0.5) & valid, hazy, out)
    if masks is None:
        return out, None
    moved = F.grid_sample(masks.float() / 255, grid, align_corners=False) > 0.3
    return out, moved.float()


def geometry(drawn: Drawn, settings: Preprocessing) -> tuple[Tensor, Tensor, Tensor]:
    """Where each pixel of the band comes from: flips, a small turn, scale, shift and squeeze.

    Returns:
        the grid for `grid_sample` (n, height, diameter, 2), and its x and y in radii (n, height, diameter).
    """
    device = drawn.device
    y = (torch.arange(settings.height, device=device) + 0.5 - settings.height / 2) / (settings.diameter / 2)
    x = (torch.arange(settings.diameter, device=device) + 0.5 - settings.diameter / 2) / (settings.diameter / 2)
    angle = drawn.even(-math.radians(20), math.radians(20))[:, 0]
    scale, squeeze = drawn.even(0.9, 1.06)[:, 0], drawn.even(0.96, 1.04)[:, 0]
    flip_x, flip_y = torch.where(drawn.chance(0.5), 1.0, -1.0)[:, 0], torch.where(drawn.chance(0.5), 1.0, -1.0)[:, 0]
    across, down = (x[None, None, :] * flip_x * scale * squeeze), (y[None, :, None] * flip_y * scale / squeeze)
    moved_x = angle.cos() * across - angle.sin() * down + drawn.even(-0.05, 0.05)[:, 0]
    moved_y = angle.sin() * across + angle.cos() * down + drawn.even(-0.04, 0.04)[:, 0]
    return torch.stack([moved_x, moved_y], dim=-1) / REACH, moved_x, moved_y


def _sampled(squares: Tensor, grid: Tensor, drawn: Drawn) -> Tensor:
    """The band from each square, half of which lose lines before, half of all their quality as a JPEG."""
    sides = torch.tensor([squares.shape[-1], *LOST_SIDES])
    lost = torch.where(drawn.chance(0.5), 1 + (drawn.unit() * len(LOST_SIDES)).long().clamp(max=len(LOST_SIDES) - 1), 0).flatten().cpu()
    quality = torch.where(drawn.chance(0.5), drawn.even(30, 95), torch.full_like(drawn.unit(), 101))
    out = torch.empty((len(squares), 3, *grid.shape[1:3]), device=squares.device)
    for level, side in enumerate(sides.tolist()):
        rows = (lost == level).nonzero().flatten().to(squares.device)
        if len(rows):
            part = squares[rows].float() / 255
            if side < part.shape[-1]:
                part = F.interpolate(part, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
            out[rows] = F.grid_sample(jpeg(part, quality[rows]), grid[rows], mode="bicubic", align_corners=False).clamp(0, 1)
    return out


def jpeg(values: Tensor, quality: Tensor) -> Tensor:
    """What JPEG leaves of pictures: blocks of 8, cosine transform, quantised, colour at half the lines.

    Args:
        values: (n, 3, h, w) in 0..1, sides multiples of 16.
        quality: (n, 1, 1, 1), 1..100; a picture above 100 stays as it is.
    """
    red, green, blue = (255 * values).unbind(1)
    brightness = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = torch.stack([(blue - brightness) / 1.772, (red - brightness) / 1.402], dim=1)
    factor = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, :, :, :, None, None]
    brightness = _quantised(brightness[:, None] - 128, factor, _LUMINANCE)[:, 0] + 128
    chroma = _quantised(F.avg_pool2d(chroma, 2), factor, _CHROMINANCE)
    blue_part, red_part = F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False).unbind(1)
    green = brightness - 0.344136 * blue_part - 0.714136 * red_part
    back = torch.stack([brightness + 1.402 * red_part, green, brightness + 1.772 * blue_part], dim=1)
    return torch.where(quality > 100, values, (back / 255).clamp(0, 1))


def _quantised(planes: Tensor, factor: Tensor, table: tuple[tuple[int, ...], ...]) -> Tensor:
    """Planes (n, c, h, w) through the transform and back, coefficients rounded to the scaled table; factor (n, 1, 1, 1, 1, 1)."""
    n, c, h, w = planes.shape
    k = torch.arange(8, device=planes.device, dtype=torch.float32)
    cosines = torch.cos((2 * k[None, :] + 1) * k[:, None] * math.pi / 16) * 0.5
    cosines[0] /= math.sqrt(2)
    blocks = planes.reshape(n, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
    steps = ((factor * torch.tensor(table, device=planes.device) + 50) / 100).floor().clamp(1, 255)
    coefficients = cosines @ blocks @ cosines.T
    back = cosines.T @ ((coefficients / steps).round() * steps) @ cosines
    return back.permute(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)


def blur_or_sharpen(band: Tensor, drawn: Drawn) -> Tensor:
    """Three in ten blurred, two in ten sharpened."""
    kind = drawn.unit()
    reach = torch.arange(-4, 5, device=band.device, dtype=torch.float32)
    taps = torch.exp(-(reach**2) / (2 * drawn.even(0.3, 1.6).flatten()[:, None] ** 2))
    taps = (taps / taps.sum(1, keepdim=True)).repeat_interleave(3, 0)
    n, _, h, w = band.shape
    flat = F.pad(band.reshape(1, 3 * n, h, w), (4, 4, 4, 4), mode="replicate")
    flat = F.conv2d(F.conv2d(flat, taps[:, None, None, :], groups=3 * n), taps[:, None, :, None], groups=3 * n)
    blurred = flat.reshape(n, 3, h, w)
    smooth = torch.full((3, 1, 3, 3), 1 / 13, device=band.device)
    smooth[:, :, 1, 1] = 5 / 13
    soft = F.conv2d(F.pad(band, (1, 1, 1, 1), mode="replicate"), smooth, groups=3)
    sharpened = (soft + drawn.even(1.2, 3.0) * (band - soft)).clamp(0, 1)
    return torch.where(kind < 0.3, blurred, torch.where(kind < 0.5, sharpened, band))


def colour(values: Tensor, drawn: Drawn) -> Tensor:
    """Brightness, gamma, saturation, channel gains, haze and noise."""
    values = torch.where(drawn.chance(0.4), values * drawn.even(0.5, 1.5), values)
    values = torch.where(drawn.chance(0.4), values.clamp(1e-4, 1) ** drawn.even(0.7, 1.5), values)
    grey = values.mean(1, keepdim=True)
    values = torch.where(drawn.chance(0.4), grey + (values - grey) * drawn.even(0.4, 1.6), values)
    values = torch.where(drawn.chance(0.5), values * drawn.even(0.8, 1.2, 3), values)
    values = torch.where(drawn.chance(0.3), values + drawn.even(0, 0.15), values)
    return torch.where(drawn.chance(0.3), values + drawn.even(0.005, 0.03) * drawn.normal(*values.shape[1:]), values)


def light(values: Tensor, drawn: Drawn) -> Tensor:
    """Halo at the rim, a bright spot, a dark hole: the artefacts of small pupils and lenses."""
    height, width = values.shape[-2:]
    y = ((torch.arange(height, device=values.device) + 0.5 - height / 2) / (width / 2))[None, None, :, None]
    x = ((torch.arange(width, device=values.device) + 0.5 - width / 2) / (width / 2))[None, None, None, :]
    rim = ((torch.hypot(x, y) - drawn.even(0.6, 0.85)) / 0.3).clamp(0, 1) ** 2
    tone = torch.tensor([1.0, 0.9, 0.7], device=values.device)[None, :, None, None]
    values = torch.where(drawn.chance(0.25), values + rim * tone * drawn.even(0.1, 0.5), values)
    spot = _blob(x, y, drawn, 0.05, 0.4)
    values = torch.where(drawn.chance(0.25), values + spot * drawn.even(0.05, 0.4), values)
    hole = _blob(x, y, drawn, 0.2, 0.6)
    return torch.where(drawn.chance(0.25), values * (1 - hole * drawn.even(0.2, 0.7)), values)


def _blob(x: Tensor, y: Tensor, drawn: Drawn, low: float, high: float) -> Tensor:
    away = (x - drawn.even(-0.9, 0.9)) ** 2 + (y - drawn.even(-0.7, 0.7)) ** 2
    return torch.exp(-away / (2 * drawn.even(low, high) ** 2))


def _disc(drawn: Drawn, settings: Preprocessing) -> Tensor:
    """Bool (n, 1, height, diameter): a random inner part of the circle, six in ten cut above and below."""
    y = (torch.arange(settings.height, device=drawn.device) + 0.5 - settings.height / 2)[None, None, :, None]
    x = (torch.arange(settings.diameter, device=drawn.device) + 0.5 - settings.diameter / 2)[None, None, None, :]
    rim = settings.rim * drawn.even(0.95, 1.0) * settings.diameter / 2
    cut = torch.where(drawn.chance(0.6), drawn.even(0.8, 1.0), torch.ones_like(drawn.unit())) * settings.height / 2
    return (torch.hypot(x, y) <= rim) & (y.abs() <= cut)


def even_out_batch(band: Tensor, valid: Tensor, settings: Preprocessing) -> Tensor:
    """`inference.fundus.retina.even_out` for batches: band (n, 3, h, w) in 0..1, valid bool (n, 1, h, w); 0.5 outside."""
    seen = F.avg_pool2d(band * valid, COARSE)
    share = F.avg_pool2d(valid.float(), COARSE)
    radius = max(1, round(settings.blur * band.shape[-1] / COARSE))
    for _ in range(3):
        seen, share = (F.avg_pool2d(F.pad(plane, (radius,) * 4, mode="replicate"), 2 * radius + 1, stride=1) for plane in (seen, share))
    ground = F.interpolate(seen / share.clamp(min=1e-3), size=band.shape[-2:], mode="bilinear", align_corners=False)
    divisor = torch.maximum(ground, (0.35 * ground.amax(1, keepdim=True)).clamp(min=0.04))
    tint = torch.tensor(settings.tint, device=band.device)[None, :, None, None]
    flat = tint * (1 + settings.gain * (band - ground) / divisor)
    values = settings.flatten * flat + (1 - settings.flatten) * band
    return torch.where(valid, values.clamp(0, 1), torch.full_like(values, 0.5))
