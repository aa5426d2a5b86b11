"""Diagnose as a doctor meets it: order, evidence, bad input, invariance and direction."""

from __future__ import annotations

from typing import Any

import pytest

from data_contracts.diagnosis import Diagnosis
from data_contracts.problems import Problem
from inference.engine import Engine

CHEST = "主诉：胸痛2小时。现病史：2小时前活动后胸骨后压榨样疼痛，向左肩放射，大汗，含硝酸甘油不缓解。否认外伤。既往高血压10年。父亲患冠心病。查体：BP 150/95mmHg，P 96次/分，T36.5℃。"
MAN = {"sex": "male", "age": {"value": 61, "unit": "year"}}


def diagnose(engine: Engine, text: str, **fields: Any) -> Diagnosis:
    answer = engine.diagnose([{"id": "t", "text": text, **fields}])[0]
    assert isinstance(answer, Diagnosis), answer
    return answer


def probability(answer: Diagnosis, categories: tuple[str, ...]) -> float:
    return max((c.probability for c in answer.candidates if (c.icd10 or "")[:3] in categories), default=0.0)


def test_a_classic_record_is_ranked_with_evidence(engine: Engine) -> None:
    answer = diagnose(engine, CHEST, patient=MAN)
    assert answer.status == "ranked"
    assert {"I20", "I21"} & {(c.icd10 or "")[:3] for c in answer.candidates[:4]}
    spans = [e.span for c in answer.candidates for e in (*c.supports, *c.against) if e.span]
    assert spans
    assert all(CHEST[s.start : s.end] == s.text for s in spans)


def test_probabilities_are_each_its_own_and_ordered(engine: Engine) -> None:
    answer = diagnose(engine, CHEST, patient=MAN, top_k=50)
    values = [c.probability for c in answer.candidates]
    assert values == sorted(values, reverse=True)
    assert len({c.id for c in answer.candidates}) == len(values) > 20


def test_sections_give_offsets_in_their_own_value(engine: Engine) -> None:
    sections = {"主诉": "胸痛2小时", "现病史": "胸骨后压榨样疼痛，大汗。", "既往史": "高血压10年。"}
    answer = engine.diagnose([{"id": "t", "sections": sections, "patient": MAN}])[0]
    assert isinstance(answer, Diagnosis)
    values = {"chief_complaint": "胸痛2小时", "present_illness": "胸骨后压榨样疼痛，大汗。", "past_history": "高血压10年。"}
    spans = [e.span for c in answer.candidates for e in c.supports if e.span]
    assert spans
    assert all(values[str(s.section)][s.start : s.end] == s.text for s in spans)


def test_batch_gives_the_bits_of_single_calls(engine: Engine) -> None:
    items = [{"id": str(i), "text": text} for i, text in enumerate((CHEST, "咳嗽、发热3天，咽痛。", "尿频尿急尿痛1天，女，30岁。"))]
    assert engine.diagnose(items) == [engine.diagnose([item])[0] for item in items]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"id": "a", "text": ""}, "empty-record"),
        ({"id": "a", "text": "咳" * 30_000}, "text-too-long"),
        ({"id": "a", "text": 7}, "invalid-input"),
        ({"id": "a", "text": "咳嗽", "top_k": 0}, "invalid-input"),
        ({"id": "a", "text": "咳嗽", "patient": {"age": {"value": -3, "unit": "year"}}}, "invalid-input"),
        ({"id": "a", "text": "咳嗽", "patient": {"age": {"value": 300, "unit": "year"}}}, "implausible-value"),
        ("咳嗽", "invalid-input"),
    ],
)
def test_bad_items_are_answered_in_their_place(engine: Engine, item: Any, code: str) -> None:
    answers = engine.diagnose([item, {"id": "good", "text": "咳嗽、发热3天。"}])
    assert isinstance(answers[0], Problem)
    assert answers[0].type.endswith(code)
    assert isinstance(answers[1], Diagnosis)


@pytest.mark.parametrize(
    "text",
    [
        "Patient complains of chest pain for two hours.",
        "西红柿炒鸡蛋：鸡蛋三个打散，西红柿切块，热油下锅翻炒三分钟，加盐出锅。",
        "……",
        "你好",
    ],
)
def test_other_texts_are_abstained_from(engine: Engine, text: str) -> None:
    answer = diagnose(engine, text)
    assert answer.status == "abstained"
    assert answer.abstention is not None
    assert answer.abstention.reason


