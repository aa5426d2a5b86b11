"""An inverted index of hashed character n-grams with TF-IDF cosine, in numpy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Grams = NDArray[np.uint32]


class NgramIndex:
    """Cosine of a query's n-grams with every document's.

    Attributes:
        keys: distinct n-gram hashes, sorted, ``(keys,)``.
        idf: weight of each key.
        pointers: postings of key ``k`` are ``documents[pointers[k]:pointers[k + 1]]``.
        weights: normalised TF-IDF weight of each posting.
        size: number of documents.
    """

    def __init__(self, keys: Grams, pointers: NDArray[np.int64], documents: NDArray[np.int32], size: int) -> None:
        self.keys = keys
        self.pointers = pointers
        self.documents = documents
        self.size = size
        counts = np.diff(pointers)
        self.idf = np.log1p(size / np.maximum(counts, 1)).astype(np.float32)
        raw = np.repeat(self.idf, counts)
        norms = np.sqrt(np.bincount(documents, raw.astype(np.float64) ** 2, minlength=size))
        self.weights = (raw / np.maximum(norms, 1e-9)[documents]).astype(np.float32)

    @classmethod
    def build(cls, texts: Sequence[Grams]) -> NgramIndex:
        """Index documents given by their n-gram hashes."""
        lengths = np.array([len(item) for item in texts], dtype=np.int64)
        flat = np.concatenate([np.asarray(item, dtype=np.uint32) for item in texts]) if len(texts) else np.empty(0, np.uint32)
        owners = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
        order = np.argsort(flat, kind="stable")
        keys, starts = np.unique(flat[order], return_index=True)
        pointers = np.concatenate((starts, [len(flat)])).astype(np.int64)
        return cls(keys, pointers, owners[order], len(texts))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What a file must hold to restore the index."""
        return {"keys": self.keys, "pointers": self.pointers, "documents": self.documents, "size": np.array(self.size)}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[np.generic]]) -> NgramIndex:
        """The inverse of ``arrays``."""
        return cls(
            arrays["keys"].astype(np.uint32),
            arrays["pointers"].astype(np.int64),
            arrays["documents"].astype(np.int32),
            int(arrays["size"]),
        )

    def score(self, query: Grams) -> Floats:
        """Cosine with each document: shape ``(size,)``. N-grams that no document has count in the query's length."""
        if not len(query) or not len(self.keys):
            return np.zeros(self.size, dtype=np.float32)
        places = np.minimum(np.searchsorted(self.keys, query), len(self.keys) - 1)
        known = places[self.keys[places] == query]
        unseen = np.log1p(float(self.size))
        norm = float(np.sqrt(float((self.idf[known] ** 2).sum()) + (len(query) - len(known)) * unseen**2))
        stretches = [np.arange(self.pointers[key], self.pointers[key + 1]) for key in known]
        if not stretches:
            return np.zeros(self.size, dtype=np.float32)
        postings = np.concatenate(stretches)
        factors = np.repeat(self.idf[known], np.diff(self.pointers)[known])
        sums = np.bincount(self.documents[postings], self.weights[postings] * factors, minlength=self.size)
        return (sums / norm).astype(np.float32)


def best(scores: Floats, count: int, least: float = 0.0) -> NDArray[np.int64]:
    """Indices of the highest scores above ``least``, best first; ties by index."""
    above = np.flatnonzero(scores > least)
    if len(above) > count:
        above = above[np.argpartition(-scores[above], count - 1)[:count]]
    return above[np.lexsort((above, -scores[above]))]
