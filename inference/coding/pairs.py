"""What the pair network reads: a text and a name as one sequence of tokens, a token a character.

Training and serving both import this module. A pair is ``[CLS] text [SEP] name [SEP]`` of at most ``PAIR_TOKENS`` tokens; a
text longer than its share is cut to a window around the part that the candidate fits.
"""

from __future__ import annotations

from collections.abc import Mapping

from inference.coding.text import Part, spell
from inference.reading.tokens import CharacterTokeniser

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
