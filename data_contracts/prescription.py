"""Prescribe-check: graded warnings about a record's orders."""

from __future__ import annotations

from typing import Literal

from data_contracts.base import Contract

WarningKind = Literal[
    "allergy", "contraindication", "interaction", "duplicate", "dose", "pregnancy", "lactation", "age", "renal", "hepatic"
]


class MedicationWarning(Contract):
    """One hint about an order, never a block."""

    id: str
    kind: WarningKind
    severity: Literal["serious", "caution", "note"]
    medicines: tuple[str, ...]
    message: str
    source: str


class PrescriptionCheck(Contract):
    """The answer of `prescribe-check`; `unrecognised` names orders that the knowledge base does not hold."""

    id: str
    warnings: tuple[MedicationWarning, ...]
    unrecognised: tuple[str, ...] = ()
