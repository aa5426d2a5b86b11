"""Keeping a graded photograph, where that is configured: pixels only, named by their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from inference.fundus.decode import Picture


def keep_image(folder: Path, picture: Picture) -> Path:
    """Write the decoded pixels as PNG: no EXIF, no DICOM tag, no file name survives.

    Returns:
        The file; the same pixels are written once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(picture.rgb.tobytes()).hexdigest()[:32]
    path = folder / f"{name}.png"
    if not path.exists():
        clean = picture.rgb.copy()
        clean.info.clear()
        clean.save(path, "PNG")
    return path
