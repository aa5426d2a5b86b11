"""Knowledge search."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from data_contracts.base import Contract, InputContract


class SearchRequest(InputContract):
    """A query in everyday words, a name, pinyin or initials."""

    id: str = Field(min_length=1, max_length=200)
    q: str = Field(min_length=1, max_length=200)


class SearchHit(Contract):
    """One page found."""

    kind: Literal["disease", "finding", "medicine"]
    id: str
    name: str
    icd10: str | None
    score: float
    highlight: str | None


class SearchAnswer(Contract):
    """The answer of `knowledge search`."""

    id: str
    results: tuple[SearchHit, ...]
