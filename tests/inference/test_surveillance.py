"""Weekly counts by syndrome and township: counts only, small cells suppressed."""

from __future__ import annotations

import csv
import io
from typing import Any

from data_contracts.diagnosis import Diagnosis, Versions
from data_contracts.problems import problem
from inference.surveillance import SMALL, UNKNOWN, as_csv, syndrome_counts
from knowledge_base.compiled import KnowledgeBase


def answer(*diseases: str) -> Diagnosis:
    return Diagnosis(
        id="a",
        status="ranked",
        candidates=(),
        red_flags=(),
        next_steps=(),
        department=None,
        abstention=None,
        notifiable=tuple({"disease": disease} for disease in diseases),
        versions=Versions(knowledge="k", bundles={}),
    )


def record(date: str | None, site: str | None) -> dict[str, Any]:
    return {"id": "r", "text": "张三 发热", "encounter": {"date": date, "site": site}}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_counts_by_week_site_and_syndrome(kb: KnowledgeBase) -> None:
    records = [record("2026-03-02", "东乡")] * 6 + [record("2026-03-08", "东乡")] + [record("2026-03-09", "东乡")] * 2
    counts = syndrome_counts(records, [answer("cholera")] * 9, kb)
    assert counts[("2026-W10", "东乡", "diarrhoea")] == 7
    assert counts[("2026-W11", "东乡", "diarrhoea")] == 2


def test_small_cells_are_suppressed_and_nothing_else_leaves(kb: KnowledgeBase) -> None:
    counts = syndrome_counts([record("2026-03-02", "东乡")] * SMALL + [record("2026-03-02", "西乡")], [answer("cholera")] * (SMALL + 1), kb)
    text = as_csv(counts)
    assert [row["count"] for row in rows(text)] == [str(SMALL), f"<{SMALL}"]
    assert "张三" not in text
    assert list(rows(text)[0]) == ["week", "site", "syndrome", "count"]


def test_a_record_counts_once_for_a_syndrome_and_once_for_each(kb: KnowledgeBase) -> None:
    counts = syndrome_counts([record("2026-03-02", "东乡")], [answer("cholera", "bacillary_dysentery", "covid_19")], kb)
    assert counts[("2026-W10", "东乡", "diarrhoea")] == 1
    assert counts[("2026-W10", "东乡", "fever_respiratory")] == 1


def test_what_is_missing_is_said(kb: KnowledgeBase) -> None:
    counts = syndrome_counts([record(None, None), {"id": "x", "text": "y"}], [answer("cholera"), answer("cholera")], kb)
    assert counts[(UNKNOWN, UNKNOWN, "diarrhoea")] == 2


def test_calm_visits_and_problems_count_nothing(kb: KnowledgeBase) -> None:
    assert not syndrome_counts([record("2026-03-02", "东乡")] * 2, [answer(), problem("internal")], kb)
    assert rows(as_csv(syndrome_counts([], [], kb))) == []
