"""Grade: instruments for a resident or one alone."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from data_contracts.base import Contract, InputContract
from data_contracts.problems import Problem
from data_contracts.record import AnswerValue, RecordBase


class GradeRequest(RecordBase):
    """A resident: patient, measurements, diagnoses, medications and answers of questionnaires; text is not needed."""

    text: str | None = Field(default=None, max_length=20_000)
    sections: dict[str, str] | None = None
    answers: dict[str, AnswerValue] = Field(default_factory=dict)
    edition: str | None = Field(default=None, max_length=80)


class InstrumentRequest(InputContract):
    """One instrument alone, with its own input names."""

    id: str = Field(min_length=1, max_length=200)
    instrument: str = Field(min_length=1, max_length=60)
    edition: str | None = Field(default=None, max_length=120)
    inputs: dict[str, AnswerValue]


class InstrumentAnswer(Contract):
    """The answer to one instrument alone; `output` speaks the instrument's own field names and always has `status`."""

    id: str
    instrument: str
    edition: str | None
    output: dict[str, Any]


class InstrumentResult(Contract):
    """One instrument's result for a resident."""

    instrument: str
    edition: str | None
    version: str
    value: Any
    unit: str | None
    grade: Any
    interpretation: str
    missing: tuple[str, ...] = ()
    unconfirmed: bool = False
    source: str


class ResidentGrades(Contract):
    """The answer of `grade` for a resident."""

    id: str
    results: tuple[InstrumentResult, ...]
    errors: tuple[Problem, ...]
    plan: dict[str, Any] = Field(default_factory=dict)
