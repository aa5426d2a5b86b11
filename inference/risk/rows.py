"""From a resident's record to a row of instrument inputs, with the errors that were met on the way.

Nothing is guessed: a diagnosis in the list answers "yes", its absence answers nothing; a number without a unit is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from data_contracts.grade import GradeRequest
from data_contracts.problems import Problem, problem
from data_contracts.record import GivenMeasurement
from knowledge_base.measurement_names import NAMES
from knowledge_base.rules import Sheet, instruments
from knowledge_base.rules.grading import objects
from knowledge_base.rules.instrument import Input
from knowledge_base.rules.plausibility import LIMITS
from knowledge_base.rules.record_names import record_names

HISTORY_COMPLETE = "history_complete"
"""An answer that says: the lists of diagnoses and medicines are complete, so what is not listed is "no"."""
FACTS = (
    "hypertension",
    "diabetes",
    "atrial_fibrillation",
    "chronic_liver_disease",
    "postmenopausal",
    "asthma",
    "smoker",
    "alcohol_ml_per_day",
    "salt_g_per_day",
    HISTORY_COMPLETE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a series: ISO day ("" unknown), canonical value, position in the request."""

    day: str
    value: float
    position: int


@dataclass
class Row:
    """A resident as instrument inputs: name -> (value, unit), series by input name, errors, assumptions said
    aloud, drug classes, and the laboratory panel under its record names."""

    values: dict[str, tuple[Any, str | None]] = field(default_factory=dict)
    series: dict[str, list[Reading]] = field(default_factory=dict)
    errors: list[Problem] = field(default_factory=list)
    pointers: dict[str, str] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    panel: dict[str, tuple[float, str | None]] = field(default_factory=dict)


@cache
def inputs_by_name() -> dict[str, Input]:
    """Every input that can be answered in a resident's record: bare names, and `instrument.name` for an instrument's own."""
    found: dict[str, Input] = {}
    for instrument in instruments().values():
        for spec in instrument.inputs:
            found[f"{instrument.name}.{spec.name}"] = spec
            if not spec.own:
                found.setdefault(spec.name, spec)
    return found


def hint(spec: Input, value: float, unit: str | None) -> str:
    """A guess, as a question, at the unit that a number impossible in this one was meant in."""
    limits = LIMITS.get(spec.name)
    if limits is None:
        return "请核对数值与单位。"
    quantity = spec.amount
    given = quantity.scale(unit)
    for other, scale in {quantity.unit: quantity.scale(quantity.unit), **quantity.others}.items():
        if scale is None or scale is given:
            continue
        meant = float(scale.apply(np.array([value]))[0])
        if limits.soft_low <= meant <= limits.soft_high and other not in ("day", "week", "month"):
            return f"{spec.label} {value:g} {unit} 不可能或很罕见，是不是 {other}？请核对后重填。"
    return f"{spec.label} {value:g} {unit or ''}超出可能范围（{limits.low:g}–{limits.high:g} {quantity.unit}），请核对。"


def _canonical(spec: Input, measurement: GivenMeasurement) -> float | None:
    scale = spec.amount.scale(measurement.unit)
    return None if scale is None else float(scale.apply(np.array([measurement.value]))[0])


