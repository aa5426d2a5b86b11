"""The grader: residents and single instruments, batch first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from data_contracts.grade import GradeRequest, InstrumentAnswer, InstrumentRequest, InstrumentResult, ResidentGrades
from data_contracts.problems import Problem, problem, problem_from_validation
from inference.risk.plan import build_plan
from inference.risk.rows import Row, hint, inputs_by_name, row_of, sheet_of_rows
from inference.risk.trend import trend
from inference.risk.what_if import what_if
from inference.risk.what_would_change import effects
from knowledge_base.rules import Graded, Instrument, Sheet, grade_one, grade_sheet, instruments
from knowledge_base.rules.derived import derive, fact
from knowledge_base.rules.grading import IMPLAUSIBLE, MISSING, NOT_APPLICABLE, OK
from knowledge_base.rules.instrument import Bools, flag
from knowledge_base.rules.labels import name_of
from knowledge_base.rules.policy import Policy, policy

if TYPE_CHECKING:
    from inference.risk.recalibration import Recalibration
    from models.bundle import Bundle

log = logging.getLogger("xinglin.risk")
FOLLOW_UP = ("htn_followup", "t2dm_followup")
NEVER_SHOWN = frozenset({"plausibility", "unit_conversion", "notifiable"})
"""Tools: answered alone, never listed for a resident (plausibility speaks through `errors`)."""
Answer = ResidentGrades | InstrumentAnswer | Problem


class Grader:
    """Grades residents and single instruments.

    Args:
        knowledge: the knowledge base (its version is not needed to grade; kept for callers that trace it).
        hyperglycaemia: the sealed bundle of the learned score, or None where none is released.
        recalibration: the county's slot for China-PAR, or None; its risk is shown beside the equation's, under `regional`.
    """

    def __init__(
        self, knowledge: object | None = None, hyperglycaemia: Bundle | None = None, recalibration: Recalibration | None = None
    ) -> None:
        from inference.risk.hyperglycaemia import HyperglycaemiaScore

        self.knowledge = knowledge
        self.recalibration = recalibration
        self.score = None if hyperglycaemia is None else HyperglycaemiaScore(hyperglycaemia)

    def grade(self, items: Sequence[Any]) -> list[Answer]:
        """Answer each item: a resident's record or one instrument alone; a bad one is answered with its problem."""
        return self._answer(items, self._residents)

    def follow_up(self, items: Sequence[Any]) -> list[Answer]:
        """Follow-up classes alone, with what is still to be asked."""
        return self._answer(items, self._follow_ups)

    def _answer(self, items: Sequence[Any], residents: Residents) -> list[Answer]:
        answers: list[Answer | None] = [None] * len(items)
        requests: list[tuple[int, GradeRequest]] = []
        for position, item in enumerate(items):
            try:
                if isinstance(item, InstrumentRequest) or (isinstance(item, Mapping) and item.get("instrument") is not None):
                    answers[position] = self.instrument(InstrumentRequest.model_validate(_without_expectation(item)))
                else:
                    requests.append((position, GradeRequest.model_validate(item)))
            except ValidationError as error:
                answers[position] = problem_from_validation(error)
        for (position, _), answer in zip(requests, _each([request for _, request in requests], residents), strict=True):
            answers[position] = answer
        return [answer for answer in answers if answer is not None]

    def instrument(self, request: InstrumentRequest) -> InstrumentAnswer | Problem:
        """One instrument in its own names."""
        found = instruments().get(request.instrument)
        if found is None:
            return problem("not-found", f"没有名为“{request.instrument}”的工具。", "/instrument")
        given = {name: {"value": answer.value, "unit": answer.unit} for name, answer in request.inputs.items()}
        output = grade_one(request.instrument, request.edition, given)
        unknown = sorted(name for name in given if name not in found.input_map)
        if unknown:
            output["unknown_inputs"] = unknown
        return InstrumentAnswer(id=request.id, instrument=request.instrument, edition=request.edition or found.edition, output=output)

    def _residents(self, requests: Sequence[GradeRequest]) -> list[ResidentGrades | Problem]:
        return self._graded(requests, only=None)

    def _follow_ups(self, requests: Sequence[GradeRequest]) -> list[ResidentGrades | Problem]:
        return self._graded(requests, only=FOLLOW_UP)

    def _graded(self, requests: Sequence[GradeRequest], only: Sequence[str] | None) -> list[ResidentGrades | Problem]:
        answers: list[ResidentGrades | Problem | None] = [None] * len(requests)
        groups: dict[str, list[int]] = {}
        for position, request in enumerate(requests):
            try:
                groups.setdefault(policy(request.edition).name, []).append(position)
            except KeyError:
                answers[position] = problem("not-found", f"不认识的政策版本“{request.edition}”，可用 2018、2024。", "/edition")
        for name, positions in groups.items():
            chosen = policy(name)
            for position, answer in zip(positions, self._group([requests[position] for position in positions], chosen, only), strict=True):
                answers[position] = answer
        return [answer for answer in answers if answer is not None]

    def _group(self, requests: Sequence[GradeRequest], chosen: Policy, only: Sequence[str] | None) -> list[ResidentGrades]:
        rows = [row_of(request) for request in requests]
        sheet = sheet_of_rows(rows)
        derive(sheet, egfr_equation=chosen.egfr_equation)
        graded = {
            name: grade_sheet(instrument, sheet, chosen.editions.get(name), always=False) for name, instrument in instruments().items()
        }
        shown = {name: self._shown(result, sheet, chosen, asked=only is not None and name in only) for name, result in graded.items()}
        _limit_errors(rows, sheet)
        return [
            self._resident(request, row, index, sheet, graded, shown, chosen, follow_up_only=only is not None)
            for index, (request, row) in enumerate(zip(requests, rows, strict=True))
        ]

    def _shown(self, result: Graded, sheet: Sheet, chosen: Policy, *, asked: bool) -> Bools:
        instrument = result.instrument
        if instrument.name in NEVER_SHOWN or (instrument.name in chosen.hidden and not asked):
            return np.zeros(sheet.size, dtype=bool)
        shown = result.status != NOT_APPLICABLE
        for key in instrument.key_names:
            if asked and key == "previous_class":
                continue
            spec = instrument.input_map.get(key)
            if spec is not None:
                if spec.name == "edition":
                    continue
                shown &= ~sheet.column(instrument, spec).missing
            else:
                holds = fact(sheet, key)
                shown &= holds if holds is not None else key == "no_diabetes"
        return shown

    def _resident(
        self,
        request: GradeRequest,
        row: Row,
        index: int,
        sheet: Sheet,
        graded: Mapping[str, Graded],
        shown: Mapping[str, Bools],
        chosen: Policy,
        *,
        follow_up_only: bool,
    ) -> ResidentGrades:
        results: list[InstrumentResult] = []
        facts = _facts(sheet, index)
        would_change: list[dict[str, Any]] = []
        for name, result in graded.items():
            if not shown[name][index]:
                continue
            output = result.row(index)
            entry, effect = _result(result, output, index, sheet)
            if not follow_up_only or name in FOLLOW_UP:
                results.append(entry)
                would_change += effect
            if output["status"] == "ok":
                facts.update({f"{name}.{field}": value for field, value in output.items()})
            elif entry.grade is not None:
                facts[f"{name}.{result.instrument.grade}"] = entry.grade
        if self.score is not None and not follow_up_only:
            learned = self.score.result(facts, row)
            if learned is not None:
                results.append(learned)
        limit = 150.0 if (facts.get("age_y") or 0) >= 65 else 140.0
        course = trend(_with_egfr(row, facts, chosen), sbp_limit=limit, diabetes=facts.get("diabetes") is True)
        plan = build_plan(facts, chosen, today=request.encounter.date, alerts=course["alerts"])
        plan["would_change"] = would_change
        plan["derived"] = sorted(name for name, where in sheet.derived.items() if where[index])
        plan["assumed_no"] = row.assumed
        plan["trend"] = course
        plan["alerts"] = course["alerts"]
        plan["follow_up"] = {
            name: {key: facts.get(f"{name}.{key}") for key in ("class", "action", "followup_days")}
            for name in FOLLOW_UP
            if shown[name][index]
        }
        if self.recalibration is not None and "china_par_10y.risk_pct" in facts:
            plan["regional"] = self._regional(facts["china_par_10y.risk_pct"])
        plan["what_if"] = what_if(row.values) if not follow_up_only and "china_par_10y.risk_pct" in facts else []
        return ResidentGrades(id=request.id, results=tuple(results), errors=tuple(row.errors), plan=plan)

    def _regional(self, percent: float) -> dict[str, Any]:
        """The county's own 10-year risk beside the equation's."""
        slot = self.recalibration
        assert slot is not None
        risk = 100 * float(slot.apply(np.array([percent / 100]))[0])
        return {
            "region": slot.region,
            "risk_pct": round(risk, 2),
            "equation_risk_pct": percent,
            "stratum": "low" if risk < 5 else "medium" if risk < 10 else "high",
            "observed_expected": round(slot.observed_expected_before, 3),
            "people": slot.people,
            "events": slot.events,
        }


