"""Vectors of the disease views, cached by bundle and by the text of each view.

The bundle carries the vectors of the knowledge it was sealed with; what an edited or added entry changes is computed by
`make run` or `knowledge overlay` (or at first use) and kept under the state folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.ranking.encoder import Matrix, TextEncoder
from models.bundle import Bundle

SEALED = "view_vectors.npz"


def text_key(text: str) -> np.uint64:
    """A 64-bit key of a view's text."""
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big"))


def quantise(vectors: Matrix) -> npt.NDArray[np.int8]:
    """Unit vectors (n, dimension) as int8, each scaled by its largest entry."""
    return np.rint(vectors / np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-9) * 127).astype(np.int8)


def dequantise(codes: npt.NDArray[np.int8]) -> Matrix:
    """Unit vectors from int8."""
    vectors = codes.astype(np.float32)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _read(path: Path) -> dict[int, npt.NDArray[np.int8]]:
    with np.load(path, allow_pickle=False) as data:
        return dict(zip(data["keys"].tolist(), data["codes"], strict=True))


def write_vectors(path: Path, codes: dict[int, npt.NDArray[np.int8]]) -> None:
    """Write keys and int8 vectors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, keys=np.array(list(codes), dtype=np.uint64), codes=np.stack(list(codes.values())))
    temporary.replace(path)


def encode_views(texts: Sequence[str], encoder: TextEncoder) -> dict[int, npt.NDArray[np.int8]]:
    """Key to int8 vector of every text."""
    return dict(zip((int(text_key(text)) for text in texts), quantise(encoder.encode(texts)), strict=True))


def view_vectors(texts: Sequence[str], encoder: TextEncoder, bundle: Bundle, state: Path | None) -> Matrix:
    """Vectors (n, dimension) of the texts: sealed ones, cached ones, and the rest computed and cached."""
    sealed = _read(bundle.file(SEALED)) if SEALED in bundle.manifest["files"] else {}
    cache = state / "vectors" / f"{bundle.task}-{bundle.version}.npz" if state else None
    added = _read(cache) if cache is not None and cache.is_file() else {}
    keys = [int(text_key(text)) for text in texts]
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in sealed and key not in added}
    if missing:
        added |= encode_views(list(missing.values()), encoder)
        if cache is not None:
            write_vectors(cache, added)
    if not keys:
        return np.zeros((0, encoder.dimension), dtype=np.float32)
    known = sealed | added
    return dequantise(np.stack([known[key] for key in keys]))
