"""A few given names (an exam's options, a doctor's candidates): each judged by its own words and by the entries it stands for.

A name that the knowledge base holds is its entry. Any other is shared out among the entries whose names lie nearest, so that
肺炎链球菌肺炎 is judged by what is known of pneumonia instead of taking the least score of all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
OPTION_PARTS = ("name", "taught", "lexical", "probabilistic", "fused")
"""What a name is judged by: its own words, and what each part and their fusion say of the entries that it stands for."""
NEARNESS = 0.06
"""Temperature of the cosines by which an unknown name is shared out."""


def shares(name_vectors: Matrix, entry_names: Matrix, places: Sequence[int | None]) -> Matrix:
    """(names, entries) weights that sum to one: the entry of a known name, else the softmax of cosines with all entries' names.

    Args:
        name_vectors: (names, dimension) unit vectors.
        entry_names: (entries, dimension) unit vectors of the entries' name views.
        places: each name's entry, None where the knowledge base lacks it.
    """
    cosines = (name_vectors @ entry_names.T) / NEARNESS
    out = np.exp(cosines - cosines.max(axis=1, keepdims=True))
    out /= out.sum(axis=1, keepdims=True)
    for row, place in enumerate(places):
        if place is not None:
            out[row] = 0.0
            out[row, place] = 1.0
    return np.asarray(out, dtype=np.float32)


def logits_of_names(logits: Vector, shared: Matrix) -> Vector:
    """(names,): log of each name's share of exp(logits) over all entries."""
    top = logits.max()
    return np.asarray(top + np.log(shared @ np.exp(logits - top) + 1e-9))
