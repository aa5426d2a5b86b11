"""The lexical part: character n-grams of the record against a centroid of each entry's cases.

A sentence vector blurs what two diseases share; the characters keep the one word that tells them apart. Centroids are
sealed in the bundle; a full entry without one (added by a county) is judged by the n-grams of its own views, a thin one not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.ranking.profiles import disease_views
from knowledge_base.compiled import KnowledgeBase
from models.bundle import Bundle

LEXICAL = "lexical.npz"
BITS = 18
LONGEST = 3
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
_SALTS = np.array([0x27D4EB2F165667C5, 0x85EBCA77C2B2AE63, 0xFF51AFD7ED558CCD], dtype=np.uint64)
_IGNORED = str.maketrans("", "", " \t\r\n|")

Weights = npt.NDArray[np.float32]
Buckets = npt.NDArray[np.int64]


def buckets(text: str) -> Buckets:
    """Hash buckets (0 .. 2**BITS - 1) of all 1- to 3-grams of characters, in order, repeats kept."""
    points = np.frombuffer(text.lower().translate(_IGNORED).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    found = []
    for size in range(1, min(LONGEST, len(points)) + 1):
        mixed = np.full(len(points) - size + 1, _SALTS[size - 1])
        for place in range(size):
            mixed = (mixed ^ points[place : place + len(mixed)]) * _FACTORS[place]
            mixed ^= mixed >> np.uint64(29)
        found.append(mixed >> np.uint64(64 - BITS))
    return np.concatenate(found).astype(np.int64) if found else np.zeros(0, dtype=np.int64)


def weighted(text: str, idf: Weights) -> tuple[Buckets, Weights]:
    """Distinct buckets of a text and their weights, (1 + ln tf) · idf, of length one; unseen n-grams are left out."""
    found, counts = np.unique(buckets(text), return_counts=True)
    weights = ((1.0 + np.log(counts)) * idf[found]).astype(np.float32)
    seen = weights > 0
    found, weights = found[seen], weights[seen]
    return found, weights / max(float(np.linalg.norm(weights)), 1e-9)


class Lexical:
    """Scores of every entry for a text, full ones first, then thin ones."""

    def __init__(self, kb: KnowledgeBase, bundle: Bundle) -> None:
        idf, sealed = read(bundle.file(LEXICAL))
        self.idf = idf
        columns: list[Buckets] = []
        values: list[Weights] = []
        for disease in kb.diseases.values():
            column, value = sealed[disease.id] if disease.id in sealed else centroid([(v, 1.0) for v in disease_views(disease, kb)], idf)
            columns.append(column)
            values.append(value)
        nothing = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        for thin in kb.thin:
            column, value = sealed.get(thin, nothing)
            columns.append(column)
            values.append(value)
        owners = np.repeat(np.arange(len(columns)), [len(c) for c in columns])
        flat = np.concatenate(columns) if columns else np.zeros(0, dtype=np.int64)
        order = np.argsort(flat, kind="stable")
        # by bucket: which entries weigh it, and how much
        self.starts = np.searchsorted(flat[order], np.arange((1 << BITS) + 1)).astype(np.int64)
        self.owners = owners[order].astype(np.int32)
        self.values = np.concatenate(values)[order] if values else np.zeros(0, dtype=np.float32)
        self.size = len(columns)

    def score(self, text: str) -> npt.NDArray[np.float64]:
        """Cosine (entries,) of the text with each entry's centroid."""
        found, weights = weighted(text, self.idf)
        begin, lengths = self.starts[found], self.starts[found + 1] - self.starts[found]
        total = int(lengths.sum())
        if total == 0:
            return np.zeros(self.size)
        # places of all postings, without a loop over buckets
        places = np.repeat(begin - np.cumsum(lengths) + lengths, lengths) + np.arange(total)
        return np.asarray(np.bincount(self.owners[places], self.values[places] * np.repeat(weights, lengths), minlength=self.size))


def centroid(texts: Sequence[tuple[str, float]], idf: Weights, *, keep: int | None = None) -> tuple[Buckets, Weights]:
    """Sum of weighted texts, its `keep` heaviest n-grams, of length one."""
    parts = [(*weighted(text, idf), weight) for text, weight in texts]
    found, inverse = np.unique(np.concatenate([f for f, _, _ in parts]), return_inverse=True)
    total = np.bincount(inverse, np.concatenate([v * w for _, v, w in parts]), minlength=len(found)).astype(np.float32)
    total /= max(float(np.linalg.norm(total)), 1e-9)
    if keep is not None and len(found) > keep:
        kept = np.sort(np.argpartition(-total, keep)[:keep])
        found, total = found[kept], total[kept]
    return found, total


def write(path: Path, idf: Weights, centroids: Mapping[str, tuple[Buckets, Weights]]) -> None:
    """Seal inverse document frequencies and centroids (weights as one byte, scaled by each centroid's heaviest)."""
    tops = np.array([float(value.max(initial=1e-9)) for _, value in centroids.values()], dtype=np.float32)
    codes = [np.rint(value / top * 255).astype(np.uint8) for (_, value), top in zip(centroids.values(), tops, strict=True)]
    np.savez_compressed(
        path,
        seen=np.nonzero(idf)[0].astype(np.int32),
        idf=idf[np.nonzero(idf)[0]].astype(np.float16),
        ids=np.array(list(centroids), dtype=np.str_),
        lengths=np.array([len(column) for column, _ in centroids.values()], dtype=np.int32),
        columns=np.concatenate([column for column, _ in centroids.values()]).astype(np.int32),
        codes=np.concatenate(codes),
        tops=tops,
    )


def read(path: Path) -> tuple[Weights, dict[str, tuple[Buckets, Weights]]]:
    """What `write` wrote."""
    with np.load(path, allow_pickle=False) as data:
        idf = np.zeros(1 << BITS, dtype=np.float32)
        idf[data["seen"]] = data["idf"]
        ends = np.cumsum(data["lengths"])
        columns = np.split(data["columns"].astype(np.int64), ends[:-1])
        codes = np.split(data["codes"].astype(np.float32), ends[:-1])
        return idf, {
            ident: (column, code / 255.0 * top)
            for ident, column, code, top in zip(data["ids"].tolist(), columns, codes, data["tops"].tolist(), strict=True)
        }