Residents = Callable[[Sequence[GradeRequest]], list[ResidentGrades | Problem]]


def _each(requests: Sequence[GradeRequest], residents: Residents) -> list[ResidentGrades | Problem]:
    """All together; if that fails, one by one, so that one resident never costs another the answer."""
    try:
        return residents(requests)
    except Exception as error:
        if len(requests) == 1:
            # The kind of error alone is logged, never what the record says.
            log.error("a resident could not be graded: %s", type(error).__name__)
            return [problem("internal")]
        return [_each([request], residents)[0] for request in requests]


VECTOR_KEYS = frozenset({"expected", "tolerance", "why", "confidence"})
"""What a test vector carries beside the question; a vector's line can be asked as it stands."""


def _without_expectation(item: Any) -> Any:
    return {key: value for key, value in item.items() if key not in VECTOR_KEYS} if isinstance(item, Mapping) else item


def _limit_errors(rows: Sequence[Row], sheet: Sheet) -> None:
    """An error for every value that is impossible or looks like another unit's."""
    for name, spec in inputs_by_name().items():
        if "." in name or name not in sheet or spec.kind not in ("number", "count"):
            continue
        parsed = sheet.parse(name, spec)
        for index in np.flatnonzero(parsed.bad | parsed.slip).tolist():
            value, unit = rows[index].values.get(name, (None, None))
            if value is None:
                continue
            try:
                detail = hint(spec, float(value), unit)
            except (TypeError, ValueError):
                detail = f"{spec.label}不是数字，请核对。"
            rows[index].errors.append(problem("implausible-value", detail, rows[index].pointers.get(name)))
    if "sbp" in sheet and "dbp" in sheet:
        by_name = inputs_by_name()
        sbp, dbp = sheet.parse("sbp", by_name["sbp"]), sheet.parse("dbp", by_name["dbp"])
        for index in np.flatnonzero((dbp.values >= sbp.values) & ~sbp.bad & ~dbp.bad).tolist():
            rows[index].errors.append(
                problem("implausible-value", "舒张压不低于收缩压，是不是写反了？请核对。", rows[index].pointers.get("dbp"))
            )


