"""Training texts with the entries that they show: what centroids are summed from and what the taught part learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inference.ranking.profiles import all_views
from knowledge_base.compiled import KnowledgeBase

BANKED = ("authored", "presentation", "admission", "examination", "vignettes", "ai_hospital", "jmed", "ccl", "reports")
"""Sources whose records name diseases."""
SYNTHESISED_WEIGHT, VIEW_WEIGHT, FURTHER_WEIGHT = 0.4, 0.3, 0.4
MOST_LABELS = 3


@dataclass(frozen=True, slots=True)
class EntryText:
    """A text and what it teaches.

    Attributes:
        source: of the record.
        text: a rendering of it.
        findings: read in it, as `said` writes them.
        entries: what it shows, with weights (the first label 1, further ones less).
        weight: its own.
        danger: whether it tells of a disease that must not be missed; None where that is not known.
        differential: entries that a doctor would weigh beside those.
    """

    source: str
    text: str
    findings: tuple[str, ...]
    entries: tuple[tuple[str, float], ...]
    weight: float
    danger: bool | None = None
    differential: tuple[str, ...] = ()


def danger_of(row: dict[str, Any], kb: KnowledgeBase) -> bool | None:
    """Whether a training record is one of danger, by its diseases; unknown where a calm disease was written with an urgent sign."""
    known = [kb.diseases[label].must_not_miss for label in row["labels"] if label in kb.diseases]
    if row["source"] == "calm":
        return False
    if not known or (not any(known) and row["urgency"] == "immediate"):
        return None
    return any(known)


def entries_of_labels(labels: Sequence[str], kb: KnowledgeBase) -> list[str]:
    """The entries, full or thin, that labels stand for, each once; a category stands for its first entry."""
    found: dict[str, None] = {}
    for label in labels:
        entry = next(iter(kb.by_category.get(label[6:], ())), None) if label.startswith("icd10:") else label
        if entry in kb.diseases or entry in kb.thin:
            found[str(entry)] = None
    return list(found)


def differential_of(row: dict[str, Any], kb: KnowledgeBase) -> tuple[str, ...]:
    """What stands in the differential of a row's own list, else of its main entry, and is none of its diagnoses."""
    shown = entries_of_labels(row["labels"], kb)
    listed = row["differential"] or (kb.diseases[shown[0]].entry["differential"] if shown and shown[0] in kb.diseases else ())
    return tuple(entry for entry in entries_of_labels(list(listed), kb) if entry not in shown)


def second_looks(rows: Iterable[dict[str, Any]], kb: KnowledgeBase) -> Iterator[EntryText]:
    """What long records tell beyond their rendering, with all their diagnoses alike: the past and the tests name the further ones."""
    for row in rows:
        if row["split"] == "train" and row["source"] in BANKED and row["second"]:
            shown = entries_of_labels(row["labels"], kb)
            if shown:
                yield EntryText(row["source"], row["second"], tuple(row["findings"]), tuple((entry, 1.0) for entry in shown), 1.0)


def entry_texts(rows: Iterable[dict[str, Any]], kb: KnowledgeBase) -> Iterator[EntryText]:
    """Training records whose labels are entries of the knowledge base, full or thin, calm visits, then every entry's own views.

    An admission teaches its main diagnosis alone: its list is spread as evenly over diseases as it was written, while real lists hold
    hypertension time and again.

    Args:
        rows: lines of `queries.jsonl`; those of other splits and sources are passed over.
    """
    for row in rows:
        if row["split"] != "train" or row["source"] not in (*BANKED, "synthesised", "calm"):
            continue
        shown = entries_of_labels(row["labels"], kb)[: 1 if row["source"] == "admission" else MOST_LABELS]
        found = {entry: FURTHER_WEIGHT if place else 1.0 for place, entry in enumerate(shown)}
        if found or row["source"] == "calm":
            yield EntryText(
                row["source"],
                row["text"],
                tuple(row["findings"]),
                tuple(found.items()),
                SYNTHESISED_WEIGHT if row["source"] == "synthesised" else 1.0,
                danger_of(row, kb),
                differential_of(row, kb),
            )
    for view, owner in zip(*all_views(kb), strict=True):
        yield EntryText("view", view, (), ((owner, 1.0),), VIEW_WEIGHT)
