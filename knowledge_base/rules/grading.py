"""Grade rows with instruments: parse, judge each input, settle the status, compute, decode.

Precedence: implausible, missing, soft_alarm (a value that looks like another unit's), not_applicable, ok. A value outside
its soft limits that no unit slip explains is computed, and named in `warnings`: measure again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge_base.rules.instrument import Bools, Column, Input, Inputs, Instrument
from knowledge_base.rules.plausibility import LIMITS, Limits
from knowledge_base.rules.units import Floats, Scale

STATUSES = ("ok", "missing", "implausible", "soft_alarm", "not_applicable")
OK, MISSING, IMPLAUSIBLE, SOFT_ALARM, NOT_APPLICABLE = range(5)
_TRUE = {"true", "yes", "y", "1", "是", "有", "阳性"}
_FALSE = {"false", "no", "n", "0", "否", "无", "阴性"}
_SEX = {"m": "M", "male": "M", "男": "M", "男性": "M", "f": "F", "female": "F", "女": "F", "女性": "F", "unknown": None, "未知": None}


@dataclass(frozen=True)
class Categories:
    """A column of few distinct values: `indices` into `values`, -1 absent. Each value is parsed once, however many rows."""

    indices: npt.NDArray[np.int32]
    values: tuple[Any, ...]

    @classmethod
    def of(cls, items: npt.NDArray[Any]) -> Categories:
        """The categories of an object array; bool, int and float stay apart, None is absent."""
        seen: dict[tuple[type, Any], int] = {}
        indices = np.empty(len(items), dtype=np.int32)
        for row, item in enumerate(items.tolist()):
            indices[row] = -1 if item is None else seen.setdefault((type(item), item), len(seen))
        return cls(indices, tuple(value for _, value in seen))

    def __len__(self) -> int:
        return len(self.indices)

    def objects(self) -> npt.NDArray[np.object_]:
        """One object a row."""
        return objects([*self.values, None])[self.indices]

    def spread(self, per_value: npt.NDArray[Any], absent: Any) -> npt.NDArray[Any]:
        """A result for each value, spread over the rows."""
        found: npt.NDArray[Any] = np.append(per_value, np.asarray(absent, dtype=per_value.dtype))[self.indices]
        return found


Raw = npt.NDArray[Any] | Categories
UnitsOf = str | None | npt.NDArray[np.object_] | Categories


@dataclass(frozen=True)
class Parsed:
    """A parsed column: canonical values, and where they are bad (unreadable, beyond hard limits) or alarming."""

    values: npt.NDArray[Any]
    bad: Bools
    missing: Bools
    soft: Bools
    slip: Bools


class Sheet:
    """Raw columns of the rows to grade, parsed once and shared by every instrument.

    Args:
        columns: name -> values; floats (NaN absent), booleans, or objects (None absent).
        units: name -> one unit for the column or one a row; a name that is not there has its canonical unit.
        size: number of rows.
        canonical: a number without a unit is in the canonical one (tables); otherwise it counts as missing.
        shared: the sheet serves many instruments, so names that mean something only inside one must be written
            `instrument.name`.
    """

    def __init__(
        self,
        columns: Mapping[str, Raw | Sequence[Any]],
        units: Mapping[str, UnitsOf] | None = None,
        *,
        size: int,
        canonical: bool = True,
        shared: bool = False,
    ) -> None:
        self.size = size
        self.shared = shared
        self.raw: dict[str, Raw] = {
            name: values if isinstance(values, (np.ndarray, Categories)) else objects(values) for name, values in columns.items()
        }
        self.units: dict[str, str | Categories | None] = {
            name: Categories.of(unit) if isinstance(unit, np.ndarray) else unit for name, unit in (units or {}).items()
        }
        self.canonical = canonical
        self.derived: dict[str, Bools] = {}
        self._parsed: dict[tuple[Any, ...], Parsed] = {}
        self._none = np.zeros(size, dtype=bool)

    def __contains__(self, name: str) -> bool:
        return name in self.raw

    def replace(self, name: str, values: npt.NDArray[Any], unit: str | None, keep_bad: Bools) -> None:
        """Put canonical values in a column's place; rows in `keep_bad` keep what was given and its unit."""
        if keep_bad.any():
            raw, old = self.raw[name], self.units.get(name)
            given = raw.objects() if isinstance(raw, Categories) else raw.astype(object)
            units = old.objects() if isinstance(old, Categories) else objects([old] * self.size)
            mixed = values.astype(object)
            unknown = np.isnan(values) if values.dtype == np.float64 else values < 0
            mixed[unknown] = None
            mixed[keep_bad] = given[keep_bad]
            self.raw[name] = mixed
            self.units[name] = Categories.of(np.where(keep_bad, units, objects([unit] * self.size)))
        else:
            self.raw[name] = values
            self.units[name] = unit
        self._parsed = {key: parsed for key, parsed in self._parsed.items() if key[0] != name}

    def column(self, instrument: Instrument, spec: Input) -> Parsed:
        """The parsed column of an instrument's input; `instrument.name` is looked up before the bare name.

        A name of the instrument's own (`total` of PHQ-9 and of GAD-7) is taken bare only where one instrument is asked.
        """
        name = f"{instrument.name}.{spec.name}"
        if name not in self.raw:
            name = name if self.shared and spec.own else spec.name
        return self.parse(name, spec)

    def parse(self, name: str, spec: Input) -> Parsed:
        """The parsed column of a name as `spec` reads it."""
        key = (name, spec.kind, spec.quantity, spec.unit, spec.options, spec.low, spec.high, spec.legal, spec.name)
        found = self._parsed.get(key)
        if found is None:
            found = self._parse(name, spec)
            self._parsed[key] = found
        return found

    def _parse(self, name: str, spec: Input) -> Parsed:
        raw = self.raw.get(name)
        if spec.kind in ("number", "count"):
            return self._parse_number(name, spec, raw)
        if spec.kind == "text":
            texts = (
                np.full(self.size, None, dtype=object)
                if raw is None
                else raw.objects()
                if isinstance(raw, Categories)
                else raw.astype(object, copy=True)
            )
            absent = np.array([value is None or value == "" for value in texts], dtype=bool)
            strange = np.array([value is not None and not isinstance(value, str) for value in texts], dtype=bool)
            texts[strange] = None
            return Parsed(texts, strange, absent, self._none, self._none)
        codes = np.full(self.size, -1, dtype=np.int8)
        if raw is None:
            return Parsed(codes, self._none, ~self._none, self._none, self._none)
        bad = self._none
        if isinstance(raw, np.ndarray) and raw.dtype == np.bool_ and spec.kind == "flag":
            codes = raw.astype(np.int8)
        elif isinstance(raw, np.ndarray) and raw.dtype == np.int8:
            codes = raw
        elif isinstance(raw, np.ndarray) and raw.dtype == np.float64 and spec.kind == "flag":
            codes = np.where(raw == 1, 1, np.where(raw == 0, 0, -1)).astype(np.int8)
            bad = ~np.isnan(raw) & (codes < 0)
        else:
            codes, bad = _codes(raw, spec)
        return Parsed(codes, bad, (codes < 0) & ~bad, self._none, self._none)

    def _parse_number(self, name: str, spec: Input, raw: Raw | None) -> Parsed:
        if raw is None:
            return Parsed(np.full(self.size, np.nan), self._none, ~self._none, self._none, self._none)
        values, bad = _floats(raw)
        missing = np.isnan(values) & ~bad
        given = values
        unit = self.units.get(name, spec.amount.unit if self.canonical else None)
        values, unknown, absent = _convert(given, unit, spec, self.canonical)
        bad = bad | (unknown & ~missing)
        missing = missing | (absent & ~bad)
        limits = LIMITS.get(spec.name)
        if limits is None:
            low = -math.inf if spec.low is None else spec.low
            high = math.inf if spec.high is None else spec.high
            limits = Limits(low, high, low, high)
        bad = bad | (values < limits.low) | (values > limits.high)
        if spec.kind == "count":
            bad = bad | (~np.isnan(values) & (values != np.floor(values)))
        if spec.legal:
            bad = bad | (~np.isnan(values) & ~np.isin(values, spec.legal))
        soft = ((values < limits.soft_low) | (values > limits.soft_high)) & ~bad
        slip = self._none
        if spec.amount.slips and soft.any():
            slip = soft & _slipped(given, unit, spec, limits)
        if spec.unit and spec.unit != spec.amount.unit:
            values = _in_unit(values, given, unit, spec)
        return Parsed(values, bad, missing, soft & ~slip, slip)