def test_impossible_blood_pressure_is_no_crash(engine: Engine) -> None:
    assert diagnose(engine, "头痛2天，BP 900/20mmHg，T 99℃").candidates


def test_denial_never_raises(engine: Engine) -> None:
    base = "女，45岁，上腹部不适3天，反酸。"
    before = diagnose(engine, base, top_k=50)
    after = diagnose(engine, base + "否认胸痛。", top_k=50)
    heart = ("I20", "I21", "I22")
    assert probability(after, heart) <= probability(before, heart) + 0.02


@pytest.mark.parametrize(
    ("base", "more", "categories"),
    [
        ("男，30岁，腹痛1天，恶心。", "右下腹压痛、反跳痛阳性。", ("K35", "K36", "K37")),
        ("女，28岁，尿频2天。", "尿急、尿痛，尿白细胞++。", ("N30", "N39", "N34")),
        ("男，65岁，咳嗽咳痰10余年。", "活动后气促，桶状胸，吸烟40年。", ("J44", "J43", "J42")),
    ],
)
def test_the_classic_finding_raises(engine: Engine, base: str, more: str, categories: tuple[str, ...]) -> None:
    assert probability(diagnose(engine, base + more, top_k=50), categories) > probability(diagnose(engine, base, top_k=50), categories)


def test_family_history_is_not_the_patients(engine: Engine) -> None:
    own = diagnose(engine, "男，40岁，头晕2天，有高血压。", top_k=50)
    fathers = diagnose(engine, "男，40岁，头晕2天，父亲有高血压。", top_k=50)
    assert probability(fathers, ("I10",)) < probability(own, ("I10",))


@pytest.mark.parametrize(
    "other",
    [
        CHEST.replace("，", ",").replace("。", "."),
        "  " + CHEST.replace("。", "。\n"),
        CHEST.replace("既往高血压10年", "既往高血压10年，王庄村村民"),
    ],
)
def test_punctuation_and_place_change_nothing_much(engine: Engine, other: str) -> None:
    first = diagnose(engine, CHEST, patient=MAN).candidates[:5]
    second = diagnose(engine, other, patient=MAN).candidates[:8]
    assert len({c.id for c in first} & {c.id for c in second}) >= 3


def test_candidates_are_ranked_alone_and_never_abstained_from(engine: Engine) -> None:
    names = ["急性膀胱炎", "急性阑尾炎", "某种没有收录的病"]
    answer = diagnose(engine, "女，30岁，尿频尿急尿痛1天。", candidates=names)
    assert answer.status == "ranked"
    assert sorted(c.name for c in answer.candidates) == sorted(names)
    assert answer.candidates[0].name == "急性膀胱炎"
    unknown = next(c for c in answer.candidates if c.name == "某种没有收录的病")
    assert unknown.disease is None


def test_explain_gives_the_numbers(engine: Engine) -> None:
    answer = diagnose(engine, CHEST, patient=MAN, explain=True)
    assert answer.candidates[0].explanation is not None
    assert "fused_logit" in answer.candidates[0].explanation
    assert diagnose(engine, CHEST, patient=MAN).candidates[0].explanation is None


def test_entered_diagnosis_is_not_ranked_on(engine: Engine) -> None:
    plain = engine.diagnose([{"id": "t", "sections": {"主诉": "咳嗽3天，咽痛"}}])[0]
    told = engine.diagnose([{"id": "t", "sections": {"主诉": "咳嗽3天，咽痛", "初步诊断": "急性心肌梗死"}}])[0]
    assert isinstance(plain, Diagnosis)
    assert isinstance(told, Diagnosis)
    assert [c.id for c in plain.candidates] == [c.id for c in told.candidates]


def test_a_village_is_not_sent_to_a_scanner(engine: Engine) -> None:
    answer = diagnose(engine, "男，50岁，腹痛2天，呕吐。", encounter={"facility": "village"})
    assert not any(word in step.what for step in answer.next_steps if step.kind == "test" for word in ("CT", "MRI", "磁共振"))


def test_a_clean_check_up_is_abstained_from(engine: Engine) -> None:
    answer = diagnose(engine, "体检复查，无不适。血压 128/76mmHg，空腹血糖5.2mmol/L。", patient=MAN)
    assert answer.status == "abstained"
    assert not answer.candidates
