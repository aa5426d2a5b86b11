"""How a county's file changes the house's: what is named is changed, all else stays.

- a mapping is merged key by key; `null` takes a key away;
- a list of entries that carry `id`, `code` or `disease` is merged entry by entry, new ones come last;
- a list of words (aliases, names, cues) gains the new words;
- anything else (numbers, texts, ranges, conditions) is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KEYS = ("id", "code", "disease")


def merged(base: Any, change: Any) -> Any:
    """`base` with `change` laid over it; neither is touched."""
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        result = {key: value for key, value in base.items() if key not in change or change[key] is not None}
        for key, value in change.items():
            if value is not None:
                result[key] = merged(base.get(key), value)
        return result
    if isinstance(base, list | tuple) and isinstance(change, list | tuple):
        return _merged_list(base, change)
    return change


def _merged_list(base: Sequence[Any], change: Sequence[Any]) -> list[Any]:
    key = next((k for k in KEYS if change and all(isinstance(item, Mapping) and k in item for item in (*base, *change))), None)
    if key is not None:
        changes = {item[key]: item for item in change}
        known = {item[key] for item in base}
        kept = [merged(item, changes[item[key]]) if item[key] in changes else item for item in base]
        return kept + [item for item in change if item[key] not in known]
    if all(isinstance(item, str) for item in (*base, *change)):
        return [*base, *(item for item in change if item not in base)]
    return list(change)
