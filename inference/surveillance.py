"""Weekly counts of suspected notifiable syndromes by site, for surveillance: counts only, small cells suppressed."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from data_contracts.diagnosis import Diagnosis
from knowledge_base.compiled import KnowledgeBase

SMALL = 5
"""Counts from 1 to below this are shown as `<5`, so that no single patient can be recognised."""
UNKNOWN = "未填"


def syndrome_counts(records: Sequence[Any], answers: Iterable[Any], kb: KnowledgeBase) -> Counter[tuple[str, str, str]]:
    """(ISO week, site, syndrome) to the number of records with a suspicion; a record counts once for each syndrome."""
    syndromes = {row["disease"]: row["syndrome"] for row in kb.tables.get("notifiable", ())}
    counts: Counter[tuple[str, str, str]] = Counter()
    for record, answer in zip(records, answers, strict=True):
        if not isinstance(answer, Diagnosis):
            continue
        encounter = record.get("encounter") or {}
        week = UNKNOWN
        if encounter.get("date"):
            year, number, _ = _calendar(str(encounter["date"]))
            week = f"{year}-W{number:02d}"
        site = encounter.get("site") or encounter.get("region") or UNKNOWN
        for syndrome in {syndromes.get(item["disease"], "other") for item in answer.notifiable}:
            counts[(week, str(site), syndrome)] += 1
    return counts


def _calendar(text: str) -> tuple[int, int, int]:
    return tuple(dt.date.fromisoformat(text[:10]).isocalendar())  # type: ignore[return-value]


def as_csv(counts: Counter[tuple[str, str, str]]) -> str:
    """The counts as CSV with the columns week, site, syndrome, count."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["week", "site", "syndrome", "count"])
    for (week, site, syndrome), count in sorted(counts.items()):
        writer.writerow([week, site, syndrome, count if count >= SMALL else f"<{SMALL}"])
    return stream.getvalue()