def _facts(sheet: Sheet, index: int) -> dict[str, Any]:
    """Input names to usable canonical values of one resident."""
    facts: dict[str, Any] = {}
    for name, spec in inputs_by_name().items():
        if "." in name or name not in sheet:
            continue
        parsed = sheet.parse(name, spec)
        if parsed.bad[index] or parsed.missing[index] or parsed.slip[index]:
            continue
        value = parsed.values[index]
        facts[name] = (
            spec.options[int(value)]
            if spec.kind == "choice"
            else bool(value)
            if spec.kind == "flag"
            else value
            if spec.kind == "text"
            else float(value)
        )
    for name in ("asthma", "atrial_fibrillation", "chronic_liver_disease", "postmenopausal", "smoker"):
        if name in sheet and name not in facts:
            parsed = sheet.parse(name, flag(name, name))
            if not parsed.missing[index] and not parsed.bad[index]:
                facts[name] = bool(parsed.values[index])
    return facts


def _with_egfr(row: Row, facts: Mapping[str, Any], chosen: Policy) -> dict[str, Any]:
    """The series, with eGFR worked out for every dated creatinine where none was given."""
    from inference.risk.rows import Reading
    from knowledge_base.rules.kidney import EPI_2009, EPI_2021, gfr

    series: dict[str, Any] = dict(row.series)
    if "egfr" in series or "crea" not in series or facts.get("age_y") is None or facts.get("sex") is None or facts["age_y"] < 18:
        return series
    equation = EPI_2009 if chosen.egfr_equation == "2009" else EPI_2021
    values = gfr(
        equation, np.array([reading.value for reading in series["crea"]]), np.array([facts["age_y"]]), np.array([facts["sex"] == "F"])
    )
    series["egfr"] = [Reading(reading.day, float(value), reading.position) for reading, value in zip(series["crea"], values, strict=True)]
    return series


