"""Places in a text and what is claimed about them."""

from __future__ import annotations

from pydantic import Field

from data_contracts.base import Contract


class Span(Contract):
    """A stretch of text in code points, end exclusive.

    For a record given as `text`, offsets count in the whole text and `section` only names the part; for a record given
    as `sections`, they count in that section's own value.
    """

    section: str | None = None
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str


class Evidence(Contract):
    """One line of evidence: where it stands, which finding it is, a note in plain Chinese."""

    span: Span | None = None
    finding: str | None = None
    note: str | None = None


class DiseaseRef(Contract):
    """A disease by id, shown name and default code."""

    id: str
    name: str
    icd10: str | None = None
