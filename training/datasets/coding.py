"""Coded texts (CHIP-CDN, procedures) in folded form."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

from inference.coding.text import fold


@dataclass(frozen=True, slots=True)
class CodedText:
    """A text with the names that coders chose for it, as written and folded."""

    id: str
    text: str
    names: tuple[str, ...]
    unseen: bool = False
    """A name that training never uses is among them."""

    @property
    def folded(self) -> frozenset[str]:
        """The names, folded."""
        return frozenset(fold(name) for name in self.names)


FOLDERS = {"icd10": "chip_cdn", "icd9cm3": "proc_norm"}
TABLES = {"icd10": "icd10_beijing_v601.csv.gz", "icd9cm3": "icd9cm3_xiehe2017.csv.gz"}


def load_coded(root: Path, system: str, split: str) -> list[CodedText]:
    """Read ``extraction/<folder>/<split>.jsonl.gz``."""
    with gzip.open(root / "extraction" / FOLDERS[system] / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        CodedText(
            row["id"],
            row["text"],
            tuple(dict.fromkeys(gold["name"].strip('"') for gold in row["gold"])),
            bool(row.get("meta", {}).get("unseen_gold")),
        )
        for row in rows
    ]
