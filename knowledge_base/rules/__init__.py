"""Clinical instruments: small pure functions over columns, found by name.

from knowledge_base.rules import grade_one, grade_table
grade_one("bp_grade", None, {"sbp": {"value": 158, "unit": "mmHg"}, "dbp": {"value": 104, "unit": "mmHg"}})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from knowledge_base.rules.grading import Graded, Sheet, UnitsOf, grade_sheet, sheet_of_inputs
from knowledge_base.rules.instrument import Instrument
from knowledge_base.rules.registry import instruments

__all__ = ["Graded", "Instrument", "Sheet", "grade_one", "grade_sheet", "grade_table", "instruments"]


def grade_one(instrument: str, edition: str | None, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Grade one row in an instrument's own input names.

    Args:
        instrument: its contract name.
        edition: the edition asked for, or None for the default.
        inputs: `{name: {"value", "unit"}}`.

    Returns:
        `{"status", …}` in the instrument's own output names.

    Raises:
        KeyError: no instrument of that name.
    """
    found = instruments()[instrument]
    return grade_sheet(found, sheet_of_inputs(found, inputs), edition).row(0)


def grade_table(
    instrument: str,
    columns: Mapping[str, np.ndarray[Any, Any] | Sequence[Any]],
    units: Mapping[str, UnitsOf] | None = None,
    edition: str | None = None,
) -> Graded:
    """Grade many rows: one array a column, in canonical units unless `units` says otherwise."""
    size = len(next(iter(columns.values()))) if columns else 0
    return grade_sheet(instruments()[instrument], Sheet(columns, units, size=size), edition)
