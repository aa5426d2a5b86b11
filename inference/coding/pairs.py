"""What the pair network reads: a text and a name as one sequence of tokens, a token a character.

Training and serving both import this module. A pair is ``[CLS] text [SEP] name [SEP]`` of at most ``PAIR_TOKENS`` tokens; a
text longer than its share is cut to a window around the part that the candidate fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.coding.features import FEATURES, Candidates
from inference.coding.index import Floats
from inference.coding.text import Part, spell
from inference.reading.tokens import CharacterTokeniser

if TYPE_CHECKING:
    import onnxruntime as ort

    from models.bundle import Bundle

NETWORK, VOCABULARY = "pairs.onnx", "vocabulary.json"
"""The network and its vocabulary (tokens in the order of their rows) in the bundle."""

PAIR_TOKENS, PAIR_TEXT = 64, 34
"""Tokens of a pair, and of those the text's share."""
NAME_TOKENS = PAIR_TOKENS - PAIR_TEXT - 3
ALONE = 60
"""Characters of a text that is encoded alone, for its vector."""
MASK = "[MASK]"


class PairTokens:
    """Characters to rows of the network's own short vocabulary."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self.tokeniser = CharacterTokeniser(vocabulary)

    def ids(self, spelt: str, most: int) -> list[int]:
        """Rows of the first ``most`` characters, without the closing tokens."""
        identify = self.tokeniser.identify
        return [identify(character) for character in spelt[:most]]

    def name(self, name: str) -> list[int]:
        """Rows of a table's name."""
        return self.ids(spell(name), NAME_TOKENS)

    def alone(self, text: str) -> list[int]:
        """Rows of a text that is encoded alone."""
        return self.ids(spell(text), ALONE)

    def window(self, text: str, part: Part) -> list[int]:
        """Rows of a text beside which a name of ``part`` is judged: all of it, or as much as fits around the part."""
        if len(text) <= PAIR_TEXT:
            return self.ids(spell(text), PAIR_TEXT)
        start = max(0, min((part.start + part.end - PAIR_TEXT) // 2, part.start, len(text) - PAIR_TEXT))
        return self.ids(spell(text[start : start + PAIR_TEXT]), PAIR_TEXT)


WIDTHS = (16, 24, 32, 40, 48, 56, PAIR_TOKENS)
"""Lengths that a pass may have."""
JUDGED = 24
"""Likeliest candidates that the network judges."""
PAIRS_A_PASS = 8
"""Pairs of a pass: all 24 at once take half as much memory again, which the session never gives back, and no less time."""
JUDGED_OF_MENTION = 4
"""Of a mention in a record, which has many and is wanted in the time of a keystroke."""

PAIR_FEATURES = (
    "first_probability", "first_rank", "logit", "logit_lead", "logit_rank", "logit_share", "logit_part_lead", "logits_above_zero",
)  # fmt: skip


class PairJudge:
    """The pair network over ONNX Runtime: the pairs of a text in a few passes."""

    def __init__(self, session: ort.InferenceSession, tokens: PairTokens) -> None:
        self._session = session
        self._tokens = tokens

    @classmethod
    def of(cls, bundle: Bundle) -> PairJudge:
        """The network of a coder's bundle."""
        vocabulary: list[str] = bundle.json(VOCABULARY)
        return cls(bundle.session(NETWORK), PairTokens({token: row for row, token in enumerate(vocabulary)}))

    def logits(self, text: str, parts: Sequence[Part], pairs: Sequence[tuple[int, str]]) -> NDArray[np.float64]:
        """How well each name fits the text: ``(pairs,)``.

        Args:
            text: as written.
            parts: its pieces.
            pairs: the part that a name fits best, and the name.
        """
        if not pairs:
            return np.empty(0)
        windows = {part: self._tokens.window(text, parts[part]) for part, _ in pairs}
        inputs = pair_inputs(self._tokens, [(windows[part], self._tokens.name(name)) for part, name in pairs])
        logits = []
        for start in range(0, len(pairs), PAIRS_A_PASS):
            some = {key: value[start : start + PAIRS_A_PASS] for key, value in inputs.items()}
            logits.append(self._session.run(["logit"], some)[0])
        return np.concatenate(logits).astype(np.float64)


def pair_inputs(tokens: PairTokens, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> dict[str, NDArray[Any]]:
    """The network's inputs ``(pairs, width)`` for rows of a text and of a name; the width is one of ``WIDTHS``."""
    tokeniser = tokens.tokeniser
    longest = max(len(text) + len(name) + 3 for text, name in pairs)
    width = next(width for width in WIDTHS if width >= longest)
    ids = np.full((len(pairs), width), tokeniser.pad, dtype=np.int64)
    kinds = np.zeros_like(ids)
    mask = np.zeros(ids.shape, dtype=bool)
    for place, (text, name) in enumerate(pairs):
        border, end = len(text) + 2, len(text) + len(name) + 3
        ids[place, :end] = [tokeniser.cls, *text, tokeniser.sep, *name, tokeniser.sep]
        kinds[place, border:end] = 1
        mask[place, :end] = True
    return {"ids": ids, "kinds": kinds, "mask": mask}


def likeliest(candidates: Candidates, probabilities: NDArray[np.float64], most: int = JUDGED) -> NDArray[np.int64]:
    """The candidates that the network judges, best first."""
    return np.lexsort((candidates.targets, -probabilities))[:most].astype(np.int64)


def pair_features(
    candidates: Candidates, probabilities: NDArray[np.float64], looked: NDArray[np.int64], logits: NDArray[np.float64]
) -> Floats:
    """What the ranker after the network sees: ``(looked at, len(FEATURES) + len(PAIR_FEATURES))``.

    Args:
        candidates: of one text.
        probabilities: of the first ranker.
        looked: the candidates that were judged, best first.
        logits: of those.
    """
    if not len(looked):
        return np.empty((0, len(FEATURES) + len(PAIR_FEATURES)), dtype=np.float32)
    highest = float(logits.max())
    odds = np.exp(logits - highest)
    part = candidates.part[looked]
    of_part = {int(place): float(logits[part == place].max()) for place in np.unique(part)}
    added = (
        probabilities[looked],
        np.arange(len(looked)),
        logits,
        logits - highest,
        np.argsort(np.argsort(-logits, kind="stable"), kind="stable"),
        odds / odds.sum(),
        logits - np.array([of_part[int(place)] for place in part]),
        np.full(len(looked), (logits > 0).sum()),
    )
    return np.concatenate((candidates.features[looked], np.stack(added, axis=1).astype(np.float32)), axis=1)
