"""A character trie: every listed word that occurs in a text, in one pass, longest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

Payload = TypeVar("Payload")
_END = ""


def is_ascii_letter(character: str) -> bool:
    """Whether the character is one of a-z or A-Z."""
    return "a" <= character <= "z" or "A" <= character <= "Z"


def _runs_on(text: str, position: int) -> bool:
    """Whether the word or number before `position` goes on there."""
    before, after = text[position - 1], text[position]
    if is_ascii_letter(after):
        return is_ascii_letter(before)
    if before.isdigit():
        return after.isdigit() or (after == "." and position + 1 < len(text) and text[position + 1].isdigit())
    return False


class Trie(Generic[Payload]):
    """Words with a payload each, found in time proportional to the text.

    A word that starts (ends) with a Latin letter only matches where no Latin letter stands before (after) it, so that
    `ca` is not found in `calcium`; one that ends with a digit is not cut out of a longer number (`t3` in `t38.5`).
    """

    def __init__(self, words: Mapping[str, Payload] | Iterable[tuple[str, Payload]]) -> None:
        self._root: dict[str, Any] = {}
        pairs = words.items() if isinstance(words, Mapping) else words
        for word, payload in pairs:
            if not word:
                continue
            node = self._root
            for character in word:
                node = node.setdefault(character, {})
            node[_END] = payload

    def longest_at(self, text: str, start: int) -> tuple[int, Payload] | None:
        """The end and payload of the longest word that begins at `start`."""
        node = self._root.get(text[start])
        if node is None:
            return None
        if start and is_ascii_letter(text[start]) and is_ascii_letter(text[start - 1]):
            return None
        best: tuple[int, Payload] | None = None
        position, length = start + 1, len(text)
        while True:
            if _END in node and not (position < length and _runs_on(text, position)):
                best = (position, node[_END])
            if position >= length:
                return best
            node = node.get(text[position])
            if node is None:
                return best
            position += 1

    def all_at(self, text: str, start: int) -> Iterator[tuple[int, Payload]]:
        """The end and payload of every word that begins at `start`, the shortest first."""
        node = self._root.get(text[start])
        if node is None or (start and is_ascii_letter(text[start]) and is_ascii_letter(text[start - 1])):
            return
        for position in range(start + 1, len(text) + 1):
            if _END in node and not (position < len(text) and _runs_on(text, position)):
                yield position, node[_END]
            if position == len(text) or (node := node.get(text[position])) is None:
                return

    def find(self, text: str) -> Iterator[tuple[int, int, Payload]]:
        """Leftmost-longest words without overlap, as `(start, end, payload)`."""
        position, length, root = 0, len(text), self._root
        while position < length:
            if text[position] in root:
                found = self.longest_at(text, position)
                if found is not None:
                    yield position, found[0], found[1]
                    position = found[0]
                    continue
            position += 1

    def find_overlapping(self, text: str) -> Iterator[tuple[int, int, Payload]]:
        """The longest word at each start, words that lie inside others among them."""
        root = self._root
        for position, character in enumerate(text):
            if character in root:
                found = self.longest_at(text, position)
                if found is not None:
                    yield position, found[0], found[1]
