"""Bytes that are no photograph are refused with a reason, before any pixel where the header tells enough."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from inference.fundus.decode import UnreadableImageError, decode
from training.datasets.fundus_synthetic import encoded


def picture(size: tuple[int, int] = (300, 240)) -> Image.Image:
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    return Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], axis=2).astype(np.uint8))


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises width x height and whose body is a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def gif() -> bytes:
    stream = io.BytesIO()
    picture().save(stream, "GIF", save_all=True, append_images=[picture((300, 240)).rotate(90, expand=False)], duration=100)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not a picture at all", "unsupported_format"),
        (b"GIF89a", "unsupported_format"),
        (gif(), "animated"),
        (bomb(30000, 30000), "too_many_pixels"),
        (bomb(60000, 200), "too_many_pixels"),
        (encoded(picture((1, 1)), "PNG"), "too_small"),
        (encoded(picture())[:2000], "truncated"),
        (encoded(picture())[:21], "truncated"),
        (encoded(picture(), "BMP"), "unsupported_format"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "unsupported_format"),
    ],
)
def test_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        decode(data)
    assert caught.value.reason == reason


def test_bomb_is_refused_before_decoding() -> None:
    started = time.perf_counter()
    with pytest.raises(UnreadableImageError):
        decode(bomb(30000, 30000))
    assert time.perf_counter() - started < 0.2


def test_cmyk_becomes_rgb() -> None:
    stream = io.BytesIO()
    picture().convert("CMYK").save(stream, "JPEG", quality=95)
    decoded = decode(stream.getvalue())
    assert decoded.rgb.mode == "RGB" and decoded.colour
    assert np.abs(np.asarray(decoded.rgb, dtype=int) - np.asarray(picture(), dtype=int)).mean() < 12


def test_sixteen_bit_grey_is_scaled_and_known_to_be_grey() -> None:
    values = np.linspace(0, 65535, 200 * 200).reshape(200, 200).astype(np.uint16)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    decoded = decode(stream.getvalue())
    shown = np.asarray(decoded.rgb)
    assert not decoded.colour
    assert shown.min() == 0 and shown.max() == 255


def test_grey_palette_and_transparency() -> None:
    assert not decode(encoded(picture().convert("L"))).colour
    assert decode(encoded(picture().convert("P"), "PNG")).rgb.mode == "RGB"
    clear = picture().convert("RGBA")
    clear.putalpha(0)
    assert np.asarray(decode(encoded(clear, "PNG")).rgb).max() == 0


def test_exif_orientation_is_applied() -> None:
    stream = io.BytesIO()
    turned = picture().rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(stream, "JPEG", quality=95, exif=exif)
    decoded = decode(stream.getvalue())
    assert decoded.rgb.size == (300, 240)
    assert np.abs(np.asarray(decoded.rgb, dtype=int) - np.asarray(picture(), dtype=int)).mean() < 12


def test_large_jpeg_is_reduced_while_decoding() -> None:
    decoded = decode(encoded(picture((4000, 3000))))
    assert decoded.size == (4000, 3000)
    assert max(decoded.rgb.size) < 4000 and min(decoded.rgb.size) >= 750
