"""Length-preserving normalisation: what is looked up is folded, what is answered keeps its place in the original.

Every code point maps to exactly one code point, so an offset in the folded text is an offset in the text as typed.
Characters that say nothing (zero-width marks, control characters inside words) are cut out by `compact`, which keeps
the way back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

_SINGLE = {
    "　": " ", "\xa0": " ", "\r": " ", "\t": " ", "\x0b": " ", "\x0c": " ", "\u2028": "\n", "\u2029": "\n", "\x85": "\n",
    "—": "-", "–": "-", "－": "-", "−": "-", "‐": "-", "‑": "-", "―": "-", "﹣": "-",
    "～": "~", "∼": "~", "〜": "~", "˜": "~",
    "✕": "×", "╳": "×", "✖": "×", "﹡": "*", "＊": "*", "∗": "*", "•": "·",
    "µ": "μ", "﹤": "<", "﹥": ">", "〈": "<", "〉": ">", "≦": "≤", "≧": "≥", "⩽": "≤", "⩾": "≥",
    "˚": "°", "º": "°", "゜": "°", "．": ".", "﹒": ".", "﹕": ":", "∶": ":", "：": ":", "（": "(", "）": ")", "﹙": "(", "﹚": ")",
    "〔": "(", "〕": ")", "［": "[", "］": "]", "⁺": "+", "﹢": "+", "⁻": "-", "﹪": "%", "٪": "%", "／": "/", "∕": "/", "⁄": "/",
    "“": '"', "”": '"', "＂": '"', "﹐": "，", "﹔": "；", "﹖": "？", "﹗": "！", "｡": "。", "､": "、", "﹑": "、",
}  # fmt: skip
_KEPT_FULL_WIDTH = frozenset("，；？！")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f]")
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]{0,15})(?:\s[^<>]{0,300})?/?>|<!--[^<>]{0,300}-->")
_INLINE_TAGS = frozenset({"sup", "sub", "b", "i", "u", "em", "strong", "span", "font", "a", "small", "big", "mark", "s", "del", "ins"})
_CELL_TAGS = frozenset({"td", "th"})
_ENTITY = re.compile(
    r"&(?:(nbsp|ensp|emsp|thinsp|lt|gt|amp|quot|apos|deg|plusmn|times|micro|middot|le|ge)|#(\d{2,6})|#[xX]([0-9a-fA-F]{2,5}));"
)
_ENTITY_SIGNS = {
    "lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'", "deg": "°", "plusmn": "±", "times": "×", "micro": "µ", "middot": "·", "le": "≤", "ge": "≥",
}  # fmt: skip
_HAN = re.compile("[一-鿿]")
_HAN_SPACED = re.compile("[一-鿿] (?=[一-鿿])")
_SPREAD = re.compile(r"(?<=[一-鿿，。、；：（）,.:/()\d]) (?=[一-鿿，。、；：（）,.:/()\d])")
_LEAST_SPREAD = 8
"""Spaces between Chinese characters, as many as half of the characters, that make a text spread by a scanner."""
_LINE_ENDS = frozenset("。；，、：！？;,.:!?>")
_LEAST_WIDTH = 20
_HEADED = re.compile(r"\s*(?:[一-鿿]{2,8}[:：]|\d{1,2}[.、）)]|[-*•·])|\s*$")
_POINT = re.compile(r"(?<=[一-鿿)])\.(?=[一-鿿(\n\sa-z]|$)(?!\s?\d)|(?<=[a-z]{2})\.(?=\s+[a-z一-鿿])")
"""A point after a Chinese word ends a sentence; 3.5 and 1.高血压 keep theirs."""


def _table() -> dict[int, str]:
    table = {ord(key): value for key, value in _SINGLE.items() if len(key) == 1}
    for code in range(0xFF01, 0xFF5F):
        full = chr(code)
        if full not in _KEPT_FULL_WIDTH:
            table.setdefault(code, chr(code - 0xFEE0))
    table.update({code: table[code].lower() for code in list(table) if table[code].isascii()})
    for digits in ("⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"):
        table.update({ord(sign): str(number) for number, sign in enumerate(digits)})
    table.update({code: chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})
    table.update({code: "�" for code in range(0xD800, 0xE000)})
    return table


class Normaliser:
    """Folds width, case, signs and traditional characters, one code point to one code point."""

    def __init__(self, characters: Mapping[str, Any]) -> None:
        """Take the content of `lexicon/characters.yaml`."""
        self._table = _table()
        simplified = (
            {ord(pair[0]): pair[1] for row in characters["pairs"] for pair in row.split()} if characters.get("enabled", True) else {}
        )
        self._table.update(simplified)
        self._simplified = simplified
        self._misread: Mapping[str, str] = dict(pair.split() for pair in characters["misread"])
        self._misread_words = re.compile("|".join(map(re.escape, self._misread)))

    def __call__(self, text: str) -> str:
        """Fold the text; the result has the same length."""
        folded = self._mend(text.translate(self._table))
        return _POINT.sub("。", folded) if "." in folded else folded

    def plain(self, text: str) -> str:
        """The text for a trained reader: simplified characters, words of scanned text mended, all else as typed."""
        return self._mend(text.translate(self._simplified))

    def _mend(self, text: str) -> str:
        return self._misread_words.sub(lambda match: self._misread[match[0]], text)


@dataclass(frozen=True, slots=True)
class Compacted:
    """A text without what says nothing (invisible characters, markup, spread spaces, hard line breaks), and where each character came from."""

    text: str
    origins: tuple[tuple[int, int], ...] | None

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original of a non-empty stretch of the compacted text."""
        if self.origins is None:
            return start, end
        return self.origins[start][0], self.origins[end - 1][1]


