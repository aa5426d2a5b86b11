"""Vectors of the disease views, cached by bundle and by the text of each view.

The bundle carries the vectors of the knowledge it was sealed with; what an edited or added entry changes is computed by
`make run` or `knowledge overlay` (or at first use) and kept under the state folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference.ranking.encoder import Matrix, TextEncoder
from models.bundle import Bundle

SEALED = "view_vectors.npz"


def text_key(text: str) -> np.uint64:
    """A 64-bit key of a view's text."""
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big"))


def _read(path: Path) -> dict[int, Matrix]:
    with np.load(path, allow_pickle=False) as data:
        return dict(zip(data["keys"].tolist(), data["vectors"].astype(np.float32), strict=True))


def write_vectors(path: Path, texts: Sequence[str], vectors: Matrix) -> None:
    """Write keys and float16 vectors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, keys=np.array([text_key(text) for text in texts], dtype=np.uint64), vectors=vectors.astype(np.float16))
    temporary.replace(path)


def view_vectors(texts: Sequence[str], encoder: TextEncoder, bundle: Bundle, state: Path | None) -> Matrix:
    """Vectors (n, dimension) of the texts: sealed ones, cached ones, and the rest computed and cached."""
    known: dict[int, Matrix] = {}
    if SEALED in bundle.manifest["files"]:
        known |= _read(bundle.file(SEALED))
    cache = state / "vectors" / f"{bundle.task}-{bundle.version}.npz" if state else None
    if cache is not None and cache.is_file():
        known |= _read(cache)
    keys = [int(text_key(text)) for text in texts]
    new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if new:
        for key, text in new.items():
            # through float16 and back, so that cached and fresh vectors give the same bits
            known[key] = encoder.encode_one(text).astype(np.float16).astype(np.float32)
        if cache is not None:
            sealed = _read(bundle.file(SEALED)) if SEALED in bundle.manifest["files"] else {}
            kept = {key: vector for key, vector in known.items() if key not in sealed}
            cache.parent.mkdir(parents=True, exist_ok=True)
            temporary = cache.with_suffix(".tmp.npz")
            np.savez(temporary, keys=np.array(list(kept), dtype=np.uint64), vectors=np.stack(list(kept.values())).astype(np.float16))
            temporary.replace(cache)
    return np.stack([known[key] for key in keys]) if keys else np.zeros((0, encoder.dimension), dtype=np.float32)