def parse_plain(sheet: Sheet, spec: Input) -> Parsed:
    """The parsed column under the input's own name."""
    return sheet.parse(spec.name, spec)


def objects(values: Sequence[Any]) -> npt.NDArray[np.object_]:
    """A one-dimensional object array of the values."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _floats(raw: Raw) -> tuple[Floats, Bools]:
    """Numbers of a raw column (NaN absent) and where it cannot be read as one."""
    if isinstance(raw, Categories):
        read = [_float(value) for value in raw.values]
        values = np.array([math.nan if value is None else value for value, _ in read], dtype=np.float64)
        return raw.spread(values, math.nan), raw.spread(np.array([bad for _, bad in read], dtype=bool), False)
    if raw.dtype == np.float64:
        infinite = np.isinf(raw)
        return (np.where(infinite, np.nan, raw), infinite) if infinite.any() else (raw, np.zeros(len(raw), dtype=bool))
    if raw.dtype == np.bool_:
        return np.full(len(raw), np.nan), np.ones(len(raw), dtype=bool)
    if raw.dtype != object:
        return raw.astype(np.float64), np.zeros(len(raw), dtype=bool)
    read = [_float(value) for value in raw.tolist()]
    return np.array([math.nan if value is None else value for value, _ in read], dtype=np.float64), np.array(
        [bad for _, bad in read], dtype=bool
    )


def _float(item: Any) -> tuple[float | None, bool]:
    """A number, or None; and whether it was given but is none."""
    if item is None or item == "":
        return None, False
    if isinstance(item, bool):
        return None, True
    try:
        value = float(item)
    except (TypeError, ValueError):
        return None, True
    if math.isnan(value):
        return None, False
    return (None, True) if math.isinf(value) else (value, False)


def _codes(raw: Raw, spec: Input) -> tuple[npt.NDArray[np.int8], Bools]:
    categories = raw if isinstance(raw, Categories) else Categories.of(raw)
    codes = np.array([_code(value, spec) for value in categories.values], dtype=np.int8)
    spread = categories.spread(codes, -1)
    return np.where(spread == -2, np.int8(-1), spread), spread == -2


def _code(item: Any, spec: Input) -> int:
    """Code of one flag or choice: -1 absent, -2 illegal."""
    if item is None or item == "" or (isinstance(item, float) and math.isnan(item)):
        return -1
    text = str(int(item)) if isinstance(item, float) and item.is_integer() else str(item).strip()
    if spec.kind == "flag":
        lowered = text.lower()
        return 1 if lowered in _TRUE else 0 if lowered in _FALSE else -2
    if spec.name == "sex":
        if text.lower() not in _SEX:
            return -2
        token = _SEX[text.lower()]
        return -1 if token is None else spec.options.index(token)
    if isinstance(item, bool):
        text = "yes" if item else "no"
    return spec.options.index(text) if text in spec.options else -2


def _convert(given: Floats, unit: str | Categories | None, spec: Input, canonical: bool) -> tuple[Floats, Bools, Bools]:
    """Canonical values, where the unit is unknown, and where one is needed but absent."""
    if isinstance(unit, Categories):
        values = given.copy()
        unknown, absent = np.zeros(len(given), dtype=bool), np.zeros(len(given), dtype=bool)
        for index, name in [(-1, None), *enumerate(unit.values)]:
            rows = unit.indices == index
            if rows.any():
                values[rows], unknown[rows], absent[rows] = _convert(
                    given[rows], spec.amount.unit if name is None and canonical else name, spec, canonical
                )
        return values, unknown, absent
    none = np.zeros(len(given), dtype=bool)
    scale = spec.amount.scale(unit)
    if scale is not None:
        return scale.apply(given), none, none
    if unit is None or unit == "":
        return np.full(len(given), np.nan), none, ~none
    return given, ~none, none


def _rows_in(unit: str | Categories | None, scale: Scale, spec: Input, size: int) -> Bools:
    """Rows written in the unit of a scale."""
    if isinstance(unit, Categories):
        return unit.spread(np.array([spec.amount.scale(value) is scale for value in unit.values], dtype=bool), False)
    return np.full(size, spec.amount.scale(unit) is scale)


def _slipped(given: Floats, unit: str | Categories | None, spec: Input, limits: Limits) -> Bools:
    """Where the bare number would be ordinary in a unit it is commonly mistaken for."""
    found = np.zeros(len(given), dtype=bool)
    for slip in spec.amount.slips:
        scale = spec.amount.others[slip]
        other = scale.apply(given)
        found |= (other >= limits.soft_low) & (other <= limits.soft_high) & ~_rows_in(unit, scale, spec, len(given))
    return found


SITE_CHOLESTEROL = 0.0259
"""China-PAR's site turns mmol/L into mg/dL by this divisor; a value that came in mg/dL is taken as it stands."""


