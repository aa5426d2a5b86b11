"""The annotated sentences: offsets, labels, no repetition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import knowledge_base
from data_contracts.structure import Assertion, EntityType

FOLDER = Path(knowledge_base.__file__).parent / "sentences"
ROWS = [json.loads(line) for path in sorted(FOLDER.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]


def test_offsets_match() -> None:
    for row in ROWS:
        for kind in ("entities", "measurements", "durations"):
            for span in row[kind]:
                assert row["text"][span["start"] : span["end"]] == span["text"], row["id"]


def test_labels_are_known() -> None:
    for row in ROWS:
        for entity in row["entities"]:
            assert entity["type"] in get_args(EntityType)
            assert entity["assertion"] in get_args(Assertion)


def test_no_sentence_stands_twice() -> None:
    assert len({row["text"] for row in ROWS}) == len(ROWS) == len({row["id"] for row in ROWS})


def test_behaviour_tables_are_not_trained_on() -> None:
    table = Path(__file__).parents[1] / "behaviour" / "assertion.jsonl"
    tested = {json.loads(line)["text"] for line in table.read_text(encoding="utf-8").splitlines()}
    assert not tested & {row["text"] for row in ROWS}
