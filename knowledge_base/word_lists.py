"""Word lists of the lexicon: what a grammar in code is filled with, so that a clinician can read and widen it.

A file of `content/lexicon` may carry `lists`, each with an `id` and `words` (taken literally) or `patterns` (regular
expressions for what no list can hold, folded as the text is). An overlay adds words to a list by its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_ID = re.compile(r"[a-z][a-z0-9_]*")


class WordLists:
    """The lists of one lexicon file, by id."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the content of a lexicon file with `lists`; one that is switched off is empty."""
        enabled = document.get("enabled", True)
        self._rows: dict[str, Mapping[str, Any]] = {
            row["id"]: row if enabled and row.get("enabled", True) else {} for row in document["lists"]
        }

    def words(self, ident: str) -> tuple[str, ...]:
        """The words of a list, in order."""
        return tuple(self._rows[ident].get("words", ()))

    def any_of(self, ident: str) -> str:
        """A regular expression for any entry of a list: patterns in order, then words, longest first; never one that matches nothing."""
        row = self._rows[ident]
        literal = sorted((re.escape(word) for word in row.get("words", ())), key=len, reverse=True)
        return "(?:" + "|".join([*row.get("patterns", ()), *literal] or ["(?!)"]) + ")"

    def compiled(self, ident: str) -> re.Pattern[str]:
        """`any_of` as a compiled pattern."""
        return re.compile(self.any_of(ident))


def problems(document: Any) -> Iterator[str]:
    """What is wrong with the lists of a lexicon file, in words that say how to mend it."""
    if not isinstance(document, Mapping) or "lists" not in document:
        return
    seen: set[str] = set()
    for row in document["lists"]:
        ident = row.get("id") if isinstance(row, Mapping) else None
        if not isinstance(ident, str) or not _ID.fullmatch(ident):
            yield f"a list has the id {ident!r}: give each list an id in small letters"
            continue
        if ident in seen:
            yield f"list {ident} stands twice: keep one"
        seen.add(ident)
        words, patterns = row.get("words", []), row.get("patterns", [])
        if not isinstance(words, list) or not isinstance(patterns, list) or not (words or patterns):
            yield f"list {ident}: give `words` or `patterns`, each a list"
            continue
        for word in [*words, *patterns]:
            if not isinstance(word, str) or not word:
                yield f"list {ident}: {word!r} is no text: put it in quotes"
        texts = [word for word in words if isinstance(word, str)]
        for word in sorted({word for word in texts if texts.count(word) > 1}):
            yield f"list {ident}: {word} stands twice: keep one"
        for pattern in patterns:
            try:
                re.compile(str(pattern))
            except re.error as error:
                yield f"list {ident}: {pattern} is no regular expression: {error}"
