"""What coders chose before: hashed n-grams of coded texts with fingerprints of the names chosen for them.

Neither texts nor names are kept; a fingerprint means something only beside a table that holds the same name.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.coding.index import NgramIndex
from inference.coding.tables import CodeTable
from inference.coding.text import grams, name_hash

Pair = tuple[str, tuple[str, ...]]
"""A folded text and the folded names chosen for it."""


@dataclass
class CodingMemory:
    """Coded texts as hashes."""

    index: NgramIndex
    pointers: NDArray[np.int64]
    """Fingerprints of text ``t`` are ``fingerprints[pointers[t]:pointers[t + 1]]``."""
    fingerprints: NDArray[np.int64]

    @classmethod
    def build(cls, pairs: Sequence[Pair]) -> CodingMemory:
        """Hash coded texts."""
        lengths = [len(names) for _, names in pairs]
        return cls(
            NgramIndex.build([grams(text) for text, _ in pairs]),
            np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
            np.array([name_hash(name) for _, names in pairs for name in names], dtype=np.int64),
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What a file must hold to restore the memory."""
        return {**self.index.arrays(), "name_pointers": self.pointers, "fingerprints": self.fingerprints}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[np.generic]]) -> CodingMemory:
        """The inverse of ``arrays``."""
        return cls(NgramIndex.restore(arrays), arrays["name_pointers"].astype(np.int64), arrays["fingerprints"].astype(np.int64))

    def bind(self, table: CodeTable) -> BoundMemory:
        """Tie the fingerprints to a table's rows; names that the table lacks fall away."""
        targets = [
            tuple(
                dict.fromkeys(
                    table.by_hash[fingerprint]
                    for fingerprint in self.fingerprints[self.pointers[text] : self.pointers[text + 1]].tolist()
                    if fingerprint in table.by_hash
                )
            )
            for text in range(self.index.size)
        ]
        return BoundMemory(self.index, targets)


class BoundMemory:
    """A memory tied to one table."""

    def __init__(self, index: NgramIndex, targets: list[tuple[int, ...]]) -> None:
        self.index = index
        self.targets = targets
        self.frequency: Counter[int] = Counter(target for chosen in targets for target in chosen)
        self.together: dict[int, Counter[int]] = defaultdict(Counter)
        for chosen in targets:
            for one in chosen:
                for other in chosen:
                    if one != other:
                        self.together[one][other] += 1

    def log_frequency(self, target: int, own: tuple[int, ...] = ()) -> float:
        """How often coders chose the row, as log(1 + n); ``own`` are the rows of a text that must not count."""
        return math.log1p(self.frequency[target] - (target in own))

    def companion(self, target: int, leader: int, own: tuple[int, ...] = ()) -> float:
        """How often the row stood beside ``leader`` where that was chosen (shrunk towards 0)."""
        pairs = self.together.get(leader)
        if not pairs:
            return 0.0
        beside = leader in own
        return (pairs[target] - (beside and target in own)) / (self.frequency[leader] - beside + 2.0)
