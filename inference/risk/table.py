"""A block of residents as Arrow in, graded Arrow out: what the county batch does with each block.

A column is an input name (or `instrument.name`), `<name>_unit` its unit; everything else is left alone. Every row is
answered: `errors` names the fields that could not be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from inference.risk.rows import FACTS, inputs_by_name
from knowledge_base.rules import Graded, Instrument, Sheet, grade_sheet, instruments
from knowledge_base.rules.derived import derive, fact_denied
from knowledge_base.rules.grading import NOT_APPLICABLE, OK, STATUSES, Categories, objects
from knowledge_base.rules.instrument import Bools, Column, flag
from knowledge_base.rules.policy import Policy
from knowledge_base.rules.record_names import record_names

CARRIED = ("id", "township", "village")
"""Columns that go through unchanged where they are there."""


@dataclass(frozen=True)
class Layout:
    """What a table's columns mean: input name -> column, the instruments that can be run, those that cannot and why."""

    columns: dict[str, str]
    units: dict[str, str]
    runnable: tuple[str, ...]
    lacking: dict[str, tuple[str, ...]]


DERIVABLE: dict[str, tuple[str, ...]] = {
    "bmi": ("height", "weight"),
    "age_m": ("age_y",),
    "age_y": ("age_m",),
    "egfr": ("crea", "age_y", "sex"),
    "ckd3": ("crea",),
    "ckd4plus": ("crea",),
    "ckd3_4": ("crea",),
    "dm_treated": ("diabetes",),
    "dm_uncomplicated": ("diabetes",),
    "dm_complicated": ("diabetes",),
    "n_severe_events": ("ascvd",),
    "n_high_risk_features": ("ascvd",),
    "bp_drugs_ever": ("bp_treated",),
    "hypertension": ("bp_treated",),
    "adverse_hard_to_control": ("adverse_reaction",),
}
POLICY_GIVES = ("edition",)


def layout_of(names: Sequence[str], only: Sequence[str] | None = None) -> Layout:
    """Read a table's header.

    A name that several instruments use in their own sense (`total`, `edition`) is given to the instrument that finds the
    most of its inputs in the table.
    """
    known = inputs_by_name()
    records = record_names().measurements
    flags = record_names().diagnosis_flags | record_names().medication_flags
    columns: dict[str, str] = {}
    for name in names:
        target = records.get(name, name)
        if target in known or target in FACTS or target in flags:
            columns.setdefault(target, name)
    runnable, lacking = [], {}
    owned: dict[str, list[tuple[int, str]]] = {}
    for instrument in instruments().values():
        if only is not None and instrument.name not in only:
            continue
        needed = [spec for spec in instrument.inputs if spec.required and spec.needed is None and spec.name not in POLICY_GIVES]
        absent = []
        for spec in needed:
            have = f"{instrument.name}.{spec.name}" in columns or (spec.name in names if spec.own else spec.name in columns)
            if not have and not all(source in columns for source in DERIVABLE.get(spec.name, ("",))):
                absent.append(spec.name)
        if absent or (not needed and not any(spec.name in columns for spec in instrument.inputs)):
            lacking[instrument.name] = tuple(absent)
            continue
        runnable.append(instrument.name)
        for spec in instrument.inputs:
            if spec.own and spec.name in names and f"{instrument.name}.{spec.name}" not in columns:
                owned.setdefault(spec.name, []).append((len(needed), instrument.name))
    for name, takers in owned.items():
        most = max(count for count, _ in takers)
        for count, taker in takers:
            if count == most:
                columns[f"{taker}.{name}"] = name
            elif taker in runnable and name != "edition":
                runnable.remove(taker)
                lacking[taker] = (name,)
    units = {target: f"{column}_unit" for target, column in columns.items() if f"{column}_unit" in names}
    return Layout(columns, units, tuple(runnable), lacking)


