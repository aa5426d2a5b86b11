"""Sections of a record: recognised by their headings in a whole text, or given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from data_contracts.structure import Section

LONGEST_COMPLAINT = 60
"""Characters up to which the first sentence under 主诉 is the complaint."""
LEAST_HISTORY = 20
"""Characters after it from which the rest is the present illness."""
_SENTENCE = re.compile(r"[。\n]")
_BOUNDARY = "\n。；;！!|】」】\t "


class SectionFinder:
    """Finds headings in folded text."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        """Take the content of `lexicon/sections.yaml`."""
        self._name_of = {word: name for name, words in table["headings"].items() for word in words}
        ordered = sorted(self._name_of, key=len, reverse=True)
        spaced = "|".join(r"[ ]{0,2}".join(map(re.escape, word)) for word in ordered)
        bare = "|".join(map(re.escape, sorted(table["bare"], key=len, reverse=True)))
        self._heading = re.compile(
            rf"(?:^|(?<=[{re.escape(_BOUNDARY)}，,、]))[ ]*(?:\d{{1,2}}[.、)]\s?|[一二三四五六七八九十][、.]\s?)?"
            rf"(?:[【\[(<]\s?(?P<boxed>{spaced})\s?[】\])>]\s?:?|(?P<coloned>{spaced})\s?:)"
        )
        self._bare = re.compile(rf"(?:^|(?<=[\n。；;]))[ ]*(?P<bare>{bare})(?![的和及与、:])")
        self._letters = re.compile(r"(?:^|(?<=[\n。；;]))[ ]*(?P<letter>[soap])\s?:(?!\s?\d)")
        self._letter_sections: Mapping[str, str] = table["letters"]
        self._quick = re.compile(rf"[:【\[(<]|{bare}")

    def __call__(self, text: str) -> tuple[tuple[Section, ...], tuple[tuple[int, int], ...]]:
        """The sections of folded text, each from the end of its heading to the next heading without outer white space.

        Beside them the places of all headings, those of empty sections too.
        """
        if not self._quick.search(text):
            return (), ()
        marks = [(m.start(), m.end(), self._name_of[re.sub(" ", "", m["boxed"] or m["coloned"])]) for m in self._heading.finditer(text)]
        marks += [(m.start(), m.end(), self._name_of[m["bare"]]) for m in self._bare.finditer(text)]
        letters = [(m.start(), m.end(), self._letter_sections[m["letter"]]) for m in self._letters.finditer(text)]
        marks += letters if len(letters) >= 2 else []
        marks.sort()
        sections: list[Section] = []
        for index, (_, end, name) in enumerate(marks):
            stop = marks[index + 1][0] if index + 1 < len(marks) else len(text)
            while end < stop and text[end].isspace():
                end += 1
            while stop > end and text[stop - 1].isspace():
                stop -= 1
            if stop <= end:
                continue
            told = _end_of_complaint(text, end, stop) if name == "chief_complaint" else stop
            sections.append(Section(name=name, start=end, end=told))
            if told < stop:
                while told < stop and text[told].isspace():
                    told += 1
                sections.append(Section(name="present_illness", start=told, end=stop))
        return tuple(sections), tuple((start, end) for start, end, _ in marks)


def _end_of_complaint(text: str, start: int, stop: int) -> int:
    """Where a chief complaint ends that no heading follows: after its first sentence, if much more comes."""
    mark = _SENTENCE.search(text, start, stop)
    return mark.end() if mark is not None and mark.end() - start <= LONGEST_COMPLAINT and stop - mark.end() >= LEAST_HISTORY else stop


def section_at(sections: tuple[Section, ...], position: int) -> str | None:
    """The name of the section that holds a position."""
    for section in sections:
        if section.start <= position < section.end:
            return section.name
        if section.start > position:
            return None
    return None
