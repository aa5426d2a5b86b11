"""The fundus corpora as one table, photographs on demand, groups kept together.

Source notes (traps, terms) are in the corpora's own README; what follows from them is written where it is applied.
"""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

GRADED_SOURCES = ("aptos2019", "odir", "eyepacs", "rahim600")
SOURCES = (*GRADED_SOURCES, "eyepacs_equalised", "idrid_seg", "drive", "nonfundus")
LESION_NAMES = ("MA", "HE", "EX", "SE")


@dataclass(frozen=True)
class Photograph:
    """One labelled photograph.

    Attributes:
        name: file name within its source.
        source: folder of the corpora.
        group: never split.
        grade: ICDR 0..4, or None.
        referable: grade >= 2 or macular oedema, or None.
        quality: good, usable, reject, not_fundus or None.
        conflict: the same photograph carries another grade elsewhere.
        shape_class: restored width/height ratio (APTOS) or "".
        other_disease: an eye with another disease and no DR grade (ODIR).
    """

    name: str
    source: str
    group: str
    grade: int | None
    referable: bool | None
    quality: str | None
    conflict: bool
    shape_class: str
    other_disease: bool
    width: int
    height: int


def read_labels(root: Path, sources: Sequence[str] = SOURCES) -> list[Photograph]:
    """All photographs of the given sources, in file order."""
    table: list[Photograph] = []
    for source in sources:
        path = root / source / "labels.csv"
        if not path.exists():
            continue
        with path.open(encoding="utf-8", newline="") as stream:
            table += [_photograph(row) for row in csv.DictReader(stream)]
    return _join_groups(table)


def _photograph(row: dict[str, str]) -> Photograph:
    notes = dict(part.partition("=")[::2] for part in row["note"].split(";"))
    grade = int(row["grade"]) if row["grade"] else None
    referable = None if grade is None else grade >= 2 or row["dme"] == "1"
    # Rahim's patients 299 and 300 are the same eyes under two grades.
    copied = row["source"] == "rahim600" and row["patient"] in ("299", "300")
    shape = notes.get("unsqueezed", "unknown") if row["source"] == "aptos2019" else ""
    group = notes["same_eye_under_ids"].split(",")[0] if "same_eye_under_ids" in notes else row["group"]
    return Photograph(
        name=row["image"],
        source=row["source"],
        group=f"{row['source']}:{group}",
        grade=grade,
        referable=referable,
        quality=row["quality"] or None,
        conflict="label_conflict" in notes or copied,
        shape_class=shape,
        other_disease=row["source"] == "odir" and grade is None,
        width=int(row["width"]),
        height=int(row["height"]),
    )


def _join_groups(table: list[Photograph]) -> list[Photograph]:
    """Give every photograph of a patient pair "a/b" (one eye under two ids) the pair as its group."""
    pairs: dict[str, str] = {}
    for item in table:
        source, _, group = item.group.partition(":")
        if "/" in group:
            for one in group.split("/"):
                pairs[f"{source}:{one}"] = item.group
    return [replace(item, group=pairs.get(item.group, item.group)) for item in table]


def read_photographs(root: Path, sources: Sequence[str] = SOURCES) -> Iterator[tuple[str, str, bytes]]:
    """Source, file name and bytes of every photograph, in tar order."""
    for source in sources:
        for archive in sorted((root / source).glob("images-*.tar")):
            with tarfile.open(archive) as tar:
                for member in tar:
                    stream = tar.extractfile(member) if member.isfile() else None
                    if stream is not None:
                        yield source, Path(member.name).name, stream.read()


def read_masks(root: Path) -> dict[str, dict[str, bytes]]:
    """Lesion and disc masks of IDRiD: {photograph stem: {MA|HE|EX|SE|OD: PNG bytes}}."""
    masks: dict[str, dict[str, bytes]] = {}
    for archive in sorted((root / "idrid_seg").glob("masks-*.tar")):
        with tarfile.open(archive) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isfile() else None
                if stream is not None:
                    stem, _, kind = Path(member.name).stem.rpartition("_")
                    masks.setdefault(stem, {})[kind] = stream.read()
    return masks


def grouped_folds(groups: Sequence[str], folds: int, seed: int) -> np.ndarray:
    """Fold index of each item; items of one group share it."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[j]: i % folds for i, j in enumerate(order)}
    return np.array([fold_of[g] for g in groups])
