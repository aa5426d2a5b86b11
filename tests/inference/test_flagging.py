"""Red flags shown: one for each disease."""

from __future__ import annotations

from data_contracts.diagnosis import RedFlag
from data_contracts.spans import Evidence, Span
from inference.flagging import one_for_each_disease


def flag(rule: str, disease: str, urgency: str, *starts: int) -> RedFlag:
    evidence = tuple(Evidence(span=Span(section=None, start=s, end=s + 1, text="x")) for s in starts)
    return RedFlag.model_validate(
        {"id": f"red_flag:{rule}", "rule": rule, "message": rule, "urgency": urgency, "diseases": (disease,), "evidence": evidence}
    )


def test_the_most_urgent_stands_and_takes_the_evidence_of_the_others() -> None:
    shown = one_for_each_disease(
        [flag("a", "eclampsia", "today", 1, 2), flag("b", "eclampsia", "immediate", 3), flag("c", "sepsis", "soon", 4)]
    )
    assert [(f.rule, f.urgency) for f in shown] == [("b", "immediate"), ("c", "soon")]
    assert [e.span.start for e in shown[0].evidence if e.span] == [3, 1, 2]


def test_of_equals_the_best_supported_stands() -> None:
    assert [f.rule for f in one_for_each_disease([flag("a", "x", "today", 1), flag("b", "x", "today", 2, 3)])] == ["b"]


def test_what_an_equally_urgent_rule_says_is_kept_and_a_milder_one_gives_way() -> None:
    (shown,) = one_for_each_disease(
        [flag("补糖。", "x", "immediate", 1), flag("开放气道。", "x", "immediate", 2, 3), flag("明日复查。", "x", "soon", 4)]
    )
    assert shown.message == "开放气道。补糖。"


def test_nothing_stays_nothing() -> None:
    assert one_for_each_disease([]) == ()
