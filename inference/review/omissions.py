"""The sealed scorer of candidates against the entered list (`review.json` of the ranker bundle, fitted by `training.stages.review_fit`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.review.candidates import FEATURES

Vector = npt.NDArray[np.float64]
REVIEW = "review.json"


class Omissions:
    """A logistic scorer of (record, entered list, candidate) and the score from which the review speaks."""

    def __init__(self, sealed: Mapping[str, Any]) -> None:
        """Take the sealed numbers.

        Raises:
            ValueError: where they were fitted on other features.
        """
        if tuple(sealed["features"]) != FEATURES:
            raise ValueError("review.json was fitted on other features")
        self.mean, self.scale, self.weights = (np.array(sealed[key], dtype=float) for key in ("mean", "scale", "weights"))
        self.bias, self.threshold = float(sealed["bias"]), float(sealed["threshold"])

    def scores(self, matrix: Vector) -> Vector:
        """Log odds (candidates,) that the list leaves each candidate out, from features (candidates, len(FEATURES))."""
        return np.asarray(((matrix - self.mean) / self.scale) @ self.weights + self.bias)
