"""What an instrument is: typed inputs, one vectorised pure function, typed outputs, and what to say about them.

An instrument's function works on columns (one element a resident); a single call is the same function on one row, so
both give the same bits. Scores are sums of `points`, classes are `bands` or `pick`, truth is a boolean column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from knowledge_base.rules.plausibility import LIMITS
from knowledge_base.rules.units import QUANTITIES, Quantity

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Mark = Literal["H", "M", "L"]
Kind = Literal["number", "count", "flag", "choice", "text"]


@dataclass(frozen=True)
class Input:
    """One input of an instrument.

    Attributes:
        name: the contract's name; `label` the Chinese one.
        kind: number (real), count (whole), flag (true/false), choice (one of `options`), text.
        quantity: key of `units.QUANTITIES`; `unit` the unit the function wants (the quantity's canonical one if empty).
        low, high: hard limits of numbers that have no row in `plausibility.LIMITS`; `legal` lists the only legal values.
        required: absent means "missing"; `needed` narrows this to the rows where its function says so.
        own: the name means something only inside this instrument; in a resident's table it is written `instrument.name`.
    """

    name: str
    label: str
    kind: Kind = "number"
    quantity: str = "count"
    unit: str = ""
    options: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    legal: tuple[float, ...] = ()
    required: bool = True
    needed: Callable[[Inputs], Bools] | None = None
    own: bool = False

    @property
    def amount(self) -> Quantity:
        """The quantity this input is measured in."""
        return QUANTITIES[self.quantity]


def number(name: str, label: str, quantity: str, **more: Any) -> Input:
    """A real-valued input."""
    return Input(name, label, "number", quantity, **more)


def count(name: str, label: str, high: float = 50, low: float = 0, **more: Any) -> Input:
    """A whole number of things or points, from `low` to `high`."""
    return Input(name, label, "count", "count", low=low, high=high, **more)


def flag(name: str, label: str, **more: Any) -> Input:
    """A yes-or-no input; absent is unknown, never "no"."""
    return Input(name, label, "flag", **more)


def choice(name: str, label: str, *options: str, **more: Any) -> Input:
    """One of the tokens in `options`."""
    return Input(name, label, "choice", options=options, **more)


def optional(spec: Input) -> Input:
    """The same input, allowed to be absent."""
    return replace(spec, required=False)


AGE = number("age_y", "年龄", "years")
AGE_MONTHS = number("age_m", "月龄", "months")
SEX = choice("sex", "性别", "M", "F")
SBP = number("sbp", "收缩压", "pressure")
DBP = number("dbp", "舒张压", "pressure")
HR = number("hr", "心率", "rate")
RR = number("rr", "呼吸频率", "rate")
TEMP = number("temp", "体温", "temperature")
SPO2 = number("spo2", "血氧饱和度", "percent")
BMI = number("bmi", "体质指数", "body_mass_index")
WAIST = number("waist", "腰围", "girth")
HEIGHT = number("height", "身高", "height")
WEIGHT = number("weight", "体重", "weight")
FPG = number("fpg", "空腹血糖", "glucose")
GLU2H = number("glu2h", "糖负荷后2小时血糖", "glucose")
RANDOM_GLU = number("random_glu", "随机血糖", "glucose")
HBA1C = number("hba1c", "糖化血红蛋白", "hba1c")
TC = number("tc", "总胆固醇", "cholesterol")
HDL = number("hdl", "高密度脂蛋白胆固醇", "cholesterol")
LDL = number("ldl", "低密度脂蛋白胆固醇", "cholesterol")
TG = number("tg", "甘油三酯", "triglyceride")
CREA = number("crea", "血肌酐", "creatinine")
UREA = number("urea", "尿素", "urea")
UA = number("ua", "血尿酸", "urate")
HB = number("hb", "血红蛋白", "haemoglobin")
TBIL = number("tbil", "总胆红素", "bilirubin")
ALB = number("alb", "白蛋白", "protein")
PLT = number("plt", "血小板", "cells")
WBC = number("wbc", "白细胞", "cells")
ACR = number("acr", "尿白蛋白/肌酐比", "acr")
EGFR = number("egfr", "估算肾小球滤过率", "egfr")
PACK_YEARS = number("pack_years", "吸烟包年", "pack_years")


class Inputs:
    """The rows an instrument's function sees: canonical numbers (NaN unknown), truths, choice codes (-1 unknown)."""

    __slots__ = ("_columns", "_options", "_units", "edition", "size")

    def __init__(
        self,
        columns: Mapping[str, npt.NDArray[Any]],
        options: Mapping[str, tuple[str, ...]],
        size: int,
        edition: str,
        units: Mapping[str, Any] | None = None,
    ) -> None:
        self._columns = columns
        self._options = options
        self._units = units or {}
        self.size = size
        self.edition = edition

    def unit(self, name: str) -> list[str | None]:
        """The written unit of an input, one a row."""
        unit = self._units.get(name)
        return [unit] * self.size if unit is None or isinstance(unit, str) else list(unit.objects())

    def n(self, name: str) -> Floats:
        """A number's column."""
        return self._columns[name]

    def yes(self, name: str) -> Bools:
        """Where a flag is true."""
        column: Bools = self._columns[name] == 1
        return column

    def known(self, name: str) -> Bools:
        """Where an input is given."""
        column = self._columns[name]
        if column.dtype == np.float64:
            return ~np.isnan(column)
        if column.dtype == object:
            return np.array([value is not None for value in column], dtype=bool)
        known: Bools = column >= 0
        return known

    def code(self, name: str) -> Ints:
        """A choice's codes in the order of its options."""
        return self._columns[name].astype(np.int64)

    def is_(self, name: str, *tokens: str) -> Bools:
        """Where a choice is one of the tokens."""
        options = self._options[name]
        column = self._columns[name]
        found = np.zeros(len(column), dtype=bool)
        for token in tokens:
            found |= column == options.index(token)
        return found

    def text(self, name: str) -> npt.NDArray[np.object_]:
        """A text column (None unknown)."""
        return self._columns[name]

    @property
    def male(self) -> Bools:
        """Where sex is M."""
        return self.is_("sex", "M")

    @property
    def female(self) -> Bools:
        """Where sex is F."""
        return self.is_("sex", "F")


@dataclass(frozen=True)
class Column:
    """An output column.

    kind: number (float, NaN null), integer (float holding whole numbers, NaN null), flag (int8 0/1, -1 null),
    label (codes into `labels`, -1 null), set (bit mask over `labels`).
    """

    kind: Literal["number", "integer", "flag", "label", "set"]
    data: npt.NDArray[Any]
    labels: tuple[str, ...] = ()

    def at(self, row: int) -> Any:
        """The value of a row as JSON sees it."""
        value = self.data[row]
        if self.kind == "number":
            return None if np.isnan(value) else float(value)
        if self.kind == "integer":
            return None if np.isnan(value) else int(value)
        if self.kind == "flag":
            return None if value < 0 else bool(value)
        if self.kind == "label":
            return None if value < 0 else self.labels[int(value)]
        return [label for bit, label in enumerate(self.labels) if int(value) >> bit & 1]


def real(values: Floats, decimals: int) -> Column:
    """A real output, rounded for display only after every comparison was made."""
    return Column("number", np.round(values, decimals))


def whole(values: npt.NDArray[Any]) -> Column:
    """A whole-number output; NaN is null."""
    return Column("integer", values.astype(np.float64))


def truth(values: Bools, null: Bools | None = None) -> Column:
    """A true-or-false output, null where `null`."""
    codes = values.astype(np.int8)
    return Column("flag", codes if null is None else np.where(null, np.int8(-1), codes))


def points(*parts: tuple[int, Bools]) -> Ints:
    """Sum of whole points where each condition holds."""
    total = np.zeros(len(parts[0][1]), dtype=np.int64)
    for worth, where in parts:
        total += worth * where.astype(np.int64)
    return total


def table(values: Floats, cuts: Sequence[float], worth: Sequence[float]) -> Ints:
    """Points by interval: worth[i] where cuts[i-1] <= value < cuts[i]; unknown values read as the last and are masked by status."""
    return np.asarray(worth, dtype=np.int64)[np.searchsorted(np.asarray(cuts, dtype=np.float64), values, side="right")]


def bands(values: npt.NDArray[Any], cuts: Sequence[float], labels: Sequence[str], closed: Literal["left", "right"] = "left") -> Column:
    """Classes by interval. closed="left": a value at the cut belongs above it (>=); "right": below it (>)."""
    side: Literal["left", "right"] = "right" if closed == "left" else "left"
    codes = np.searchsorted(np.asarray(cuts, dtype=np.float64), values.astype(np.float64), side=side)
    return Column("label", codes.astype(np.int8), tuple(labels))


def pick(labels: Sequence[str], *rules: tuple[Bools, str | None], default: str | None) -> Column:
    """The label of the first rule that holds; None is null."""
    names = tuple(labels)
    position = {name: code for code, name in enumerate(names)}
    choices = [np.int8(-1 if label is None else position[label]) for _, label in rules]
    fallback = np.int8(-1 if default is None else position[default])
    return Column("label", np.select([where for where, _ in rules], choices, default=fallback).astype(np.int8), names)


def members(**where: Bools) -> Column:
    """The set of names whose condition holds, in the order given."""
    names = tuple(where)
    mask = np.zeros(len(next(iter(where.values()))), dtype=np.int64)
    for bit, name in enumerate(names):
        mask |= where[name].astype(np.int64) << bit
    return Column("set", mask, names)


def half_up(values: Floats, decimals: int) -> Floats:
    """Round halves away from zero as people do (0.05 -> 0.1), where a source says to round before comparing."""
    factor = 10.0**decimals
    rounded: Floats = np.copysign(np.floor(np.abs(values) * factor + 0.5 + 1e-9) / factor, values)
    return rounded


Says = Mapping[Any, str]


@dataclass(frozen=True)
class Instrument:
    """An instrument.

    Attributes:
        name: its contract name; `title` the Chinese one; `edition` the default edition, `editions` others accepted.
        confidence: H, M or L of its facts (M and L results carry `unconfirmed`); `doubts` says which rows differ from it.
        compute: columns in, named output columns out; `outside` marks rows beyond the validity range.
        value, unit, grade: which outputs a resident's result shows as its value and its grade.
        says: the interpretation for each grade, a format string over the outputs.
        keys: inputs that must be known before a resident is told what is missing (default: all required ones).
        contradicts: rows whose inputs exclude each other, by input (implausible).
        alarms_when_soft: every value outside its soft limits is a soft alarm, not only a likely unit slip; `alarms` adds more.
    """

    name: str
    title: str
    edition: str
    source: str
    confidence: Mark
    inputs: tuple[Input, ...]
    compute: Callable[[Inputs], Mapping[str, Column]]
    says: Says
    grade: str
    value: str | None = None
    unit: str | None = None
    version: str = "1.0"
    editions: tuple[str, ...] = ()
    outside: Callable[[Inputs], Bools] | None = None
    outside_says: str = "不在本工具适用范围内，不给结果。"
    validity: str = ""
    doubts: Callable[[Inputs, Mapping[str, Column]], Bools] | None = None
    keys: tuple[str, ...] = ()
    family: str = "chronic"
    contradicts: Callable[[Inputs], Mapping[str, Bools]] | None = None
    alarms_when_soft: bool = False
    alarms: Callable[[Inputs], Mapping[str, Bools]] | None = None
    input_map: dict[str, Input] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_map", {spec.name: spec for spec in self.inputs})
        for spec in self.inputs:
            if spec.kind == "number" and spec.name not in LIMITS and spec.low is None:
                raise ValueError(f"{self.name}.{spec.name}: a number needs limits")

    @property
    def key_names(self) -> tuple[str, ...]:
        """Inputs that must be known before the instrument is shown to a resident at all."""
        return self.keys or tuple(spec.name for spec in self.inputs if spec.required)

    def interpretation(self, output: Mapping[str, Any]) -> str:
        """What the output means, in plain Chinese."""
        status = output["status"]
        if status == "not_applicable":
            return self.outside_says
        if status != "ok":
            labels = "、".join(self.input_map[name].label if name in self.input_map else name for name in output.get("fields", []))
            return {
                "missing": f"缺少：{labels}。补齐后才能计算，不按“正常”推定。",
                "implausible": f"数值或单位不可能：{labels}。请核对后重填。",
                "soft_alarm": f"数值罕见，像是单位写错：{labels}。请核对单位或复测。",
            }[status]
        token = output.get(self.grade)
        text = self.says.get(token, self.says.get("*", ""))
        return text.format(**{key: value for key, value in output.items()})