def compact(text: str) -> Compacted:
    """Cut out or replace what says nothing; a text without any of it is passed through.

    Zero-width and control characters, markup and character entities, the spaces of a text that a scanner spread, and the
    line breaks of a text that was broken at a fixed width.
    """
    cuts = _remains(text) + _spread_spaces(text) + _hard_breaks(text)
    if not cuts:
        return Compacted(text, None)
    characters: list[str] = []
    origins: list[tuple[int, int]] = []
    position = 0
    for start, end, instead in sorted(cuts):
        if start < position:
            continue
        characters.append(text[position:start])
        origins += [(index, index + 1) for index in range(position, start)]
        if instead:
            characters.append(instead)
            origins.append((start, end))
        position = end
    characters.append(text[position:])
    origins += [(index, index + 1) for index in range(position, len(text))]
    return Compacted("".join(characters), tuple(origins))


def _remains(text: str) -> list[tuple[int, int, str]]:
    """Invisible characters, tags and entities: start, end, the character that stands for them (or none)."""
    cuts = [(match.start(), match.end(), "") for match in _INVISIBLE.finditer(text)]
    if "<" in text:
        cuts += [(match.start(), match.end(), _of_tag(match[1])) for match in _TAG.finditer(text)]
    if "&" in text:
        cuts += [(match.start(), match.end(), _of_entity(match)) for match in _ENTITY.finditer(text)]
    return cuts


def _of_tag(name: str | None) -> str:
    """What a tag leaves: nothing inside a line, a space between cells, a line end for all others."""
    if name is None or name.lower() in _INLINE_TAGS:
        return ""
    return " " if name.lower() in _CELL_TAGS else "\n"


def _of_entity(match: re.Match[str]) -> str:
    name, decimal, hexadecimal = match.groups()
    if name is not None:
        return _ENTITY_SIGNS.get(name, " ")
    sign = chr(min(int(decimal) if decimal else int(hexadecimal, 16), 0x10FFFF))
    return sign if sign.isprintable() else " "


def _spread_spaces(text: str) -> list[tuple[int, int, str]]:
    """The single spaces of a text that a scanner spread (发 热 3 天)."""
    spaced = len(_HAN_SPACED.findall(text))
    if spaced < _LEAST_SPREAD or 2 * spaced < len(_HAN.findall(text)):
        return []
    return [(match.start(), match.end(), "") for match in _SPREAD.finditer(text)]


def _hard_breaks(text: str) -> list[tuple[int, int, str]]:
    """The line breaks of a text that was broken at a fixed width, in the middle of words."""
    if text.count("\n") < 2:
        return []
    lines = text.splitlines(keepends=True)
    widths = [len(line.rstrip("\r\n")) for line in lines]
    width = max(widths)
    full = [index for index, count in enumerate(widths[:-1]) if count >= width - 1]
    if width < _LEAST_WIDTH or len(full) < 2:
        return []
    starts = [0, *accumulate(len(line) for line in lines)]
    return [
        (starts[index] + widths[index], starts[index + 1], "")
        for index in full
        if lines[index][widths[index] - 1] not in _LINE_ENDS and not _HEADED.match(lines[index + 1])
    ]
