"""Text to encoder tokens, exactly one token for each code point.

Spans are then plain token indices: code point ``i`` of the text is token ``i + 1`` (token 0 is ``[CLS]``), whatever the
text holds. Training and serving both import this module, so no offset is ever translated twice.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CLS, SEP, PAD, UNKNOWN = "[CLS]", "[SEP]", "[PAD]", "[UNK]"
SPACE_SLOT = "[unused1]"
"""White space and control characters have no entry in a BERT vocabulary; they share this otherwise unused row."""


def fold_character(character: str) -> str:
    """Map one code point to the one code point whose embedding it shares.

    Full-width letters and digits become half-width and letters are lower-cased. A mapping that would change the length
    (``İ``, ``㎎``) is left out, so that offsets never move.
    """
    folded = character
    if "！" <= folded <= "～":
        half = chr(ord(folded) - 0xFEE0)
        if half.isalnum():
            folded = half
    lower = folded.lower()
    return lower if len(lower) == 1 else folded


class CharacterTokeniser:
    """One token per code point over a WordPiece vocabulary."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._vocabulary = dict(vocabulary)
        self.cls = self._vocabulary[CLS]
        self.sep = self._vocabulary[SEP]
        self.pad = self._vocabulary[PAD]
        self.unknown = self._vocabulary[UNKNOWN]
        self.space = self._vocabulary.get(SPACE_SLOT, self.unknown)
        self._ids: dict[str, int] = {}

    @classmethod
    def from_file(cls, path: Path) -> CharacterTokeniser:
        """Read the vocabulary out of a ``tokenizer.json``."""
        return cls(json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"])

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Token to row of the embedding matrix."""
        return self._vocabulary

    def _look_up(self, character: str) -> int:
        if character.isspace() or unicodedata.category(character) in {"Cc", "Cf"}:
            return self.space
        for form in (character, fold_character(character)):
            if form in self._vocabulary:
                return self._vocabulary[form]
        compatible = unicodedata.normalize("NFKC", character).lower()
        if len(compatible) == 1 and compatible in self._vocabulary:
            return self._vocabulary[compatible]
        return self.unknown

    def identify(self, character: str) -> int:
        """Vocabulary row of one code point."""
        found = self._ids.get(character)
        if found is None:
            found = self._look_up(character)
            self._ids[character] = found
        return found

    def encode(self, text: str) -> NDArray[np.int64]:
        """Rows of ``[CLS] text [SEP]``: shape ``(len(text) + 2,)``."""
        identify = self.identify
        return np.array([self.cls, *[identify(character) for character in text], self.sep], dtype=np.int64)


def assign_unused_slots(vocabulary: Mapping[str, int], characters: list[str]) -> dict[str, int]:
    """Give characters that the vocabulary lacks an ``[unused*]`` row each (``[unused1]`` stays with white space).

    Args:
        vocabulary: the pretrained vocabulary.
        characters: missing characters, most frequent first; those beyond the free rows are left out.
    """
    renamed = dict(vocabulary)
    free = [token for token in vocabulary if token.startswith("[unused") and token != SPACE_SLOT]
    for token, character in zip(free, characters, strict=False):
        renamed[character] = renamed.pop(token)
    return renamed