def _in_unit(values: Floats, given: Floats, unit: str | Categories | None, spec: Input) -> Floats:
    return np.where(_rows_in(unit, spec.amount.others[spec.unit], spec, len(given)), given, values / SITE_CHOLESTEROL)


@dataclass(frozen=True)
class Graded:
    """One instrument over many rows: status codes, output columns (meaningful where status is ok), and for each input where
    it is bad, missing, a likely unit slip, or unusual."""

    instrument: Instrument
    edition: str
    status: npt.NDArray[np.int8]
    outputs: Mapping[str, Column]
    bad: Mapping[str, Bools]
    missing: Mapping[str, Bools]
    slips: Mapping[str, Bools]
    warned: Mapping[str, Bools]
    doubtful: Bools

    def _named(self, status: int) -> Mapping[str, Bools]:
        return {IMPLAUSIBLE: self.bad, MISSING: self.missing, SOFT_ALARM: self.slips}.get(status, {})

    def fields(self) -> dict[str, Bools]:
        """For each input, the rows whose status names it."""
        found: dict[str, Bools] = {}
        for code in (IMPLAUSIBLE, MISSING, SOFT_ALARM):
            rows = self.status == code
            if rows.any():
                for name, where in self._named(code).items():
                    found[name] = found[name] | (where & rows) if name in found else where & rows
        return found

    def row(self, index: int) -> dict[str, Any]:
        """The output of a row, in the contract's field names."""
        status = int(self.status[index])
        output: dict[str, Any] = {"status": STATUSES[status]}
        if status == OK:
            for name, column in self.outputs.items():
                output[name] = column.at(index)
        elif status != NOT_APPLICABLE:
            output["fields"] = sorted(name for name, where in self._named(status).items() if where[index])
        warned = sorted(name for name, where in self.warned.items() if where[index])
        if warned and status in (OK, NOT_APPLICABLE):
            output["warnings"] = warned
        return output


