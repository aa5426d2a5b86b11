"""Fusion: a small linear ranker over the parts' scores and their agreement, then calibration.

The weights are fitted out of fold on real records (`training/stages/ranker_fuse.py`) and sealed in `fusion.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
WHOLE_LENGTH = 400
"""Characters at which a record is as long as its parts' trust depends on: characters and short texts' teaching serve ward records less."""
LONG_RECORD = 200
"""Characters from which a record is calibrated as a long one: ward records list several diagnoses and state more of them."""

FEATURES: tuple[str, ...] = (
    "semantic_z",
    "semantic_gap",
    "semantic_rank",
    "probabilistic_gap",
    "probabilistic_rank",
    "probabilistic_share",
    "votes",
    "votes_rank",
    "lexical_z",
    "lexical_gap",
    "lexical_rank",
    "taught_gap",
    "taught_near",
    "taught_rank",
    "mention_present",
    "mention_possible",
    "mention_historical",
    "mention_absent",
    "full",
    "conflict",
    "prior",
    "key_hits",
    "denials",
    "agreement",
    "findings_x_probabilistic",
    "findings_x_semantic",
    "long_x_mention",
    "short_x_votes",
    "must_not_miss",
    "long_x_semantic_gap",
    "long_x_semantic_rank",
    "long_x_lexical_gap",
    "long_x_lexical_rank",
    "long_x_taught_gap",
    "long_x_taught_rank",
    "long_x_probabilistic_gap",
    "long_x_named",
)


@dataclass(frozen=True, slots=True)
class PartScores:
    """What the parts say about one record, over all targets (full entries first, then thin ones)."""

    semantic: Vector
    probabilistic: Vector
    """Full entries only."""
    votes: Vector
    lexical: Vector
    taught: Vector
    """Log-probabilities; all zero where nothing was taught."""
    conflicts: Vector
    must_not_miss: npt.NDArray[np.bool_]
    """Full entries only."""
    impossible: npt.NDArray[np.bool_]
    """Full entries only: never put forward."""
    prior: Vector
    hits: Vector
    denials: Vector
    mentions: Mapping[int, str]
    findings: int
    characters: int
    danger: float
    """Probability that the record tells of something that must not be missed; zero where nothing was taught."""


def pool(scores: PartScores, *, size: int = 40) -> npt.NDArray[np.int64]:
    """Targets worth fusing: the first of each part, and all that the text names."""
    chosen = set(np.argpartition(-scores.semantic, min(size, len(scores.semantic) - 1))[:size].tolist())
    if scores.findings and len(scores.probabilistic):
        chosen |= set(np.argpartition(-scores.probabilistic, min(size, len(scores.probabilistic) - 1))[:size].tolist())
    if scores.lexical.any():
        chosen |= set(np.argpartition(-scores.lexical, min(size, len(scores.lexical) - 1))[:size].tolist())
    if scores.taught.any():
        chosen |= set(np.argpartition(-scores.taught, min(size, len(scores.taught) - 1))[:size].tolist())
    voted = np.nonzero(scores.votes > 0)[0]
    chosen |= set(voted[np.argsort(-scores.votes[voted])][:20].tolist())
    chosen |= {i for i, assertion in scores.mentions.items() if assertion in ("present", "possible", "historical")}
    chosen -= set(np.nonzero(scores.impossible)[0].tolist())
    return np.array(sorted(chosen), dtype=np.int64)


def _ranks(values: Vector) -> Vector:
    ranks = np.empty(len(values))
    ranks[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return 1.0 / (1.0 + ranks)


def features(scores: PartScores, targets: npt.NDArray[np.int64]) -> Vector:
    """The feature matrix (len(targets), len(FEATURES))."""
    n_full = len(scores.probabilistic)
    full = targets < n_full
    semantic = scores.semantic
    centre, spread = semantic.mean(), max(float(semantic.std()), 1e-6)
    semantic_gap = np.clip((semantic - semantic.max()) / 0.1, -6, 0)
    probabilistic = scores.probabilistic if n_full else np.zeros(0)
    if n_full:
        top = probabilistic.max()
        share = np.exp(probabilistic - top)
        share /= share.sum()
        gap = np.clip((probabilistic - top) / 3.0, -6, 0)
        ranks = _ranks(probabilistic)
    else:
        share = gap = ranks = np.zeros(0)

    def at(values: Vector, missing: float) -> Vector:
        out = np.full(len(targets), missing)
        out[full] = values[targets[full]]
        return out

    lexical_z, lexical_gap, lexical_rank = np.zeros(len(targets)), np.full(len(targets), -3.0), np.zeros(len(targets))
    if scores.lexical.any():
        lexical_z = ((scores.lexical - scores.lexical.mean()) / max(float(scores.lexical.std()), 1e-6))[targets]
        lexical_gap = np.clip((scores.lexical - scores.lexical.max()) / 0.1, -6, 0)[targets]
        lexical_rank = _ranks(scores.lexical)[targets]
    taught_gap, taught_rank = np.zeros(len(targets)), np.zeros(len(targets))
    if scores.taught.any():
        taught_gap = (scores.taught - scores.taught.max())[targets]
        taught_rank = _ranks(scores.taught)[targets]
    vote_ranks = _ranks(scores.votes)
    votes = np.sqrt(scores.votes[targets])
    semantic_ranks = _ranks(semantic)
    prob_gap, prob_rank = at(gap, -2.5), at(ranks, 0.0)
    evidence = min(scores.findings, 12) / 12.0
    length = min(scores.characters, 800) / 800.0
    long = min(scores.characters, WHOLE_LENGTH) / WHOLE_LENGTH
    mention = {
        name: np.array([scores.mentions.get(int(t)) == name for t in targets], dtype=float)
        for name in ("present", "possible", "historical", "absent")
    }
    agreement = (semantic_ranks[targets] > 1 / 6.5).astype(float) + (prob_rank > 1 / 6.5) + ((vote_ranks[targets] > 1 / 6.5) & (votes > 0))
    if not scores.findings:
        prob_gap, prob_rank = np.full(len(targets), -2.5), np.zeros(len(targets))
    columns = [
        (semantic[targets] - centre) / spread,
        semantic_gap[targets],
        semantic_ranks[targets],
        prob_gap,
        prob_rank,
        at(share, 0.0),
        votes,
        np.where(votes > 0, vote_ranks[targets], 0.0),
        lexical_z,
        lexical_gap,
        lexical_rank,
        np.clip(taught_gap, -12, 0),
        np.clip(taught_gap / 4, -1, 0),
        taught_rank,
        mention["present"],
        mention["possible"],
        mention["historical"],
        mention["absent"],
        full.astype(float),
        at(scores.conflicts, 0.0),
        at(scores.prior, 0.0),
        np.minimum(at(scores.hits, 0.0), 6),
        np.minimum(at(scores.denials, 0.0), 6),
        agreement,
        evidence * prob_gap,
        evidence * semantic_gap[targets],
        length * mention["present"],
        (1 - length) * votes,
        at(scores.must_not_miss.astype(float), 0.0),
        long * semantic_gap[targets],
        long * semantic_ranks[targets],
        long * lexical_gap,
        long * lexical_rank,
        long * np.clip(taught_gap, -12, 0),
        long * taught_rank,
        long * prob_gap,
        long * mention["present"],
    ]
    return np.stack(columns, axis=1)


class Fusion:
    """The sealed linear ranker with its calibration."""

    def __init__(self, sealed: Mapping[str, Any]) -> None:
        if tuple(sealed["features"]) != FEATURES:
            raise ValueError("fusion.json was fitted on other features")
        self.mean = np.array(sealed["mean"])
        self.scale = np.array(sealed["scale"])
        self.weights = np.array(sealed["weights"])
        self.bias = float(sealed["bias"])
        self.slope = float(sealed["calibration"]["slope"])
        self.offset = float(sealed["calibration"]["offset"])
        self.age_offsets: Mapping[str, float] = sealed["calibration"].get("age_offsets", {})
        self.long_slope = float(sealed["calibration"].get("long_slope", 0.0))
        self.long_offset = float(sealed["calibration"].get("long_offset", 0.0))
        self.abstain_below = float(sealed.get("abstain_below", 0.0))
        self.danger_from = float(sealed.get("danger_from", 1.0))
        self.review: Mapping[str, float] = sealed.get("review", {})
        """Thresholds of the review, tuned on complete records."""
        self.options: Mapping[str, float] = sealed.get("options", {"fused": 0.5, "name": 1.0})
        """Weight of each of `OPTION_PARTS`; one that is not named has none."""

    def logits(self, matrix: Vector) -> Vector:
        """Ranking scores of candidates."""
        return np.asarray(((matrix - self.mean) / self.scale) @ self.weights + self.bias)

    def probabilities(self, logits: Vector, age_years: float | None, characters: int) -> Vector:
        """Calibrated probability that each candidate is among the final diagnoses of a record of so many characters."""
        long = characters >= LONG_RECORD
        shift = self.age_offsets.get(age_band(age_years), 0.0) + long * self.long_offset
        return np.asarray(1 / (1 + np.exp(-((self.slope + long * self.long_slope) * logits + self.offset + shift))))


def age_band(years: float | None) -> str:
    """The band that calibration and reports speak of."""
    if years is None:
        return "unknown"
    if years < 18:
        return "child"
    return "over65" if years >= 65 else "adult"


def unfitted() -> dict[str, Any]:
    """Weights by judgement, for a machine where nothing has been fitted yet."""
    weights = dict.fromkeys(FEATURES, 0.0) | {
        "semantic_z": 0.4,
        "semantic_gap": 0.35,
        "semantic_rank": 0.8,
        "probabilistic_gap": 0.5,
        "probabilistic_rank": 1.2,
        "votes": 1.0,
        "lexical_z": 0.2,
        "lexical_rank": 0.8,
        "mention_present": 2.0,
        "mention_possible": 2.0,
        "mention_absent": -2.0,
        "full": 0.6,
        "conflict": -4.0,
        "agreement": 0.4,
    }
    return {
        "features": list(FEATURES),
        "mean": [0.0] * len(FEATURES),
        "scale": [1.0] * len(FEATURES),
        "weights": [weights[name] for name in FEATURES],
        "bias": -3.0,
        "calibration": {"slope": 1.0, "offset": 0.0},
        "abstain_below": 0.08,
    }


def standardise(rows: Sequence[Vector]) -> tuple[Vector, Vector]:
    """Mean and scale of stacked feature rows (scale 1 where a feature does not vary)."""
    matrix = np.concatenate(list(rows))
    scale = matrix.std(axis=0)
    return matrix.mean(axis=0), np.where(scale > 1e-9, scale, 1.0)