def _result(result: Graded, output: dict[str, Any], index: int, sheet: Sheet) -> tuple[InstrumentResult, list[dict[str, Any]]]:
    instrument = result.instrument
    status = int(result.status[index])
    missing = tuple(output.get("fields", ())) if status == MISSING else ()
    text = instrument.interpretation(output)
    grade: Any = output.get(instrument.grade)
    value = _value(instrument, output, sheet, index)
    effect: list[dict[str, Any]] = []
    if status == MISSING:
        values = _known(instrument, sheet, index)
        effect = [{"instrument": instrument.name, **entry} for entry in effects(instrument, values, missing, result.edition)]
        possible = sorted({grade for entry in effect for option in entry["options"] for grade in option["grades"]})
        if len(possible) == 1 and possible[0] != "不适用":
            grade = possible[0]
            text = f"缺项不影响分级（无论补何值都是“{name_of(grade)}”）。" + text
        elif possible:
            text += f"现有资料下可能的结果：{'、'.join(name_of(token) for token in possible)}。"
    if status == OK and output.get("warnings"):
        labels = "、".join(instrument.input_map[name].label for name in output["warnings"])
        text += f"注意：{labels}数值罕见，请复测确认。"
    if status == IMPLAUSIBLE:
        value, grade = None, None
    return (
        InstrumentResult(
            instrument=instrument.name,
            edition=result.edition,
            version=instrument.version,
            value=value,
            unit=instrument.unit if value is not None else None,
            grade=grade,
            interpretation=("【待核对】" if result.doubtful[index] and status == OK else "") + text,
            missing=missing,
            unconfirmed=bool(result.doubtful[index]),
            source=instrument.source,
        ),
        effect,
    )


def _value(instrument: Instrument, output: dict[str, Any], sheet: Sheet, index: int) -> Any:
    """The result's value: an output, or an input that the instrument only classes (waist, CAT)."""
    if output["status"] != "ok" or instrument.value is None:
        return None
    if instrument.value in output:
        return output[instrument.value]
    column = sheet.column(instrument, instrument.input_map[instrument.value])
    value = float(column.values[index])
    return round(value, 4)


def _known(instrument: Instrument, sheet: Sheet, index: int) -> dict[str, tuple[Any, str | None]]:
    """The instrument's known inputs of one resident, canonical."""
    known: dict[str, tuple[Any, str | None]] = {}
    for spec in instrument.inputs:
        parsed = sheet.column(instrument, spec)
        if parsed.missing[index]:
            continue
        raw = parsed.values[index]
        key = f"{instrument.name}.{spec.name}" if spec.own else spec.name
        if spec.kind in ("number", "count"):
            known[key] = (float(raw), spec.unit or spec.amount.unit)
        elif spec.kind == "choice":
            known[key] = (spec.options[int(raw)], None)
        else:
            known[key] = (bool(raw) if spec.kind == "flag" else raw, None)
    return known
