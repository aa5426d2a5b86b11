"""A disease's page: short plain lines, estimates marked, the differential beside, what must be reported on top."""

from __future__ import annotations

import pytest

from data_contracts.problems import XinglinError
from inference.knowledge.pages import disease_page
from knowledge_base.compiled import KnowledgeBase


def test_every_page_has_what_a_doctor_needs(kb: KnowledgeBase) -> None:
    for ident in kb.diseases:
        page = disease_page(kb, ident)
        titles = [section["title"] for section in page["sections"]]
        assert any(title.startswith("要点") and "估计" in title for title in titles), ident
        assert {"处理", "转诊", "出处"} <= set(titles), ident
        points = next(s for s in page["sections"] if s["title"].startswith("要点"))["lines"]
        assert 1 <= len(points) <= 12


def test_differential_names_diseases_in_chinese(kb: KnowledgeBase) -> None:
    page = disease_page(kb, "acute_appendicitis")
    lines = next(s for s in page["sections"] if s["title"] == "鉴别")["lines"]
    assert lines and all("：" in line and not line[0].isascii() for line in lines)


def test_a_notifiable_disease_says_its_class_first(kb: KnowledgeBase) -> None:
    assert disease_page(kb, "cholera")["sections"][0]["title"] == "法定传染病"


def test_thin_and_unknown(kb: KnowledgeBase) -> None:
    ident = next(iter(kb.thin))
    assert disease_page(kb, ident)["entry"] is None
    with pytest.raises(XinglinError):
        disease_page(kb, "no_such_disease")
