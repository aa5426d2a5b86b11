"""Probability of each candidate, and the choice of codes out of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inference.coding.features import CandidateFinder, Candidates
from inference.coding.index import Floats
from inference.coding.pairs import JUDGED, PairJudge, likeliest, pair_features
from inference.coding.second import second_features

if TYPE_CHECKING:
    import onnxruntime as ort


def rank(session: ort.InferenceSession, features: Floats) -> NDArray[np.float64]:
    """Probability that each candidate is right: ``(candidates,)``."""
    if not len(features):
        return np.empty(0)
    _, probabilities = session.run(None, {session.get_inputs()[0].name: features})
    return np.asarray(probabilities, dtype=np.float64)[:, 1]


@dataclass(frozen=True, slots=True)
class Looks:
    """The three rankers of a system and the network between the first two."""

    first: ort.InferenceSession
    paired: ort.InferenceSession
    second: ort.InferenceSession
    pairs: PairJudge


def judge(looks: Looks, finder: CandidateFinder, text: str, candidates: Candidates, most: int = JUDGED) -> NDArray[np.float64]:
    """Probability that each candidate is right, all looks together: ``(candidates,)``; the network judges the `most` likeliest.

    Candidates that a look leaves out keep their order below those it took in.
    """
    probabilities = rank(looks.first, candidates.features)
    if not len(probabilities):
        return probabilities
    looked = likeliest(candidates, probabilities, most)
    names = [(int(candidates.part[place]), finder.table.names[candidates.targets[place]]) for place in looked]
    logits = looks.pairs.logits(text, candidates.parts, names)
    probabilities = above(probabilities, looked, rank(looks.paired, pair_features(candidates, probabilities, looked, logits)))
    looked, features = second_features(finder, text, candidates, probabilities)
    return above(probabilities, looked, rank(looks.second, features))


def above(probabilities: NDArray[np.float64], looked: NDArray[np.int64], again: NDArray[np.float64]) -> NDArray[np.float64]:
    """New probabilities of the candidates looked at again; the others stay in their order below them."""
    highest = float(np.delete(probabilities, looked).max(initial=0.0))
    judged = probabilities * (0.99 * float(again.min()) / highest if highest > 0 else 0.0)
    judged = np.minimum(judged, probabilities)
    judged[looked] = again
    return judged


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen row with its part and the part's alternatives (candidate indices, best first)."""

    candidate: int
    part: int
    alternatives: tuple[int, ...]


def choose(candidates: Candidates, probabilities: NDArray[np.float64], threshold: float, rescue: float, most: int = 10) -> list[Choice]:
    """Choose candidates above the threshold, at least one; in order of their parts, then of probability.

    Args:
        candidates: of one text.
        probabilities: ``(candidates,)``
        threshold: what a candidate must reach.
        rescue: what the best candidate of a part must reach to be chosen where the part would else have none.
        most: length of the alternatives.
    """
    if not len(probabilities):
        return []
    order = np.lexsort((candidates.targets, -probabilities))
    chosen = [int(place) for place in order if probabilities[place] >= threshold] or [int(order[0])]
    served = {int(candidates.part[place]) for place in chosen}
    for place in order.tolist():
        part = int(candidates.part[place])
        if part not in served:
            served.add(part)
            if probabilities[place] >= rescue:
                chosen.append(place)
    choices: list[Choice] = []
    for place in chosen:
        part = int(candidates.part[place])
        others = [int(other) for other in order if other != place and int(candidates.part[other]) == part]
        choices.append(Choice(place, part, (place, *others[: most - 1])))
    return sorted(choices, key=lambda choice: (choice.part, -probabilities[choice.candidate], choice.candidate))
