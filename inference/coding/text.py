"""Folding, hashing and splitting of diagnosis and procedure texts."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROMAN = {"ⅰ": "1", "ⅱ": "2", "ⅲ": "3", "ⅳ": "4", "ⅴ": "5", "ⅵ": "6", "ⅶ": "7", "ⅷ": "8", "ⅸ": "9", "ⅹ": "10"}
_LATIN_ROMAN = re.compile(r"(?<![a-z])(iii|ii|iv|vi|i|v)(?=[级期度型类a-c]|\b)")
_LATIN_VALUES = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6"}
_NOISE = re.compile(r"[\s,，、。;；:：?？!！·.\-—_\"'“”‘’`~*^…()（）\[\]【】{}<>《》]+")
_NUMBERING = re.compile(r"(?:(?<=^)|(?<=[\s，,；;。、]))[(（]?\d{1,2}[.、)）:：](?!\d)")
SEPARATORS = re.compile(r"[、，,；;。\n\r+＋?？|]+|\s+(?=\d{1,2}[.、)）])")
CONNECTORS = re.compile(r"伴有|伴发|合并|并发|伴|并|及|和|与|继发于|继发|术后|后")


def spell(text: str) -> str:
    """Width and case folded, Roman numerals as digits; punctuation stays."""
    lowered = unicodedata.normalize("NFKC", "".join(_ROMAN.get(c.lower(), c) for c in text)).lower()
    return _LATIN_ROMAN.sub(lambda match: _LATIN_VALUES[match.group(1)], lowered)


def fold(text: str) -> str:
    """One spelling of a name: as ``spell``, punctuation and white space gone."""
    return _NOISE.sub("", spell(text))


def grams(folded: str) -> NDArray[np.uint32]:
    """Hashed character 1-, 2- and 3-grams of a folded text, sorted, each once."""
    hashes = {zlib.crc32(folded[start : start + size].encode()) for size in (1, 2, 3) for start in range(len(folded) - size + 1)}
    return np.array(sorted(hashes), dtype=np.uint32)


def name_hash(folded: str) -> int:
    """A 63-bit fingerprint of a folded name."""
    data = folded.encode()
    return (zlib.crc32(data) << 31) ^ zlib.crc32(data[::-1] + b"#") ^ (len(data) << 55)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a composite text, with its place in the original."""

    start: int
    end: int
    text: str


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and (text[start].isspace() or text[start] in "、，,；;。.:：+-"):
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] in "、，,；;。.:：+-"):
        end -= 1
    return start, end


def _cuts(text: str, start: int, end: int, is_name: Callable[[str], bool]) -> Iterator[int]:
    """Places of connectors in ``text[start:end]`` that no table name spans."""
    for match in CONNECTORS.finditer(text, start, end):
        low, high = match.span()
        if low - start < 2 or (end - high < 2 and match.group() != "术后"):
            continue
        if match.group() in {"术后", "后"}:
            continue
        spanned = any(
            is_name(fold(text[left:right]))
            for left in range(max(start, low - 14), low)
            for right in range(high + 1, min(end, high + 14) + 1)
        )
        if not spanned:
            yield low
            yield high


def split(text: str, is_name: Callable[[str], bool]) -> list[Part]:
    """Cut a composite text into its diseases or procedures.

    Separators and numbering always cut, unless the pieces together are one name of the table; connectors (伴, 合并, 及,
    …) cut where no name of the table spans them.

    Args:
        text: as written.
        is_name: whether a folded text is a name of the table.
    """
    whole = _trim(text, 0, len(text))
    if is_name(fold(text)):
        return [Part(*whole, text[slice(*whole)])] if whole[0] < whole[1] else []
    borders: list[tuple[int, int]] = []
    place = 0
    breaks = sorted([match.span() for match in SEPARATORS.finditer(text)] + [match.span() for match in _NUMBERING.finditer(text)])
    for low, high in breaks:
        if low >= place:
            if _inside_brackets(text, low):
                continue
            borders.append((place, low))
            place = high
    borders.append((place, len(text)))
    parts: list[Part] = []
    for low, high in borders:
        edges = [low, *_cuts(text, low, high, is_name), high]
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            left, right = _trim(text, left, right)
            if right > left and fold(text[left:right]):
                parts.append(Part(left, right, text[left:right]))
    if not parts and whole[0] < whole[1]:
        parts = [Part(*whole, text[slice(*whole)])]
    return parts


def _inside_brackets(text: str, place: int) -> bool:
    before = text[:place]
    opened = max(before.rfind("("), before.rfind("（"))
    closed = max(before.rfind(")"), before.rfind("）"))
    return opened > closed and any(mark in text[place:] for mark in ")）")
