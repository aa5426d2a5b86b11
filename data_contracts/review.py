"""Review: missed, doubtful, red flags, incomplete."""

from __future__ import annotations

from typing import Literal

from data_contracts.base import Contract
from data_contracts.diagnosis import Versions
from data_contracts.spans import DiseaseRef, Evidence


class Alert(Contract):
    """One hint to the doctor: advice, never a block."""

    id: str
    kind: Literal["missed", "doubtful", "red_flag", "incomplete"]
    severity: Literal["critical", "warning", "hint"]
    disease: DiseaseRef | None
    message: str
    evidence: tuple[Evidence, ...]
    source: str


class Review(Contract):
    """The answer of `review`."""

    id: str
    alerts: tuple[Alert, ...]
    versions: Versions
