"""Class readings: what a training set has taught about a list of class names, beyond what the names themselves say.

A hospital's own classes (directions of care, a clinic's dozen diseases) are mostly no entries of the knowledge base, and their
names compare badly with a record. Where most names of a request belong to one taught list, a linear reading of the record's
vector, its character n-grams and its asserted mentions ranks them. N-grams and mentions are sealed as hashes, never as text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.ranking.lexical import BITS, weighted
from inference.ranking.names import normalise_name
from inference.ranking.rendering import LEFT_OUT
from inference.reading.types import Reading

CLASSES = "classes.npz"
LEAST_COVERED, LEAST_NAMES = 2 / 3, 3
"""A list is taken where it holds this share of the given names, and this many of them."""
VECTOR_SCALE, NGRAM_SCALE, MARK_SCALE = 4 / 512**0.5, 4.0, 0.7
"""Sizes that bring standardised vectors, unit n-gram weights and marks to one scale, so that one ridge serves all."""

Array = npt.NDArray[np.float32]
Hashes = npt.NDArray[np.int64]


def words_of(reading: Reading) -> str:
    """The record's own words without what is denied, said of others or warned of: what the n-grams are taken from.

    A denial is left to the marks: its characters would speak for the very class that it speaks against.
    """
    kept = []
    for section, text in reading.section_texts.items():
        signs = list(text)
        for entity in reading.entities:
            if entity.span.section == section and entity.assertion in LEFT_OUT:
                signs[entity.span.start : entity.span.end] = "，" * (entity.span.end - entity.span.start)
        kept.append("".join(signs))
    return "|".join(kept)


def marks_of(reading: Reading) -> Hashes:
    """Hashes of the record's mentions with their assertion, by words and by concept: 无发热 differs from 发热."""
    said = {f"{e.assertion}:{e.span.text}" for e in reading.entities}
    said |= {f"{e.assertion}:#{e.concept.id}" for e in reading.entities if e.concept is not None}
    return np.array(sorted(mark_hash(mark) for mark in said), dtype=np.int64)


def mark_hash(mark: str) -> int:
    """Four bytes of a mark's BLAKE2."""
    return int.from_bytes(hashlib.blake2b(mark.encode(), digest_size=4).digest(), "big")


@dataclass(frozen=True, slots=True)
class ClassReading:
    """A linear reading of records over one list of class names.

    Attributes:
        names: as taught.
        mean, scale: (hidden,) of the record vectors.
        vector: (hidden, classes).
        buckets: (n,) sorted n-gram buckets; idf: (n,); ngrams: (n, classes).
        hashes: (m,) sorted mark hashes; marks: (m, classes).
        bias: (classes,).
    """

    names: tuple[str, ...]
    mean: Array
    scale: Array
    vector: Array
    buckets: Hashes
    idf: Array
    ngrams: Array
    hashes: Hashes
    marks: Array
    bias: Array

    def logits(self, vector: Array, words: str, marks: Hashes) -> npt.NDArray[np.float64]:
        """Scores (classes,) of a record: its unit vector, its words, its mark hashes."""
        total = self.bias + ((vector - self.mean) / self.scale * VECTOR_SCALE) @ self.vector
        idf = np.zeros(1 << BITS, dtype=np.float32)
        idf[self.buckets] = self.idf
        found, weights = weighted(words, idf)
        total = total + (weights * NGRAM_SCALE) @ self.ngrams[np.searchsorted(self.buckets, found)]
        places = np.searchsorted(self.hashes, marks)
        known = (places < len(self.hashes)) & (self.hashes[np.minimum(places, len(self.hashes) - 1)] == marks)
        return np.asarray(total + MARK_SCALE * self.marks[places[known]].sum(axis=0), dtype=np.float64)


class ClassReadings:
    """The taught lists of a bundle."""

    def __init__(self, readings: Sequence[ClassReading]) -> None:
        self.readings = tuple(readings)
        self.places = [{normalise_name(name): place for place, name in enumerate(reading.names)} for reading in self.readings]

    def covering(self, names: Sequence[str]) -> tuple[ClassReading, npt.NDArray[np.int64]] | None:
        """The list that holds most of the names (of two alike, the shorter), and each name's place in it (-1: not in it)."""
        best: tuple[tuple[int, int], ClassReading, npt.NDArray[np.int64]] | None = None
        for reading, places in zip(self.readings, self.places, strict=True):
            found = np.array([places.get(normalise_name(name), -1) for name in names], dtype=np.int64)
            covered = int((found >= 0).sum())
            if covered < LEAST_NAMES or covered < LEAST_COVERED * len(names):
                continue
            if best is None or (covered, -len(reading.names)) > best[0]:
                best = (covered, -len(reading.names)), reading, found
        return best[1:] if best is not None else None


def divided(share: npt.NDArray[np.float64], taught: npt.NDArray[np.float64], places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Probabilities of given names: what the names' comparison (`share`) gives the taught ones together, the reading divides anew.

    Args:
        share: (names,) probabilities by the names alone.
        taught: (classes,) logits of the reading.
        places: (names,) place of each name in the reading's list, -1 for a stranger, whose share stays.
    """
    inside = places >= 0
    logits = taught[places[inside]]
    odds = np.exp(logits - logits.max())
    out = share.copy()
    out[inside] = share[inside].sum() * odds / odds.sum()
    return out


def write(path: Path, readings: Sequence[ClassReading]) -> None:
    """Seal readings: vectors in half precision, n-grams and marks in one byte by class."""
    arrays: dict[str, npt.NDArray[np.generic]] = {"lists": np.array(len(readings))}
    for i, reading in enumerate(readings):
        parts: dict[str, npt.NDArray[np.generic]] = {
            "names": np.array(reading.names, dtype=np.str_),
            "buckets": reading.buckets.astype(np.int32),
            "hashes": reading.hashes.astype(np.uint32),
            **{name: getattr(reading, name).astype(np.float16) for name in ("mean", "scale", "vector", "idf")},
            "bias": reading.bias.astype(np.float32),
        }
        for name in ("ngrams", "marks"):
            weights = getattr(reading, name)
            top = np.abs(weights).max(axis=0, initial=1e-9)
            parts |= {name: np.rint(weights / top * 127).astype(np.int8), f"{name}_top": top.astype(np.float32)}
        arrays |= {f"{i}.{name}": part for name, part in parts.items()}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def read(path: Path) -> ClassReadings:
    """What `write` wrote."""
    with np.load(path, allow_pickle=False) as data:
        found = []
        for i in range(int(data["lists"])):
            part = {name: data[f"{i}.{name}"] for name in ("mean", "scale", "vector", "idf", "bias")}
            whole = {name: data[f"{i}.{name}"].astype(np.float32) / 127 * data[f"{i}.{name}_top"] for name in ("ngrams", "marks")}
            places = {name: data[f"{i}.{name}"].astype(np.int64) for name in ("buckets", "hashes")}
            numbers = {name: value.astype(np.float32) for name, value in (part | whole).items()}
            found.append(ClassReading(names=tuple(data[f"{i}.names"].tolist()), **numbers, **places))
        return ClassReadings(found)
