"""Search: the table of everyday queries, and each way in."""

from __future__ import annotations

from typing import Any

import pytest

from inference.engine import Engine
from inference.knowledge.search import KnowledgeSearch
from training.stages.search_evaluate import evaluate, queries


@pytest.fixture(scope="module")
def report(engine: Engine) -> dict[str, Any]:
    """The stage's report over the whole table."""
    return evaluate(engine.searcher, queries())


def test_everyday_queries_find_their_page(report: dict[str, Any]) -> None:
    assert report["queries"] >= 300
    assert report["found_in_three"]["all"] >= 0.95, report["misses"]


def test_an_answer_costs_little(report: dict[str, Any]) -> None:
    # CPU time, so that a busy machine does not fail it; the report says the figure
    assert report["milliseconds_median"] < 20


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("高血压", "hypertension"),
        ("gxy", "hypertension"),
        ("gaoxueya", "hypertension"),
        ("Gao Xue Ya", "hypertension"),
        ("高学压", "hypertension"),
        ("I10", "hypertension"),
        ("i10", "hypertension"),
        ("羊角风", "epilepsy"),
        ("阿莫西林胶囊", "amoxicillin"),
        ("布络芬", "ibuprofen"),
        ("COPD", "copd"),
        ("Ⅱ型糖尿病", "type_2_diabetes"),
    ],
)
def test_the_first_page(engine: Engine, query: str, page: str) -> None:
    assert engine.searcher.search(query)[0].id == page


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("小孩发烧抽筋", "febrile_convulsion"),
        ("吃完油腻右上腹痛", "acute_cholecystitis"),
        ("怀孕头痛血压高蛋白尿", "preeclampsia"),
        ("满月脸水牛背", "cushing_syndrome"),
    ],
)
def test_a_description_finds_the_disease(engine: Engine, query: str, page: str) -> None:
    assert page in [hit.id for hit in engine.searcher.search(query)[:3]]


def test_answers_are_ordered_unique_and_bounded(engine: Engine) -> None:
    hits = engine.searcher.search("肺炎", limit=5)
    assert len(hits) == 5
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    assert len({(h.kind, h.id) for h in hits}) == 5
    assert all(0 <= h.score <= 1 for h in hits)


def test_highlight_marks_the_query(engine: Engine) -> None:
    assert engine.searcher.search("阑尾炎")[0].highlight == "<em>阑尾炎</em>"


@pytest.mark.parametrize("query", ["", " ", "？！", "a", "……", "\u200b", "𠮷", "<script>", "1", "%%%"])
def test_odd_queries_are_answered(engine: Engine, query: str) -> None:
    assert isinstance(engine.searcher.search(query), list)


def test_without_a_ranker_names_still_answer(engine: Engine) -> None:
    assert KnowledgeSearch(engine.kb).search("类风失关节炎")[0].id == "rheumatoid_arthritis"