def grade_sheet(instrument: Instrument, sheet: Sheet, edition: str | None = None, *, always: bool = True) -> Graded:
    """Grade every row of a sheet with one instrument; `always=False` leaves the outputs out where no row can be computed."""
    edition = edition or instrument.edition
    size = sheet.size
    parsed = {spec.name: sheet.column(instrument, spec) for spec in instrument.inputs}
    columns = {name: column.values for name, column in parsed.items()}
    if "edition" in parsed and edition in instrument.input_map["edition"].options:
        code = np.int8(instrument.input_map["edition"].options.index(edition))
        filled = parsed["edition"]
        columns["edition"] = np.where(filled.values < 0, code, filled.values).astype(np.int8)
        parsed["edition"] = Parsed(columns["edition"], filled.bad, filled.missing & False, filled.soft, filled.slip)
    inputs = Inputs(columns, {spec.name: spec.options for spec in instrument.inputs}, size, edition, sheet.units)
    bad = {name: column.bad for name, column in parsed.items()}
    with np.errstate(all="ignore"):
        if "sbp" in parsed and "dbp" in parsed:
            crossed = (columns["dbp"] >= columns["sbp"]) & ~bad["sbp"] & ~bad["dbp"]
            if crossed.any():
                bad["sbp"] = bad["sbp"] | crossed
                bad["dbp"] = bad["dbp"] | crossed
        if instrument.contradicts is not None:
            for name, where in instrument.contradicts(inputs).items():
                bad[name] = bad[name] | where
        missing: dict[str, Bools] = {}
        for spec in instrument.inputs:
            if not spec.required:
                continue
            where = parsed[spec.name].missing
            missing[spec.name] = where if spec.needed is None else where & spec.needed(inputs)
        any_bad = _any(bad.values(), size)
        any_missing = _any(missing.values(), size)
        slips = {name: column.slip | column.soft if instrument.alarms_when_soft else column.slip for name, column in parsed.items()}
        if instrument.alarms is not None:
            for name, where in instrument.alarms(inputs).items():
                slips[name] = slips[name] | where
        any_slip = _any(slips.values(), size)
        outside = np.zeros(size, dtype=bool) if instrument.outside is None else instrument.outside(inputs)
        status = np.full(size, OK, dtype=np.int8)
        for where, settled in ((outside, NOT_APPLICABLE), (any_slip, SOFT_ALARM), (any_missing, MISSING), (any_bad, IMPLAUSIBLE)):
            status[where] = settled
        needed = always or bool((status == OK).any())
        outputs = dict(instrument.compute(inputs)) if needed else {}
        doubtful = (
            instrument.doubts(inputs, outputs) if needed and instrument.doubts is not None else np.full(size, instrument.confidence != "H")
        )
    warned = {name: column.soft for name, column in parsed.items() if column.soft.any()}
    return Graded(instrument, edition, status, outputs, bad, missing, slips, warned, doubtful)


def _any(masks: Iterable[Bools], size: int) -> Bools:
    found = np.zeros(size, dtype=bool)
    for mask in masks:
        found |= mask
    return found


def sheet_of_inputs(instrument: Instrument, inputs: Mapping[str, Any]) -> Sheet:
    """A one-row sheet of an instrument's inputs in the form `{name: {"value", "unit"}}` or `{name: value}`."""
    columns: dict[str, Raw] = {}
    units: dict[str, UnitsOf] = {}
    for name, given in inputs.items():
        if isinstance(given, Mapping):
            value, unit = given.get("value"), given.get("unit")
        else:
            value, unit = given, None
        columns[name] = objects([value])
        units[name] = unit
    return Sheet(columns, units, size=1, canonical=False)