def _measurements(row: Row, given: Sequence[GivenMeasurement]) -> None:
    names = record_names()
    grouped: dict[str, list[Reading]] = defaultdict(list)
    raw: dict[str, tuple[float, str | None]] = {}
    for position, measurement in enumerate(given):
        pointer = f"/measurements/{position}"
        name = names.measurements.get(measurement.name)
        if name is None:
            if measurement.name not in NAMES and measurement.name not in inputs_by_name():
                row.errors.append(problem("invalid-input", f"不认识的测量项目“{measurement.name[:30]}”，已略过。", pointer + "/name"))
                continue
            name = measurement.name
        spec = inputs_by_name().get(name)
        row.panel[measurement.name] = (measurement.value, measurement.unit)
        if spec is None or spec.kind not in ("number", "count"):
            continue
        value = _canonical(spec, measurement)
        if value is None:
            detail = "没有写单位" if measurement.unit is None else f"单位“{measurement.unit}”不认识"
            accepted = "、".join([spec.amount.unit, *spec.amount.others])
            row.errors.append(problem("unit-unknown", f"{spec.label}{detail}，可用：{accepted}。", pointer + "/unit"))
            continue
        grouped[name].append(Reading((measurement.time or "")[:10], value, position))
        raw[f"{name}@{position}"] = (measurement.value, measurement.unit)
        row.pointers[name] = pointer
    for name, readings in grouped.items():
        readings.sort(key=lambda reading: (reading.day, reading.position))
        limits = LIMITS.get(name)
        row.series[name] = [reading for reading in readings if limits is None or limits.low <= reading.value <= limits.high]
        latest = [reading for reading in readings if reading.day == readings[-1].day]
        if name in names.averaged and len(latest) > 1:
            row.values[name] = (sum(reading.value for reading in latest) / len(latest), inputs_by_name()[name].amount.unit)
        else:
            row.values[name] = raw[f"{name}@{readings[-1].position}"]
        row.pointers[name] = f"/measurements/{readings[-1].position}"


def row_of(request: GradeRequest) -> Row:
    """The row of a request."""
    row = Row()
    patient = request.patient
    if patient.age is not None:
        row.values["age_y"] = (patient.age.years, "year")
        if patient.age.unit == "month":
            row.values["age_m"] = (patient.age.value, "month")
        row.pointers["age_y"] = "/patient/age"
    if patient.sex != "unknown":
        row.values["sex"] = ("M" if patient.sex == "male" else "F", None)
    if patient.pregnancy_weeks is not None:
        row.values["pregnant"] = (True, None)
        row.values["trimester"] = (1.0 if patient.pregnancy_weeks < 14 else 2.0 if patient.pregnancy_weeks < 28 else 3.0, "trimester")
        row.values["pregnant_or_lactating"] = (True, None)
    elif patient.sex == "male":
        row.values["pregnant"] = (False, None)
        row.values["pregnant_or_lactating"] = (False, None)
    _measurements(row, request.measurements)
    names = record_names()
    for diagnosis in request.diagnoses:
        for rule in names.diagnoses:
            if rule.matches(diagnosis.name, diagnosis.icd10):
                row.values.update({flag: (True, None) for flag in rule.flags})
    for medicine in request.medications:
        for rule in names.medications:
            if rule.matches(medicine.name):
                row.values.update({flag: (True, None) for flag in rule.flags})
                row.classes.add(rule.drug_class or "")
    _answers(row, request.answers)
    if row.values.get(HISTORY_COMPLETE, (False, None))[0] is True:
        for name in sorted(names.diagnosis_flags | names.medication_flags):
            if name not in row.values:
                row.values[name] = (False, None)
                row.assumed.append(name)
    return row


def _answers(row: Row, answers: Mapping[str, Any]) -> None:
    known = inputs_by_name()
    own = {spec.name: instrument.name for instrument in instruments().values() for spec in instrument.inputs if spec.own}
    for name, answer in answers.items():
        if name not in known and name not in FACTS and name not in record_names().diagnosis_flags:
            pointer = f"/answers/{name}"
            if name in own:
                row.errors.append(problem("invalid-input", f"“{name}”在不同量表中含义不同，请写作“{own[name]}.{name}”。", pointer))
            else:
                row.errors.append(problem("invalid-input", f"不认识的问卷项目“{name[:40]}”，已略过。", pointer))
            continue
        if answer.value is None:
            continue
        row.values[name] = (answer.value, answer.unit)
        row.pointers[name] = f"/answers/{name}/value"


def sheet_of_rows(rows: Sequence[Row]) -> Sheet:
    """One sheet of many residents; every value keeps its written unit."""
    columns: dict[str, np.ndarray[Any, Any]] = {}
    units: dict[str, Any] = {}
    names = sorted({name for row in rows for name in row.values})
    for name in names:
        given = [row.values.get(name, (None, None)) for row in rows]
        columns[name] = objects([value for value, _ in given])
        units[name] = objects([unit for _, unit in given])
    return Sheet(columns, units, size=len(rows), canonical=False, shared=True)
