"""Code: diagnosis or procedure text to the codes of the imported table."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from data_contracts.base import Contract, InputContract
from data_contracts.spans import Span

CodeSystem = Literal["icd10", "icd9cm3"]


class CodeRequest(InputContract):
    """A diagnosis or procedure text to code."""

    id: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=1000)
    system: CodeSystem = "icd10"


class CodeChoice(Contract):
    """One code with its probability."""

    code: str
    name: str
    probability: float = Field(ge=0, le=1)


class CodeTable(Contract):
    """The table that the codes belong to."""

    name: str
    edition: str


class CodedPart(Contract):
    """One disease or procedure found in the text, with its code; alternatives best first, the choice among them."""

    part: str
    span: Span | None
    code: str
    name: str
    probability: float = Field(ge=0, le=1)
    alternatives: tuple[CodeChoice, ...]
    table: CodeTable


class CodeAnswer(Contract):
    """The answer of `code`."""

    id: str
    codes: tuple[CodedPart, ...]
