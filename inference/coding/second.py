"""Second look at a text's best candidates: each beside those ranked above it.

The first ranker judges candidates one by one; this one sees that a better name for the same part, or of the same category,
already stands above, and what a candidate adds to what is already covered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.coding.features import CandidateFinder, Candidates
from inference.coding.index import Floats
from inference.coding.text import fold

LOOKED_AT = 15
"""Candidates that get a second look; the others keep a scaled first probability."""
COUNTED = 0.3
"""A candidate above this counts as chosen for what it covers."""

SECOND_FEATURES = (
    "probability", "rank", "share_of_best", "best", "gap_above", "gap_below", "sum", "likely", "best_of_part",
    "rank_in_part", "best_of_category", "likeness_above", "new_share", "new_characters", "uncovered", "sum_above",
)  # fmt: skip


def second_features(
    finder: CandidateFinder, text: str, candidates: Candidates, probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.int64], Floats]:
    """The candidates looked at again, best first, and their features ``(looked at, len(SECOND_FEATURES))``."""
    order = np.lexsort((candidates.targets, -probabilities))[:LOOKED_AT]
    characters = set(fold(text))
    first = probabilities[order]
    targets = candidates.targets[order].tolist()
    parts = candidates.part[order].tolist()
    names = [finder.characters(target) for target in targets]
    categories = [finder.category(target) for target in targets]
    covered: set[str] = set()
    total, likely = float(first.sum()), int((first > COUNTED).sum())
    rows: list[tuple[float, ...]] = []
    for place in range(len(order)):
        probability = float(first[place])
        shared = names[place] & characters
        same_part = [float(first[other]) for other in range(place) if parts[other] == parts[place]]
        same_category = [float(first[other]) for other in range(place) if categories[other] == categories[place]]
        likeness = max((len(names[place] & names[other]) / len(names[place] | names[other]) for other in range(place)), default=0.0)
        rows.append(
            (
                probability,
                float(place),
                probability / max(float(first[0]), 1e-9),
                float(first[0]),
                float(first[place - 1]) - probability if place else 0.0,
                probability - (float(first[place + 1]) if place + 1 < len(order) else 0.0),
                total,
                float(likely),
                max(same_part, default=0.0),
                float(len(same_part)),
                max(same_category, default=0.0),
                likeness,
                len(shared - covered) / max(len(shared), 1),
                float(len(shared - covered)),
                len(characters - covered) / max(len(characters), 1),
                float(first[:place].sum()),
            )
        )
        if probability > COUNTED:
            covered |= shared
    return order.astype(np.int64), np.array(rows, dtype=np.float32).reshape(-1, len(SECOND_FEATURES))