def _raw(column: pa.Array, name: str) -> npt.NDArray[Any] | Categories:
    """An Arrow column as a raw column of a sheet."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_boolean(kind):
        codes: npt.NDArray[Any] = pc.fill_null(column.cast(pa.int8()), -1).to_numpy(zero_copy_only=False)
        return codes
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        numbers: npt.NDArray[Any] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return numbers
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return Categories.of(objects([None if value is None else repr(value) for value in column.to_pylist()]))
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    spec = inputs_by_name().get(name)
    if spec is not None and spec.kind in ("number", "count"):
        try:
            parsed: npt.NDArray[Any] = texts.cast(pa.float64()).to_numpy(zero_copy_only=False)
            return parsed
        except pa.ArrowInvalid:
            pass  # some value is no number: the slower reading below names it
    encoded = texts.dictionary_encode()
    indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return Categories(indices, tuple(encoded.dictionary.to_pylist()))


def sheet_of(block: pa.RecordBatch, layout: Layout) -> Sheet:
    """The sheet of a block; a column without units is canonical."""
    columns = {target: _raw(block.column(column), target) for target, column in layout.columns.items()}
    units: dict[str, Any] = {}
    for target, column in layout.units.items():
        raw = _raw(block.column(column), column)
        units[target] = raw if isinstance(raw, Categories) else None
    return Sheet(columns, {name: unit for name, unit in units.items() if unit is not None}, size=block.num_rows, shared=True)


def grade_block(block: pa.RecordBatch, layout: Layout, chosen: Policy) -> tuple[Sheet, dict[str, Graded]]:
    """Parse, derive and grade a block with every runnable instrument."""
    sheet = sheet_of(block, layout)
    derive(sheet, egfr_equation=chosen.egfr_equation)
    graded = {}
    for name in layout.runnable:
        result = grade_sheet(instruments()[name], sheet, chosen.editions.get(name))
        graded[name] = _gated(result, sheet)
    return sheet, graded


def _gated(result: Graded, sheet: Sheet) -> Graded:
    """Rows said to lack the disease an instrument is for are not applicable; unknown stays graded."""
    status = result.status
    for key in result.instrument.keys:
        if key in result.instrument.input_map:
            continue
        lacks = fact_denied(sheet, key)
        if lacks is not None:
            status = np.where((status == OK) & lacks, np.int8(NOT_APPLICABLE), status)
    return result if status is result.status else replace(result, status=status)


STATUS_NAMES = pa.array(STATUSES)


def _masks(where: dict[str, Bools], size: int) -> pa.Array:
    """The names that hold in each row, sorted and joined by commas; null where none does."""
    code = np.zeros(size, dtype=np.int64)
    names = sorted(where)
    for bit, name in enumerate(names):
        code |= where[name].astype(np.int64) << bit
    values, indices = np.unique(code, return_inverse=True)
    texts = [",".join(name for bit, name in enumerate(names) if int(value) >> bit & 1) for value in values]
    return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32), mask=code == 0), pa.array(texts, pa.string()))


def _output(column: Column, ok: Bools) -> pa.Array:
    if column.kind == "number":
        return pa.array(np.where(ok, column.data, np.nan), from_pandas=True)
    if column.kind == "integer":
        known = ok & ~np.isnan(column.data)
        return pa.array(np.where(known, column.data, 0).astype(np.int32), mask=~known)
    if column.kind == "flag":
        known = ok & (column.data >= 0)
        return pa.array(column.data == 1, mask=~known)
    if column.kind == "label":
        known = ok & (column.data >= 0)
        return pa.DictionaryArray.from_arrays(
            pa.array(np.where(known, column.data, 0).astype(np.int8), mask=~known), pa.array(column.labels, pa.string())
        )
    values, indices = np.unique(column.data, return_inverse=True)
    texts = ["+".join(label for bit, label in enumerate(column.labels) if int(value) >> bit & 1) for value in values]
    return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32), mask=~ok), pa.array(texts, pa.string()))


def _may_doubt(instrument: Instrument) -> bool:
    return instrument.confidence != "H" or instrument.doubts is not None


def field_errors(sheet: Sheet, layout: Layout) -> list[str | None]:
    """For each row: the columns whose value is impossible, unreadable, or in an unknown unit."""
    named: dict[int, list[str]] = {}
    known = inputs_by_name()
    for target, column in layout.columns.items():
        spec = known.get(target) or flag(target, target)
        parsed = sheet.parse(target, spec)
        for kind, where in (("implausible", parsed.bad), ("unit?", parsed.slip)):
            for row in np.flatnonzero(where).tolist():
                named.setdefault(row, []).append(f"{column}:{kind}")
    return ["; ".join(sorted(set(named[row]))) if row in named else None for row in range(sheet.size)]


def graded_batch(block: pa.RecordBatch, first_row: int, layout: Layout, chosen: Policy) -> tuple[pa.RecordBatch, Sheet, dict[str, Graded]]:
    """The answer to a block, its rows in order."""
    sheet, graded = grade_block(block, layout, chosen)
    arrays: dict[str, pa.Array] = {"row": pa.array(np.arange(first_row, first_row + block.num_rows, dtype=np.int64))}
    for name in CARRIED:
        if name in block.schema.names:
            column = block.column(name)
            arrays[name] = column.cast(pa.string()) if name == "id" else column
    arrays["errors"] = pa.array(field_errors(sheet, layout), pa.string())
    for name, result in graded.items():
        ok = result.status == OK
        arrays[f"{name}.status"] = pa.DictionaryArray.from_arrays(pa.array(result.status), STATUS_NAMES)
        arrays[f"{name}.fields"] = _masks(result.fields(), block.num_rows)
        for output, column in result.outputs.items():
            arrays[f"{name}.{output}"] = _output(column, ok)
        if _may_doubt(result.instrument):
            arrays[f"{name}.unconfirmed"] = pa.array(result.doubtful, mask=~ok)
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays)), sheet, graded
