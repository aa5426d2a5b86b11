"""Synthetic photographs with the corpora's layout, for dry runs and tests: no patient ever sat for them."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

COLUMNS = ["image", "source", "patient", "eye", "grade", "dme", "quality", "width", "height", "phash", "original_size", "note", "group"]


def synthetic_fundus(
    rng: np.random.Generator, size: tuple[int, int] = (384, 320), lesions: int = 0, blur: float = 0.6
) -> tuple[Image.Image, np.ndarray]:
    """A disc with optic nerve head, vessels, fovea and `lesions` red and yellow dots.

    Returns:
        The photograph and a bool mask (height, width) of the dots.
    """
    width, height = size
    radius = width / 2 - 2
    tint = rng.uniform([150, 70, 25], [210, 110, 60])
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    cx, cy = width / 2, height / 2
    draw.ellipse([cx - radius, cy - radius, cx + radius, cy + radius], fill=tuple(int(v) for v in tint))
    side = 1 if rng.random() < 0.5 else -1
    ox = cx + side * radius * 0.5
    draw.ellipse([ox - 22, cy - 24, ox + 22, cy + 24], fill=(240, 205, 130))
    draw.ellipse([cx - 16, cy - 16, cx + 16, cy + 16], fill=tuple(int(v * 0.75) for v in tint))
    for k in range(8):
        x, y, angle = ox, cy, float(rng.uniform(0, 2 * np.pi))
        for step in range(60):
            nx, ny = x + 5 * np.cos(angle), y + 5 * np.sin(angle)
            draw.line([x, y, nx, ny], fill=tuple(int(v * 0.6) for v in tint), width=max(1, 4 - step // 18))
            x, y, angle = nx, ny, angle + float(rng.normal(0, 0.12)) - side * 0.01 * (k % 3)
    mask = Image.new("L", size)
    pen = ImageDraw.Draw(mask)
    for _ in range(lesions):
        x, y = cx + radius * float(rng.uniform(-0.6, 0.6)), cy + radius * float(rng.uniform(-0.5, 0.5))
        r = float(rng.uniform(2, 6))
        colour = (120, 20, 15) if rng.random() < 0.6 else (250, 230, 120)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)
        pen.ellipse([x - r, y - r, x + r, y + r], fill=255)
    image = image.filter(ImageFilter.GaussianBlur(blur))
    noisy = np.asarray(image, dtype=np.float32)
    circle = np.hypot(np.arange(height)[:, None] - cy, np.arange(width)[None, :] - cx) < radius
    noisy = (noisy + rng.normal(0, 3, noisy.shape)) * circle[..., None]
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)), np.asarray(mask) > 0


def encoded(image: Image.Image, form: str = "JPEG", quality: int = 90) -> bytes:
    """The picture as file bytes."""
    stream = io.BytesIO()
    image.save(stream, form, **({"quality": quality} if form == "JPEG" else {}))
    return stream.getvalue()


def write_corpus(root: Path, per_source: int, seed: int) -> Path:
    """Write all sources as labels.csv and tar files; returns `root`."""
    rng = np.random.default_rng(seed)
    for source in ("aptos2019", "odir", "eyepacs", "rahim600", "idrid_seg", "drive", "nonfundus"):
        folder = root / source
        folder.mkdir(parents=True, exist_ok=True)
        rows, masks = [], []
        with tarfile.open(folder / "images-00.tar", "w") as tar:
            for i in range(per_source):
                grade = i % 5
                diseased = grade >= 2 if source != "idrid_seg" else i % 2 == 0
                blur = 6.0 if source == "eyepacs" and i % 4 == 3 else 0.6
                image, mask = synthetic_fundus(rng, lesions=25 if diseased else 0, blur=blur)
                if source == "nonfundus":
                    image = Image.fromarray(rng.integers(0, 255, (300, 384, 3)).astype(np.uint8))
                name = f"{source}_{i}.jpg"
                _add(tar, f"images/{name}", encoded(image))
                if source == "idrid_seg" and diseased:
                    masks.append((Path(name).stem, mask))
                quality = {"nonfundus": "not_fundus", "eyepacs": "reject" if blur > 1 else "good"}.get(source, "")
                ungraded = source in ("drive", "nonfundus") or (source == "idrid_seg" and diseased)
                label = "" if ungraded else str(0 if source == "idrid_seg" else grade)
                note = f"unsqueezed={('1.0', '1.5')[i % 2]}" if source == "aptos2019" else "frame_fill=0.9"
                rows.append([name, source, "", "", label, "", quality, *image.size, "", "", note, str(i)])
        with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *rows])
        if masks:
            with tarfile.open(folder / "masks-00.tar", "w") as tar:
                for stem, mask in masks:
                    for kind in ("MA", "HE", "EX"):
                        _add(tar, f"masks/{stem}_{kind}.png", encoded(Image.fromarray(mask), "PNG"))
    return root


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
