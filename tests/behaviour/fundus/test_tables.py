"""Tables of expected behaviour: what each grade leads to, and how two eyes make one answer."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from data_contracts.screen import ScreenResult
from inference.fundus.advice import advise, advise_ungradable
from inference.fundus.patients import patient_result

HERE = Path(__file__).parent


def rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def number(text: str) -> int | None:
    return int(text) if text else None


@pytest.mark.parametrize("row", rows("advice.csv"), ids=lambda r: f"{r['edition']}-{r['grade']}-{r['referable']}")
def test_advice(row: dict[str, str]) -> None:
    advice = advise(int(row["grade"]), row["referable"] == "true", edition=row["edition"])  # type: ignore[arg-type]
    assert (advice.referral is not None) == (row["referred"] == "true")
    assert advice.rescreen_months == number(row["rescreen_months"])
    if advice.referral is not None:
        assert advice.referral["urgency"] == row["urgency"]
        assert advice.referral["within_months"] == number(row["within_months"])
        assert "转眼科" in advice.message


def result(side: str, state: str) -> ScreenResult:
    """A photograph's result from a grade, or ungradable where `state` is x."""
    if state == "x":
        advice = advise_ungradable("照片模糊。", photograph=True)
        return ScreenResult(
            id=side, gradable=False, reason="照片模糊。", grade=None, probabilities=None, p_referable=None, referable=None,
            p_sight_threatening=None, laterality=side, advice=advice,
        )  # fmt: skip
    grade = int(state)
    return ScreenResult(
        id=side, gradable=True, reason=None, grade=grade, probabilities=(0.2,) * 5, p_referable=0.2 * grade, referable=grade >= 2,
        p_sight_threatening=0.1, laterality=side, advice=advise(grade, grade >= 2),
    )  # fmt: skip


@pytest.mark.parametrize("row", rows("patients.csv"), ids=lambda r: r["case"])
def test_patient(row: dict[str, str]) -> None:
    eyes = [result(side, row[side]) for side in ("left", "right") if row[side] != "-"]
    answer = patient_result("p", [e.id for e in eyes], eyes)
    assert answer.gradable == (row["gradable"] == "true")
    assert answer.grade == number(row["grade"])
    assert answer.referable == {"true": True, "false": False, "": None}[row["referable"]]
    assert answer.worse_eye == (row["worse_eye"] or None)
    assert answer.missing_eye == (row["missing_eye"] or None)
    assert answer.advice is not None and row["message"] in answer.advice.message


def test_a_healthy_eye_does_not_clear_an_unseen_one() -> None:
    answer = patient_result("p", ["l", "r"], [result("left", "0"), result("right", "x")])
    assert answer.advice is not None and answer.advice.rescreen_months is None
