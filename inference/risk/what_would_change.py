"""What each missing input would change: the classes an instrument could still give, answer by answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from knowledge_base.rules import Instrument, Sheet, grade_sheet
from knowledge_base.rules.grading import objects
from knowledge_base.rules.instrument import Input

TYPICAL: dict[str, tuple[float, ...]] = {
    "age_y": (35, 55, 70),
    "sbp": (118, 135, 150, 170),
    "dbp": (75, 86, 95, 105),
    "hr": (70, 95),
    "temp": (36.6, 38.5),
    "bmi": (21, 25, 29),
    "waist": (75, 87, 98),
    "height": (165,),
    "weight": (50, 70, 90),
    "fpg": (5.0, 6.5, 8.0),
    "hba1c": (5.5, 7.5),
    "tc": (4.0, 5.0, 6.5),
    "tg": (1.2, 2.5),
    "hdl": (0.9, 1.3),
    "ldl": (2.0, 3.0, 4.0),
    "crea": (70, 130),
    "egfr": (95, 70, 40),
    "acr": (10, 100),
    "ua": (330, 500),
    "hb": (100, 140),
    "pack_years": (0, 25),
}
"""Ordinary values to try (canonical units); nothing absurd."""
MOST_ROWS = 512
MOST_INPUTS = 7


def _options(spec: Input) -> tuple[Any, ...]:
    if spec.kind == "flag":
        return (False, True)
    if spec.kind == "choice":
        return spec.options[:3]
    if spec.legal:
        return spec.legal
    if spec.kind == "count":
        high = int(spec.high or 3)
        return tuple(sorted({0 if spec.low is None else int(spec.low), 1, min(3, high)}))
    return TYPICAL.get(spec.name, ())


def effects(
    instrument: Instrument, values: dict[str, tuple[Any, str | None]], missing: Sequence[str], edition: str | None
) -> list[dict[str, Any]]:
    """For each missing input: option -> classes still possible, the other missing inputs varied too.

    Returns:
        `[{"input", "label", "options": [{"value", "grades"}]}]`; empty where too much is missing to say anything useful.
    """
    specs = [instrument.input_map[name] for name in missing if name in instrument.input_map]
    choices = [_options(spec) for spec in specs]
    if not specs or len(specs) > MOST_INPUTS or not all(choices) or np.prod([len(c) for c in choices]) > MOST_ROWS:
        return []
    grid = list(product(*choices))
    columns: dict[str, Any] = {}
    units: dict[str, Any] = {}
    for name, (value, unit) in values.items():
        if name.split(".")[-1] in instrument.input_map:
            columns[name] = objects([value] * len(grid))
            units[name] = unit
    for position, spec in enumerate(specs):
        key = f"{instrument.name}.{spec.name}" if spec.own else spec.name
        columns[key] = objects([row[position] for row in grid])
        units[key] = spec.amount.unit if spec.kind in ("number", "count") else None
    graded = grade_sheet(instrument, Sheet(columns, units, size=len(grid), shared=True), edition)
    grades = [graded.row(index).get(instrument.grade, None) if graded.status[index] == 0 else "不适用" for index in range(len(grid))]
    answer = []
    for position, (spec, options) in enumerate(zip(specs, choices, strict=True)):
        rows = []
        for option in options:
            possible = sorted({str(grade) for grade, row in zip(grades, grid, strict=True) if row[position] == option})
            rows.append({"value": option, "grades": possible})
        answer.append(
            {"input": spec.name, "label": spec.label, "options": rows, "matters": len({tuple(row["grades"]) for row in rows}) > 1}
        )
    return answer
