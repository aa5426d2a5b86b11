"""Numbers as records write them: digits, thousands, Chinese numerals."""

from __future__ import annotations

import re

_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_TENS = {"十": 10, "百": 100, "千": 1000}
_LONGEST = 15
"""Signs of a numeral; what is longer is a slip of the keyboard, and Python refuses to make a number of it."""

NUMBER = re.compile(
    r"\d+\.\d{1,2}(?=10\s?\^\s?(?:9|12))|\d{1,3}(?:,\d{3})+(?![\d/]|\.\d)|\d{1,3}点\d{1,2}(?![\d分])|\d+(?:\.\d+)?"
    r"|[一二三四五六七八九十百两]+点[零〇一二三四五六七八九]+|[零一二三四五六七八九十百千两]{2,}|[一二两三四五六七八九十](?=[米尺])"
)
"""A number token of folded text. A single Chinese numeral only counts before 米 and 尺."""


def parse_number(token: str) -> float | None:
    """The value of a number token; None where Chinese numerals form no number (三四十)."""
    if token[0].isdigit():
        return float(token.replace(",", "").replace("点", "."))
    whole, _, fraction = token.partition("点")
    value = parse_chinese(whole)
    if value is None or not fraction:
        return value
    return float(f"{value}.{''.join(str(_DIGITS[sign]) for sign in fraction)}")


def parse_chinese(token: str) -> int | None:
    """The value of Chinese numerals: 三十八, 一百六 (160), 一二〇 (120); None where they form no number."""
    if len(token) > _LONGEST:
        return None
    if all(sign in _DIGITS for sign in token):
        if len(token) == 1:
            return _DIGITS[token]
        return int("".join(str(_DIGITS[sign]) for sign in token)) if len(token) >= 3 else None
    total, current, last_unit = 0, 0, 10_000
    pending = False
    for sign in token:
        if sign in _DIGITS:
            if pending and _DIGITS[sign] != 0 and current != 0:
                return None
            current, pending = _DIGITS[sign], True
            continue
        unit = _TENS[sign]
        if unit >= last_unit:
            return None
        total += (current if pending and current else 1) * unit
        current, pending, last_unit = 0, False, unit
    if pending and current:
        total += current * (last_unit // 10 if last_unit > 10 and token[-2] != "零" else 1)
    return total
