"""Sections, durations, patient, names and links."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data_contracts.record import Patient, Record
from inference.reading.compounds import CompoundReader
from inference.reading.lexicon_entities import LexiconReader, Named
from inference.reading.reader import Reader
from inference.reading.rule_reader import RuleReader
from inference.reading.trie import Trie
from knowledge_base.compiled import KnowledgeBase


def sections(rules: RuleReader, text: str) -> list[tuple[str, str]]:
    return [(s.name, text[s.start : s.end]) for s in rules.find_sections(rules.normalise(text))[0]]


def test_sections_by_heading(rules: RuleReader) -> None:
    found = sections(rules, "主诉：咳嗽3天。\n【既往史】高血压10年\n查体:T36.5℃\n初步诊断：1.肺炎")
    assert found == [("chief_complaint", "咳嗽3天。"), ("past_history", "高血压10年"), ("physical_exam", "T36.5℃"), ("diagnosis", "1.肺炎")]


@pytest.mark.parametrize("text", ["外院诊断：肺炎，治疗无效", "否认家族史", "无过敏史", "检查：", ""])
def test_what_is_no_heading(rules: RuleReader, text: str) -> None:
    assert sections(rules, text) == []


def test_soap_letters_need_company(rules: RuleReader) -> None:
    assert [name for name, _ in sections(rules, "S：咳嗽\nO：T37\nA：感冒\nP：多饮水")] == [
        "present_illness",
        "physical_exam",
        "diagnosis",
        "treatment",
    ]
    assert sections(rules, "P：80次/分") == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("咳嗽3天", [3.0]),
        ("半月余", [15.0]),
        ("间断上腹痛10年，加重1周", [3650.0, 7.0]),
        ("头痛2小时", [0.0833]),
        ("1年半", [547.5]),
        ("两三天", [2.5]),
        ("2个半月", [75.0]),
        ("发热3d", [3.0]),
        ("3天前受凉后咳嗽", [3.0]),
        ("十余年", [3650.0]),
        ("口服阿莫西林3天", []),
        ("术后3天", []),
        ("孕8周", []),
        ("吸烟20年", []),
        ("1周后复查", []),
        ("3月15日起", []),
        ("每日3次", []),
        ("2024年3月", []),
    ],
)
def test_durations(rules: RuleReader, text: str, wanted: list[float]) -> None:
    assert [item.days for item in rules.durations(rules.normalise(text))] == wanted


@pytest.mark.parametrize(
    ("text", "sex", "years", "pregnant"),
    [
        ("男，56岁，胸痛", "male", 56.0, False),
        ("82岁老奶，父亲60岁去世", "female", 82.0, False),
        ("妈妈代诉：娃4岁，咳嗽", "unknown", 4.0, False),
        ("女，3岁2月，发热", "female", 3.17, False),
        ("生后12天，黄疸", "unknown", 0.03, False),
        ("孕24周，腹痛", "female", None, True),
        ("产后40天，发热", "female", None, False),
        ("14岁初潮，月经规律", "female", None, False),
        ("李某，女，45，头晕", "female", 45.0, False),
        ("咳嗽3天", "unknown", None, False),
    ],
)
def test_patient(rules: RuleReader, text: str, sex: str, years: float | None, pregnant: bool) -> None:
    folded = rules.normalise(text)
    facts = rules.read_patient(Patient(), folded, rules.assertion.subjects(folded), None)
    assert (facts.sex, facts.pregnant) == (sex, pregnant)
    assert facts.age_years == (None if years is None else pytest.approx(years, abs=0.02))


def test_given_patient_wins(reader: Reader) -> None:
    record = Record.model_validate({"id": "a", "patient": {"sex": "男", "age": "60岁"}, "text": "女，30岁，咳嗽"})
    facts = reader.read([record])[0].patient
    assert facts.sex == "male"
    assert facts.age_years == pytest.approx(60)


def test_a_negator_belongs_to_the_longer_name_behind_it(rules: RuleReader) -> None:
    text = "无尿频，今无尿"
    assert [text[m.start : m.end] for m in rules.lexicon(text)] == ["尿频", "无尿"]


def test_names_inside_other_words_are_none(rules: RuleReader) -> None:
    assert [m for m in rules.lexicon("服高血压药，去发热门诊") if m.named[0].type in ("disease", "symptom")] == []


def test_history_alias_leaves_the_disease_as_mention(rules: RuleReader) -> None:
    text = "高血压10年"
    assert [text[m.start : m.end] for m in rules.lexicon(text)] == ["高血压"]


def test_words_of_time_are_no_sides(rules: RuleReader) -> None:
    text = "3天前胸痛"
    assert [text[m.start : m.end] for m in rules.lexicon(text)] == ["胸痛"]


def test_short_abbreviations_are_no_units(rules: RuleReader, knowledge: KnowledgeBase) -> None:
    names = LexiconReader(knowledge, rules.normalise)
    names._trie = Trie({"mg": (Named("disease"),)})
    assert names("crp 16mg/l", "CRP 16mg/L") == []
    assert names("诊断mg", "诊断mg") == []
    assert [m.start for m in names("诊断mg", "诊断MG")] == [2]


def test_links(rules: RuleReader) -> None:
    def ids(text: str, kind: str) -> list[str]:
        return [concept.id for concept in rules.linker.concepts(text, kind)]  # type: ignore[arg-type]

    assert ids("发烧", "symptom") == ["fever"]
    assert ids("明显头疼", "symptom") == ["headache"]
    assert ids("腹部疼痛", "symptom") in (["abdominal_pain"], [])
    assert ids("络活喜", "drug") == ["amlodipine"]
    assert ids("完全无关的话", "symptom") == []


def test_a_word_of_one_pattern_may_begin_a_longer_word_of_another(knowledge: KnowledgeBase) -> None:
    finding = next(iter(knowledge.findings.values()))
    first = replace(finding, id="first", together=((("尿",), ("像茶",)),))
    second = replace(finding, id="second", together=((("尿不出",), ("肚子",)),))
    read = CompoundReader({"first": first, "second": second}, lambda text: text)
    assert [c.concept.id for c in read("尿不出，肚子胀")] == ["second"]
    assert [c.concept.id for c in read("今早尿像茶")] == ["first"]
    third = replace(finding, id="third", together=((("尿不",), ("像茶",)),))
    assert {c.concept.id for c in CompoundReader({"second": second, "third": third}, lambda text: text)("尿不出像茶，肚子胀")} == {
        "second",
        "third",
    }


def test_who_only_feeds_or_carries_the_patient_is_no_subject(rules: RuleReader) -> None:
    for text in ("爷爷喂他炒黄豆，突然呛咳，脸憋紫。", "奶奶抱来，发热3天。", "邻居叫不应，皮肤干烫。", "家人当中暑刮痧，第四天说胡话。"):
        assert rules.assertion.subjects(text) == []
    assert rules.assertion.subjects("爷爷有高血压。")


def test_a_complaint_without_a_following_heading_ends_with_its_sentence(rules: RuleReader) -> None:
    text = rules.normalise("主诉：腹痛2天。2天前进食后腹痛，伴恶心，无呕吐，自服药物无好转，来诊。Dx：胃炎")
    sections, _ = rules.find_sections(text)
    assert [(section.name, text[section.start : section.end]) for section in sections][:1] == [("chief_complaint", "腹痛2天。")]
    assert [section.name for section in sections] == ["chief_complaint", "present_illness", "diagnosis"]


def test_scanned_and_traditional_text_is_mended_in_place(rules: RuleReader) -> None:
    typed = "查休:扁桃休充皿,膽囊結石.否认皿压高"
    plain, folded = rules.normalise.plain(typed), rules.normalise(typed)
    assert len(plain) == len(folded) == len(typed)
    assert plain.startswith("查体:扁桃体充血,胆囊结石.")
    assert "胆囊结石。否认血压高" in folded


@pytest.mark.parametrize(("text", "sex", "years"), [("58M, c/o chest pain", "male", 58.0), ("Pt 34yo F, cough", "female", 34.0)])
def test_english_sex_and_age(rules: RuleReader, text: str, sex: str, years: float) -> None:
    facts = rules.read_patient(Patient(), rules.normalise(text), [], None)
    assert (facts.sex, round(facts.age_years or 0.0)) == (sex, years)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("婆婆今早起来喊她不答应，右边手杆脚杆动不得", set()),
        ("兄弟喝了十几年酒，今天吐血两大碗，头晕站不稳", set()),
        ("奶奶发烧两天，咳嗽黄痰，喘不上气，嘴唇发紫", set()),
        ("打胰岛素好多年的大姐，一只脚红肿发热不疼", set()),
        ("一个六十岁大妈，心慌怕热，瘦了二十斤", set()),
        ("隔壁打工的大姐，肺结核，跟她一屋住", {"family"}),
        ("丈夫近日发热咳嗽，确诊流感，自己今天开始咽痛", {"other_person"}),
        ("父亲患肝癌去世，母亲体健，近来体检未见异常", {"family"}),
        ("外公肺癌，外婆老年痴呆，均于前年去世，余无特殊", {"family"}),
    ],
)
def test_a_record_may_open_with_its_patient_by_kinship(rules: RuleReader, text: str, kinds: set[str]) -> None:
    assert {subject.kind for subject in rules.assertion.subjects(text)} == kinds
