"""`code` without an imported table: the knowledge base's own diseases and procedures answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from data_contracts.coding import CodeAnswer, CodeRequest
from inference.engine import Engine, own_codes
from inference.settings import Settings
from knowledge_base.compiled import KnowledgeBase


@pytest.fixture(scope="module")
def coder(kb: KnowledgeBase, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An engine whose state folder holds no table."""
    return Engine(Settings(state=tmp_path_factory.mktemp("empty")), kb=kb)


def first(engine: Engine, text: str, system: str) -> Any:
    answer = engine.code([{"id": "a", "text": text, "system": system}])[0]
    assert isinstance(answer, CodeAnswer), answer
    return answer.codes[0]


def test_procedures_are_well_formed(kb: KnowledgeBase) -> None:
    rows = kb.tables["procedures"]
    assert len(rows) >= 180
    codes = [row["code"] for row in rows]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"\d{2}\.\d{1,2}", code) for code in codes)
    names = [name for row in rows for name in (row["name"], *row.get("aliases", ()))]
    assert len(set(names)) == len(names)


def test_both_systems_have_rows_and_aliases(kb: KnowledgeBase) -> None:
    rows, aliases = own_codes(kb)
    assert len(rows["icd10"]) > 600 and len(rows["icd9cm3"]) >= 180
    assert aliases["icd10"] and aliases["icd9cm3"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("阑尾切除术", "47.09"),
        ("腹腔镜胆囊切除术", "51.23"),
        ("剖腹产", "74.1"),
        ("清创缝合", "86.22"),
        ("人流", "69.51"),
        ("无痛胃镜", "45.13"),
        ("痔疮手术", "49.46"),
        ("膝关节置换术", "81.54"),
        ("上环", "69.7"),
        ("牵拉肘复位", "79.72"),
        ("肠镜下息肉切除", "45.42"),
        ("洗胃", "96.33"),
        ("拔牙", "23.09"),
        ("输血", "99.04"),
    ],
)
def test_procedures_as_doctors_write_them(coder: Engine, text: str, code: str) -> None:
    found = first(coder, text, "icd9cm3")
    assert found.code == code
    assert found.table.name == "杏林知识库"


def test_two_procedures_in_one_line(coder: Engine) -> None:
    answer = coder.code([{"id": "a", "text": "白内障超声乳化+人工晶体植入", "system": "icd9cm3"}])[0]
    assert isinstance(answer, CodeAnswer)
    assert {c.code for c in answer.codes} == {"13.41", "13.71"}


@pytest.mark.parametrize(("text", "code"), [("房颤", "I48"), ("缠腰龙", "B02"), ("老慢支", "J42"), ("高血压病", "I10")])
def test_everyday_names_of_diseases(coder: Engine, text: str, code: str) -> None:
    assert first(coder, text, "icd10").code.startswith(code)


def test_every_alias_of_a_procedure_answers_its_code(coder: Engine, kb: KnowledgeBase) -> None:
    rows = [(alias, row["code"]) for row in kb.tables["procedures"] for alias in row.get("aliases", ())][::6]
    answers = coder.code([{"id": alias, "text": alias, "system": "icd9cm3"} for alias, _ in rows])
    wrong = [alias for (alias, code), a in zip(rows, answers, strict=True) if code not in {c.code for c in getattr(a, "codes", ())}]
    assert len(wrong) <= len(rows) * 0.03, wrong


def test_an_empty_state_folder_is_enough(tmp_path: Path, kb: KnowledgeBase) -> None:
    engine = Engine(Settings(state=tmp_path / "none"), kb=kb)
    assert first(engine, "阑尾炎", "icd10").code.startswith("K3")


def test_a_mention_that_is_a_name_word_for_word_takes_its_row(coder: Engine) -> None:
    """What a record names exactly needs no judging; any other mention is still judged."""
    assert coder.coder is not None
    named = coder.coder.code_mention(CodeRequest(id="m", text="剖腹产", system="icd9cm3")).codes
    assert [(part.code, part.probability, part.span.text) for part in named] == [("74.1", 0.97, "剖腹产")]
    other = coder.coder.code_mention(CodeRequest(id="m", text="腹腔镜下胆囊切除手术", system="icd9cm3")).codes
    assert other[0].code == "51.23"
