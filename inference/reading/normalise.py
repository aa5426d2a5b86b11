"""Length-preserving normalisation: what is looked up is folded, what is answered keeps its place in the original.

Every code point maps to exactly one code point, so an offset in the folded text is an offset in the text as typed.
Characters that say nothing (zero-width marks, control characters inside words) are cut out by `compact`, which keeps
the way back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]{0,15}(?:\s[^<>]{0,300})?/?>|<!--[^<>]{0,300}-->")
_BREAKING_TAG = re.compile(r"</?(?:br|p|div|li|tr|h\d)\b", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:nbsp|lt|gt|amp|quot|#\d{2,5}|ensp|emsp);", re.IGNORECASE)
_POINT = re.compile(r"(?<=[一-鿿)])\.(?=[一-鿿(\n\sa-z]|$)(?!\s?\d)|(?<=[a-z]{2})\.(?=\s+[a-z一-鿿])")
"""A point after a Chinese word ends a sentence; 3.5 and 1.高血压 keep theirs."""
_ENTITY_SIGNS = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"'}


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
        """The text for a trained reader: simplified characters, no markup, words of scanned text mended, all else as typed."""
        return self._mend(text.translate(self._simplified))

    def _mend(self, text: str) -> str:
        text = self._misread_words.sub(lambda match: self._misread[match[0]], text)
        if "<" in text:
            text = _TAG.sub(_blank_tag, text)
        if "&" in text:
            text = _ENTITY.sub(_blank_entity, text)
        return text


def _blank_tag(match: re.Match[str]) -> str:
    width = match.end() - match.start()
    return "\n" + " " * (width - 1) if _BREAKING_TAG.match(match[0]) else " " * width


def _blank_entity(match: re.Match[str]) -> str:
    return _ENTITY_SIGNS.get(match[0].lower(), " ").ljust(len(match[0]))


@dataclass(frozen=True, slots=True)
class Compacted:
    """A text without its invisible characters, and where each of its characters came from."""

    text: str
    origins: tuple[int, ...] | None

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original of a non-empty stretch of the compacted text."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1

    def boundary(self, position: int) -> int:
        """The original offset of a boundary of the compacted text (the end where it is the end)."""
        return position if self.origins is None else self.origins[position]


def compact(text: str) -> Compacted:
    """Cut out zero-width and control characters; a text without any is passed through."""
    if not _INVISIBLE.search(text):
        return Compacted(text, None)
    kept = [index for index, character in enumerate(text) if not _INVISIBLE.match(character)]
    return Compacted("".join(text[index] for index in kept), (*kept, len(text)))
