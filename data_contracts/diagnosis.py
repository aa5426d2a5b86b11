"""Diagnose: a ranked differential with evidence, red flags, next steps."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, Field

from data_contracts.base import Contract
from data_contracts.record import Record
from data_contracts.spans import Evidence


class DiagnoseRequest(Record):
    """A record and, beside it, how many candidates are wanted, which names alone to rank, and whether to show numbers."""

    top_k: int = Field(default=10, ge=1, le=50)
    candidates: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=50)
    explain: bool = False


class MissingFinding(Contract):
    """A finding that would speak for the candidate and that the record does not mention."""

    finding: str
    name: str
    question: str


class Candidate(Contract):
    """One disease of the differential; its probability is its own (several can be true at once)."""

    id: str
    disease: str | None
    name: str
    icd10: str | None
    probability: float = Field(ge=0, le=1)
    must_not_miss: bool
    supports: tuple[Evidence, ...] = Field(default=(), validation_alias=AliasChoices("for", "supports"), serialization_alias="for")
    against: tuple[Evidence, ...] = ()
    missing: tuple[MissingFinding, ...] = ()
    explanation: dict[str, Any] | None = None


class RedFlag(Contract):
    """A rule that fired, safety outside the model; or, where none did, the reading of the whole record (rule `taught_danger`)."""

    id: str
    rule: str
    message: str
    urgency: Literal["immediate", "today", "soon"]
    diseases: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class NextStep(Contract):
    """The question, examination, test or referral that would help most; gain in bits."""

    kind: Literal["ask", "examine", "test", "refer"]
    what: str
    why: str
    gain: float | None = None


class Abstention(Contract):
    """Why no ranking is stood behind, and what to ask."""

    reason: str
    ask: tuple[NextStep, ...] = ()


class Versions(Contract):
    """Which knowledge and bundles stand behind an answer."""

    knowledge: str
    bundles: dict[str, str] = Field(default_factory=dict)


class Diagnosis(Contract):
    """The answer of `diagnose`."""

    id: str
    status: Literal["ranked", "abstained"]
    candidates: tuple[Candidate, ...]
    red_flags: tuple[RedFlag, ...]
    next_steps: tuple[NextStep, ...]
    department: str | None
    abstention: Abstention | None
    notifiable: tuple[dict[str, Any], ...] = ()
    disclaimer: str = "辅助参考，不能代替医生的诊断。"
    versions: Versions
