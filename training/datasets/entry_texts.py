"""Training texts with the entries that they show: what centroids are summed from and what the taught part learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from inference.ranking.profiles import all_views
from knowledge_base.compiled import KnowledgeBase

BANKED = ("authored", "presentation", "admission", "vignettes", "ai_hospital", "jmed", "ccl", "reports")
"""Sources whose records name diseases."""
SYNTHESISED_WEIGHT, VIEW_WEIGHT, FURTHER_WEIGHT = 0.4, 0.3, 0.4
MOST_LABELS = 3


@dataclass(frozen=True, slots=True)
class EntryText:
    """A text, the findings read in it, the entries it shows with their weights (the first label 1, further ones less), its own weight.

    `danger` says whether it tells of a disease that must not be missed; None where that is not known.
    """

    source: str
    text: str
    findings: tuple[str, ...]
    entries: tuple[tuple[str, float], ...]
    weight: float
    danger: bool | None = None


def danger_of(row: dict[str, Any], kb: KnowledgeBase) -> bool | None:
    """Whether a training record is one of danger, by its diseases; unknown where a calm disease was written with an urgent sign."""
    known = [kb.diseases[label].must_not_miss for label in row["labels"] if label in kb.diseases]
    if row["source"] == "calm":
        return False
    if not known or (not any(known) and row["urgency"] == "immediate"):
        return None
    return any(known)


def entry_texts(rows: Iterable[dict[str, Any]], kb: KnowledgeBase) -> Iterator[EntryText]:
    """Training records whose labels are entries of the knowledge base, full or thin, calm visits, then every entry's own views.

    Args:
        rows: lines of `queries.jsonl`; those of other splits and sources are passed over.
    """
    for row in rows:
        if row["split"] != "train" or row["source"] not in (*BANKED, "synthesised", "calm"):
            continue
        found: dict[str, float] = {}
        for place, label in enumerate(row["labels"][:MOST_LABELS]):
            entry = next(iter(kb.by_category.get(label[6:], ())), None) if label.startswith("icd10:") else label
            if entry in kb.diseases or entry in kb.thin:
                found.setdefault(str(entry), FURTHER_WEIGHT if place else 1.0)
        if found or row["source"] == "calm":
            yield EntryText(
                row["source"],
                row["text"],
                tuple(row["findings"]),
                tuple(found.items()),
                SYNTHESISED_WEIGHT if row["source"] == "synthesised" else 1.0,
                danger_of(row, kb),
            )
    for view, owner in zip(*all_views(kb), strict=True):
        yield EntryText("view", view, (), ((owner, 1.0),), VIEW_WEIGHT)
