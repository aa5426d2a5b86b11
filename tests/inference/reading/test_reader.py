"""The reader end to end: offsets, both forms of input, bad input, merging with a trained reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.record import Record
from inference.reading.reader import Reader
from inference.reading.span_reader import SpanAnswer
from inference.reading.structure import structure_of
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase

PIECES = st.lists(
    st.sampled_from(
        ["主诉：", "现病史：", "\n", "发热", "咳嗽3天", "无", "否认", "高血压", "、", "，", "。", "BP120/80mmHg", "T３８.５℃", "發熱", "\u200b", "<br/>", "&nbsp;", "父亲", "？", "(-)", " ", "𠮷", "\x07"]
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip


def check_spans(reading: Reading, texts: Mapping[str | None, str]) -> None:
    whole = texts.get(None)
    spans = [e.span for e in reading.entities] + [e.cue for e in reading.entities if e.cue is not None]
    spans += [m.span for m in reading.measurements] + [d.span for d in reading.durations]
    for span in spans:
        text = whole if whole is not None else texts[span.section]
        assert text[span.start : span.end] == span.text
        assert span.start < span.end


@settings(max_examples=150)
@given(PIECES)
def test_offsets_of_text(reader: Reader, pieces: list[str]) -> None:
    text = "".join(pieces)
    if not text.strip():
        return
    check_spans(reader.read([Record.model_validate({"id": "a", "text": text})])[0], {None: text})


@settings(max_examples=60)
@given(PIECES, PIECES)
def test_offsets_of_sections(reader: Reader, first: list[str], second: list[str]) -> None:
    sections = {"present_illness": "".join(first), "past_history": "".join(second)}
    if not "".join(sections.values()).strip():
        return
    record = Record.model_validate({"id": "a", "sections": sections})
    reading = reader.read([record])[0]
    check_spans(reading, {name: text for name, text in (record.sections or {}).items()})
    assert all(entity.span.section in sections for entity in reading.entities)


def test_text_and_sections_agree(reader: Reader) -> None:
    whole = reader.read([Record.model_validate({"id": "a", "text": "主诉：胸痛2小时\n既往史：高血压10年，父亲冠心病。"})])[0]
    parts = reader.read([Record.model_validate({"id": "a", "sections": {"主诉": "胸痛2小时", "既往史": "高血压10年，父亲冠心病。"}})])[0]
    assert [(e.span.section, e.span.text, e.assertion) for e in whole.entities] == [
        (e.span.section, e.span.text, e.assertion) for e in parts.entities
    ]
    assert ("past_history", "冠心病", "family") in [(e.span.section, e.span.text, e.assertion) for e in whole.entities]


def test_written_diagnoses_are_entered(reader: Reader) -> None:
    reading = reader.read([Record.model_validate({"id": "a", "text": "主诉：咳嗽3天\n初步诊断：1.肺炎 2.高血压病"})])[0]
    assert [d.name for d in reading.record.diagnoses] == ["肺炎", "高血压病"]


def test_bad_input_is_answered(reader: Reader, knowledge: KnowledgeBase) -> None:
    texts = [
        "<html><p>发热3天</p></html>",
        "發熱3天，無咳嗽",
        "\x00\x07发热",
        "发热" * 10_000,
        "T 3 8 . 5",
        "。。。",
        "？" * 500,
        "a" * 20_000,
        "\n" * 50 + "咳",
    ]
    for reading in reader.read([Record.model_validate({"id": str(i), "text": text}) for i, text in enumerate(texts)]):
        structure_of(reading, knowledge)
    traditional = reader.read([Record.model_validate({"id": "a", "text": texts[1]})])[0]
    assert [(e.span.text, e.assertion) for e in traditional.entities] == [("發熱", "present"), ("咳嗽", "absent")]


def test_a_batch_is_its_items(reader: Reader) -> None:
    records = [Record.model_validate({"id": str(i), "text": text}) for i, text in enumerate(["发热3天", "无咳嗽", "BP 150/90mmHg"])]
    assert reader.read(records) == [reader.read([record])[0] for record in records]


@dataclass(frozen=True)
class Span:
    start: int
    end: int
    type: str
    score: float
    assertion_probabilities: Mapping[str, float]


class Trained:
    """A stand-in for the trained reader."""

    version = "trained-1"

    def __init__(self, spans: list[Span], near: Mapping[tuple[int, int, str], float] | None = None) -> None:
        self._spans = spans
        self._near = near or {}

    def read(self, texts: Sequence[str]) -> list[SpanAnswer]:
        return [SpanAnswer(self._spans, self._near) for _ in texts]  # type: ignore[arg-type]


def test_trained_spans_are_linked_and_judged(knowledge: KnowledgeBase) -> None:
    text = "发热3天，无右下腹压痛，咳嗽"
    likely_absent = {"present": 0.05, "absent": 0.95}
    spans = [
        Span(0, 2, "symptom", 0.9, {"present": 1.0}),
        Span(6, 9, "body_part", 0.9, {"present": 1.0}),
        Span(9, 11, "sign", 0.9, likely_absent),
    ]
    near = {(12, 14, "symptom"): 2.5}
    reading = Reader(knowledge, Trained(spans, near)).read([Record.model_validate({"id": "a", "text": text})])[0]
    assert reading.reader_version == "trained-1"
    found = {(e.span.text, e.type): (e.assertion, e.concept.id if e.concept else None) for e in reading.entities}
    assert found["发热", "symptom"] == ("present", "fever")
    assert found["压痛", "sign"] == ("absent", "abdominal_tenderness")
    assert found["咳嗽", "symptom"] == ("present", "cough")


def test_a_confident_classifier_overrules_an_uncertain_rule(knowledge: KnowledgeBase) -> None:
    spans = [Span(3, 5, "symptom", 0.9, {"historical": 0.99, "present": 0.01})]
    reading = Reader(knowledge, Trained(spans)).read([Record.model_validate({"id": "a", "text": "病初有发热，后退。"})])[0]
    assert [e.assertion for e in reading.entities] == ["historical"]


def test_names_inside_what_the_model_sees_serve_ranking_alone(knowledge: KnowledgeBase) -> None:
    near = {(0, 2, "disease"): 1.0, (3, 5, "symptom"): 3.5, (6, 9, "disease"): 0.5}
    spans = [Span(6, 12, "procedure", 0.9, {"present": 1.0})]
    reading = Reader(knowledge, Trained(spans, near)).read([Record.model_validate({"id": "a", "text": "肺炎，咳嗽，冠心病造影术"})])[0]
    assert {(e.span.text, index in reading.hidden) for index, e in enumerate(reading.entities)} >= {
        ("肺炎", False), ("咳嗽", False), ("冠心病", True),
    }  # fmt: skip
