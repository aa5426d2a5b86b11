"""Stage `ranker_corpora`: read and render every labelled record once, for training and for development.

    python -m training.stages.ranker_corpora

Writes `build/training/queries.jsonl` (id, source, text, what the text leaves out, findings stated and denied, urgency of its red flags,
labels, differential, options, group, split). Without `XINGLIN_CORPORA` the authored
and synthesised cases alone are prepared, and the stage says so. Near-duplicates across splits fail the stage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data_contracts.record import Record
from inference.facts import facts_of
from inference.flagging import red_flags
from inference.ranking.rendering import renderings
from inference.ranking.taught import said
from inference.reading.reader import Reader
from knowledge_base.compiled import KnowledgeBase, load
from training.datasets.diagnosis import Example, corpora, development, training
from training.stages.synthesise import OUT as SYNTHESISED

OUT = Path("build/training/queries.jsonl")
FLAGGED = ("authored", "presentation", "admission")
"""Sources whose red flags tell danger from calm."""


def synthesised(path: Path = SYNTHESISED) -> list[Example]:
    """The synthesised cases as examples."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.append(Example(row["id"], "synthesised", row["record"], tuple(d["disease"] for d in row["diagnoses"]), row["id"]))
    return found


def render_all(examples: Sequence[Example], reader: Reader, kb: KnowledgeBase) -> Iterable[dict[str, Any]]:
    """Rendered rows of the examples; an unreadable record is an error of the stage."""
    for example in examples:
        reading = reader.read([Record.model_validate(example.record)])[0]
        read = facts_of(reading, kb)
        flags = red_flags(read, kb) if example.source in FLAGGED else ()
        text, second = renderings(reading)
        yield {
            "id": example.id,
            "source": example.source,
            "text": text,
            "second": second,
            "findings": said(read.facts.present, read.facts.absent),
            "urgency": flags[0].urgency if flags else None,
            "labels": list(example.labels),
            "differential": list(example.meta.get("differential", ())) if example.source == "admission" else [],
            "options": list(example.options),
            "answer": example.meta.get("answer"),
            "group": example.group,
        }


def _grams(text: str, size: int = 5) -> set[str]:
    kept = "".join(ch for ch in text if not ch.isspace() and ch not in "，。；、：|")
    return {kept[i : i + size] for i in range(max(0, len(kept) - size + 1))}


def leaks(train: Sequence[dict[str, Any]], held: Sequence[dict[str, Any]], *, threshold: float = 0.8) -> list[tuple[str, str]]:
    """Pairs of a training and a held-out row that share most of the shorter one's 5-grams (texts of 20 grams or more)."""
    index: dict[str, list[int]] = {}
    grams = []
    for i, row in enumerate(train):
        mine = _grams(row["text"])
        grams.append(mine)
        for gram in mine:
            index.setdefault(gram, []).append(i)
    found = []
    for row in held:
        mine = _grams(row["text"])
        if len(mine) < 20:
            continue
        shared: dict[int, int] = {}
        for gram in mine:
            for i in index.get(gram, ())[:200]:
                shared[i] = shared.get(i, 0) + 1
        for i, count in shared.items():
            if len(grams[i]) >= 20 and count / min(len(mine), len(grams[i])) >= threshold:
                found.append((train[i]["id"], row["id"]))
    return found


def run(kb: KnowledgeBase, out: Path = OUT) -> dict[str, int]:
    """Write the rendered rows; counts by split and source."""
    if corpora() is None:
        print("XINGLIN_CORPORA is not set: preparing authored and synthesised cases alone", file=sys.stderr)
    reader = Reader(kb)
    train = [{**row, "split": "train"} for row in render_all([*training(kb), *synthesised()], reader, kb)]
    held = [{**row, "split": name} for name, examples in development(kb).items() for row in render_all(examples, reader, kb)]
    own = {"authored_dev", "authored_test", "cmexam_vignettes_dev", "msdiagnosis_validation", "jmed_dev"}
    doubles = leaks(train, [row for row in held if row["split"] in own])
    if len(doubles) > 0:
        dropped = {a for a, _ in doubles}
        print(f"{len(dropped)} training rows dropped as near-duplicates of held-out ones", file=sys.stderr)
        train = [row for row in train if row["id"] not in dropped]
        if leaks(train, [row for row in held if row["split"] in own]):
            raise SystemExit("near-duplicates across splits remain")
    out.parent.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    with out.open("w", encoding="utf-8") as stream:
        for row in [*train, *held]:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            key = f"{row['split']}/{row['source']}"
            counts[key] = counts.get(key, 0) + 1
    return counts


if __name__ == "__main__":
    for name, count in sorted(run(load()).items()):
        print(f"{name}: {count}")
