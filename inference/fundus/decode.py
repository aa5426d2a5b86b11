"""From bytes to an upright 8-bit RGB picture, without trusting the bytes.

Everything that can be refused from the header is refused before a single pixel is decoded.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 80_000_000
MAX_SIDE = 20_000
MIN_SIDE = 128
#: Pixels on the longer side that the later steps can use; larger JPEGs are reduced while decoding.
WORKING_SIDE = 1024

DicomMagic = b"DICM"

Refusal = Literal[
    "empty", "too_large", "too_many_pixels", "too_small", "unsupported_format", "animated", "truncated", "unreadable", "no_pixels"
]

REFUSAL_TEXT: dict[Refusal, str] = {
    "empty": "文件是空的（0 字节），请重新上传照片。",
    "too_large": "文件超过 64 MB，请先导出为 JPEG 再上传。",
    "too_many_pixels": "图片像素过多（上限 8000 万像素），为安全起见没有解码。请检查文件来源。",
    "too_small": "图片太小（短边不足 128 像素），看不清视网膜。请上传相机原图。",
    "unsupported_format": "不支持这种文件格式。请上传 JPEG、PNG 或 DICOM 眼底照片。",
    "animated": "这是动画或多帧图片，不是眼底照片。请上传单张照片。",
    "truncated": "图片文件不完整（可能传输中断），请重新上传。",
    "unreadable": "图片文件已损坏，无法读取。请重新导出后上传。",
    "no_pixels": "DICOM 文件中没有可用的图像像素，请从设备重新导出。",
}


class UnreadableImageError(ValueError):
    """The bytes are no picture that may be graded; `reason` says why, the message says how to mend it."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(REFUSAL_TEXT[reason])
        self.reason: Refusal = reason


@dataclass(frozen=True)
class Picture:
    """An upright 8-bit RGB picture.

    Attributes:
        rgb: the picture, mode RGB, EXIF orientation applied.
        size: width and height in pixels as stored, before any reduction.
        colour: False where the file holds one channel only.
        laterality: "left", "right" or None as the file itself states it (DICOM only).
    """

    rgb: Image.Image
    size: tuple[int, int]
    colour: bool
    laterality: Literal["left", "right"] | None = None


def is_dicom(data: bytes) -> bool:
    """Whether the bytes carry the DICOM preamble (128 bytes, then DICM)."""
    return data[128:132] == DicomMagic


def check_size(width: int, height: int) -> None:
    """Refuse pictures whose header promises too many or too few pixels."""
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise UnreadableImageError("too_many_pixels")
    if min(width, height) < MIN_SIDE:
        raise UnreadableImageError("too_small")


def decode(data: bytes) -> Picture:
    """Decode JPEG or PNG bytes (DICOM goes through `inference.fundus.dicom`).

    Raises:
        UnreadableImageError: with the reason and the remedy in plain Chinese.
    """
    if not data:
        raise UnreadableImageError("empty")
    if len(data) > MAX_BYTES:
        raise UnreadableImageError("too_large")
    with warnings.catch_warnings():
        # The limits above stand in for Pillow's own bomb warning, which only prints.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(data))
        except Image.DecompressionBombError:
            raise UnreadableImageError("too_many_pixels") from None
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
            raise UnreadableImageError("truncated" if data[:3] == b"\xff\xd8\xff" else "unsupported_format") from None
        if image.format not in ("JPEG", "MPO", "PNG"):
            raise UnreadableImageError("animated" if getattr(image, "n_frames", 1) > 1 else "unsupported_format")
        if image.format == "PNG" and getattr(image, "n_frames", 1) > 1:
            raise UnreadableImageError("animated")
        size = image.size
        check_size(*size)
        if image.format in ("JPEG", "MPO"):
            # DCT scaling: decodes at 1/2, 1/4 or 1/8, never below the working size.
            image.draft(image.mode, (WORKING_SIDE, WORKING_SIDE))
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
        except (OSError, SyntaxError, ValueError):
            raise UnreadableImageError("truncated") from None
    return Picture(rgb=to_rgb(upright), size=size, colour=_has_colour(upright))


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode to 8-bit RGB; 16-bit grey is scaled, transparency is laid on black."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(scale_to_bytes(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return image.convert("RGB")


def scale_to_bytes(values: np.ndarray) -> np.ndarray:
    """Integers of up to 16 bits (or floats) to uint8, by the full range of 16 bits where values exceed 255."""
    top = 65535.0 if values.size and float(values.max()) > 255 else 255.0
    return np.clip(values.astype(np.float64) * (255.0 / top) + 0.5, 0, 255).astype(np.uint8)


def _has_colour(image: Image.Image) -> bool:
    return not (image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I"))
