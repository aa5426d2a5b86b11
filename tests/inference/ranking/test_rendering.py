"""What the ranker's encoder is shown of a record: its rendering, and what a long record tells beyond it."""

from __future__ import annotations

from data_contracts.record import Record
from inference.ranking.rendering import MAX_CHARACTERS, render, renderings
from inference.reading.reader import Reader

LONG = {
    "主诉": "反复咳嗽、咳痰20年，加重伴气促1周",
    "现病史": "患者20年来每于冬春季受凉后咳嗽、咳白色泡沫痰，每年持续3个月以上，近5年活动后气促。1周前受凉后加重，痰多色黄，"
    "夜间不能平卧，双下肢轻度浮肿，在当地诊所输液3天未见好转。近日食量减少，夜尿2次，小便泡沫多，遂来我院就诊，门诊以肺部感染收住入院治疗观察。",
    "既往史": "高血压病10年，最高170/100mmHg，服氨氯地平。糖尿病5年，服二甲双胍，血糖控制差。青霉素皮试阳性。2年前因胆囊结石行胆囊切除术，术后恢复良好，"
    "痛风病史3年，间断发作，多在饮酒后，以右足第一跖趾关节红肿热痛为主，自服秋水仙碱缓解。",
}


def test_a_long_record_leaves_something_for_a_second_look(rule_reader: Reader) -> None:
    reading = rule_reader.read([Record.model_validate({"id": "a", "patient": {"sex": "男", "age": "68岁"}, "sections": LONG})])[0]
    first, second = renderings(reading)
    assert first == render(reading) and "咳白色泡沫痰" in first
    assert second.startswith("男 68岁 | ") and "痛风" in second and "痛风" not in first
    assert len(second) < MAX_CHARACTERS + 20


def test_a_short_record_has_no_second_look(rule_reader: Reader) -> None:
    reading = rule_reader.read([Record.model_validate({"id": "a", "text": "男，56岁，胸痛2小时，大汗"})])[0]
    assert renderings(reading)[1] == ""
