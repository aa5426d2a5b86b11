"""Residents, single instruments, follow-up, plan, what-if, trend, report, FHIR."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from data_contracts.grade import GradeRequest, InstrumentAnswer, ResidentGrades
from data_contracts.problems import Problem, XinglinError
from inference.risk.fhir import fhir_bundle
from inference.risk.grader import Grader
from inference.risk.recalibration import Recalibration, fit_recalibration, log_hazard_of, risk_of
from inference.risk.report import report_html
from knowledge_base.rules.plan_rules import plan_rules


@pytest.fixture(scope="module")
def grader() -> Grader:
    """A grader without the learned score."""
    return Grader()


def measured(name: str, value: float, unit: str | None, time: str | None = None) -> dict[str, Any]:
    """A measurement."""
    return {"name": name, "value": value, "unit": unit, "time": time}


def man(**more: Any) -> dict[str, Any]:
    """A smoker of 58 with hypertension and diabetes, seen four times."""
    visits = [("2025-09-03", 164, 98, 8.2), ("2025-12-01", 158, 96, 7.9), ("2026-03-01", 154, 95, 7.6)]
    measurements = [
        m
        for day, sbp, dbp, fpg in visits
        for m in (
            measured("systolic_bp", sbp, "mmHg", day),
            measured("diastolic_bp", dbp, "mmHg", day),
            measured("fasting_glucose", fpg, "mmol/L", day),
        )
    ]
    measurements += [
        measured("height", 170, "cm"),
        measured("weight", 160, "斤"),
        measured("waist", 2.8, "尺"),
        measured("total_cholesterol", 5.6, "mmol/L"),
        measured("hdl_cholesterol", 1.0, "mmol/L"),
        measured("ldl_cholesterol", 3.6, "mmol/L"),
        measured("triglycerides", 2.1, "mmol/L"),
    ]
    answers = {
        "history_complete": {"value": True},
        "smoker": {"value": True},
        "north": {"value": True},
        "urban": {"value": False},
        "fh_ascvd": {"value": False},
    }
    return {
        "id": "m1",
        "patient": {"sex": "male", "age": 58},
        "encounter": {"date": "2026-03-01"},
        "measurements": measurements,
        "diagnoses": [{"name": "高血压2级"}, {"name": "2型糖尿病"}],
        "medications": [{"name": "苯磺酸氨氯地平片"}],
        "answers": answers,
        **more,
    }


def graded(grader: Grader, item: dict[str, Any]) -> ResidentGrades:
    """The one answer to one resident."""
    answer = grader.grade([item])[0]
    assert isinstance(answer, ResidentGrades)
    return answer


def result(answer: ResidentGrades, name: str) -> Any:
    """The result of an instrument."""
    return next((r for r in answer.results if r.instrument == name), None)


def test_items_are_answered_in_their_places(grader: Grader) -> None:
    alone = {"id": "a", "instrument": "bp_grade", "inputs": {"sbp": {"value": 158, "unit": "mmHg"}, "dbp": {"value": 104, "unit": "mmHg"}}}
    answers = grader.grade([man(), alone, {"id": "bad", "text": 5}, {"id": "x", "instrument": "nothing", "inputs": {}}, 7])
    assert [type(a) for a in answers] == [ResidentGrades, InstrumentAnswer, Problem, Problem, Problem]
    assert isinstance(answers[1], InstrumentAnswer)
    assert answers[1].output == {"status": "ok", "category": "grade2", "isolated_systolic": False, "isolated_diastolic": False}
    assert answers[1].edition == "CN-HTN 2018/2024"


def test_a_batch_answers_as_each_alone(grader: Grader) -> None:
    items = [man(), man(id="m2", answers={}), {"id": "w", "patient": {"sex": "female", "age": 66}}, man(id="m3", edition="2018")]
    assert grader.grade(items) == [grader.grade([item])[0] for item in items]


def test_units_are_converted_and_missing_inputs_named(grader: Grader) -> None:
    answer = graded(grader, man())
    assert result(answer, "bmi_cn").value == 27.7
    assert result(answer, "waist_cn").grade == "central_obesity"
    assert result(answer, "china_par_10y").grade == "high"
    control = result(answer, "dm_control_targets")
    assert control.missing == ("hba1c",) and control.value is None


def test_absence_from_the_list_is_unknown_until_it_is_called_complete(grader: Grader) -> None:
    answers = {key: value for key, value in man()["answers"].items() if key != "history_complete"}
    answer = graded(grader, man(answers=answers, diagnoses=[{"name": "高血压"}]))
    assert "diabetes" in result(answer, "china_par_10y").missing
    assert answer.plan["assumed_no"] == []
    effect = next(e for e in answer.plan["would_change"] if e["instrument"] == "china_par_10y" and e["input"] == "diabetes")
    assert [option["value"] for option in effect["options"]] == [False, True]
    assert "ascvd" in graded(grader, man()).plan["assumed_no"]


def test_impossible_unitless_and_unknown_are_errors_that_point(grader: Grader) -> None:
    item = {
        "id": "e",
        "patient": {"sex": "male", "age": 50},
        "measurements": [
            measured("creatinine", 1.2, "umol/L"),
            measured("systolic_bp", 150, None),
            measured("weight", 70, "磅"),
            measured("nonsense", 1, "x"),
            measured("haemoglobin", 13.5, "g/L"),
        ],
        "answers": {"total": {"value": 3}, "smokes": {"value": True}},
    }
    answer = graded(grader, item)
    pointed = {error.pointer: error.detail for error in answer.errors}
    assert "mg/dL" in pointed["/measurements/0"]
    assert "单位" in pointed["/measurements/1/unit"]
    assert "磅" in pointed["/measurements/2/unit"]
    assert "/measurements/3/name" in pointed
    assert "g/dL" in pointed["/measurements/4"]
    assert "gad7.total" in pointed["/answers/total"] or "phq9.total" in pointed["/answers/total"]
    assert "/answers/smokes" in pointed
    assert result(answer, "ckd_epi_2021").grade is None


def test_a_grade_that_no_missing_answer_can_change_is_given(grader: Grader) -> None:
    strata = result(graded(grader, man(answers={**man()["answers"], "dm_complicated": {"value": True}})), "htn_risk_strata")
    assert strata.missing and strata.grade == "very_high"


def test_the_last_day_counts_and_pressures_of_a_day_are_averaged(grader: Grader) -> None:
    item = {
        "id": "d",
        "patient": {"sex": "male", "age": 50},
        "measurements": [
            measured("systolic_bp", 18.7, "kPa", "2026-01-02"),
            measured("systolic_bp", 139.7385, "mmHg", "2026-01-02"),
            measured("systolic_bp", 190, "mmHg", "2025-01-02"),
            measured("diastolic_bp", 80, "mmHg", "2026-01-02"),
        ],
    }
    assert result(graded(grader, item), "bp_grade").grade == "grade1"


def test_goals_are_numbers_and_conflicts_are_said(grader: Grader) -> None:
    plan = graded(grader, man()).plan
    goals = {goal["quantity"]: goal for goal in plan["goals"]}
    assert goals["ldl"]["below"] == 1.8 and goals["ldl"]["met"] is False
    assert any(conflict["quantity"] == "ldl" and "2023" in conflict["chosen"]["source"] for conflict in plan["conflicts"])
    assert plan["next_visit"] == {"days": 14, "date": "2026-03-15", "reason": "visit_bp_high", "say": plan["next_visit"]["say"]}
    assert plan["level"]["id"] == "intensive"


def test_policy_editions_switch(grader: Grader) -> None:
    old, new = graded(grader, man(edition="2018")), graded(grader, man(edition="2024"))
    assert result(old, "bp_target").edition == "2018" and result(new, "bp_target").edition == "2024"
    refused = grader.grade([man(edition="1999")])[0]
    assert isinstance(refused, Problem) and refused.pointer == "/edition"


def test_what_if_has_no_absurd_lever(grader: Grader) -> None:
    levers = graded(grader, man()).plan["what_if"]
    assert {lever["input"] for lever in levers} == {"smoker", "sbp", "tc", None}
    assert all(lever["change"] < 0 for lever in levers)
    assert levers[-1]["risk_then"] == min(lever["risk_then"] for lever in levers)


def test_trend_alerts_on_two_uncontrolled_visits(grader: Grader) -> None:
    plan = graded(grader, man()).plan
    assert {alert["id"] for alert in plan["alerts"]} == {"trend:bp_uncontrolled_twice", "trend:fpg_uncontrolled_twice"}
    assert plan["trend"]["control_rate"] == 0
    assert any(referral["id"] == "trend:bp_uncontrolled_twice" for referral in plan["referral"])


def test_falling_egfr_is_an_alert(grader: Grader) -> None:
    item = {
        "id": "k",
        "patient": {"sex": "male", "age": 60},
        "measurements": [measured("creatinine", 80, "umol/L", "2024-01-01"), measured("creatinine", 120, "umol/L", "2026-01-01")],
    }
    assert [alert["id"] for alert in graded(grader, item).plan["alerts"]] == ["trend:egfr_falling"]


def test_follow_up_says_what_is_still_to_be_asked(grader: Grader) -> None:
    item = {
        "id": "f",
        "patient": {"sex": "female", "age": 66},
        "measurements": [measured("systolic_bp", 168, "mmHg"), measured("diastolic_bp", 96, "mmHg")],
        "diagnoses": [{"name": "高血压病"}],
    }
    answer = grader.follow_up([item])[0]
    assert isinstance(answer, ResidentGrades)
    assert [r.instrument for r in answer.results] == ["htn_followup"]
    assert "danger_signs" in answer.results[0].missing
    flags = {
        name: {"value": False}
        for name in ("danger_signs", "pregnant_or_lactating", "other_unmanageable", "new_or_worse_complication", "adverse_reaction")
    }
    full = grader.follow_up([{**item, "answers": {**flags, "previous_class": {"value": "unsatisfied"}}}])[0]
    assert isinstance(full, ResidentGrades)
    assert full.plan["follow_up"]["htn_followup"] == {"class": "unsatisfied", "action": "refer", "followup_days": 14}
    assert any(referral["id"] == "htn_twice_uncontrolled" for referral in full.plan["referral"])
    urgent = grader.follow_up([{**item, "measurements": [measured("systolic_bp", 186, "mmHg"), measured("diastolic_bp", 96, "mmHg")]}])[0]
    assert isinstance(urgent, ResidentGrades)
    assert urgent.results[0].grade == "emergency"


def test_report_can_be_read_and_is_escaped(grader: Grader) -> None:
    item = man(id="<script>")
    html = report_html(GradeRequest.model_validate(item), graded(grader, item))
    assert "<script>" not in html and "&lt;script&gt;" in html
    for words in ("健康评估报告", "您的目标", "戒烟", "<svg", "收缩压降到130", "强化管理"):
        assert words in html


def test_fhir_bundle_is_valid(grader: Grader) -> None:
    resources = pytest.importorskip("fhir.resources.R4B.bundle", reason="fhir.resources comes with the full environment")
    for item in (man(), {"id": "编号 1", "patient": {"sex": "unknown"}}):
        bundle = fhir_bundle(GradeRequest.model_validate(item), graded(grader, item))
        resources.Bundle.model_validate(bundle)
        kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
        assert {"Patient", "CarePlan"} <= kinds
    risk = next(
        e["resource"]
        for e in fhir_bundle(GradeRequest.model_validate(man()), graded(grader, man()))["entry"]
        if e["resource"]["id"] == "risk-1"
    )
    assert 0 < risk["prediction"][0]["probabilityDecimal"] < 1


def test_plan_rules_have_unique_ids() -> None:
    ids = [rule.id for rule in plan_rules().all()]
    assert len(ids) == len(set(ids))


def test_recalibration_finds_the_county() -> None:
    rng = np.random.default_rng(0)
    risk = risk_of(rng.normal(-2.8, 0.9, 40_000))
    truth = risk_of(-0.4 + 0.8 * log_hazard_of(risk))
    event = (rng.random(len(risk)) < truth).astype(np.int64)
    slot = fit_recalibration("某县", risk, event)
    assert slot.intercept == pytest.approx(-0.4, abs=0.12) and slot.slope == pytest.approx(0.8, abs=0.06)
    assert slot.expected_after == pytest.approx(slot.events, rel=0.01)
    with pytest.raises(XinglinError):
        fit_recalibration("某县", risk[:100], event[:100] * 0)


def test_regional_risk_is_shown_beside_the_equation() -> None:
    local = Grader(recalibration=Recalibration("某县", -0.3, 1.0, 5000, 200, 270.0, 200.0))
    plan = graded(local, man()).plan
    assert plan["regional"]["risk_pct"] < plan["regional"]["equation_risk_pct"]
    assert plan["regional"]["observed_expected"] == pytest.approx(0.741, abs=0.001)
