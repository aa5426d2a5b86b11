"""Code tables: reading what a hospital exports, indexing it, keeping it under the state folder.

A stored table is ``<state>/tables/<system>.json`` (name, edition, codes, names) beside ``<system>.npz`` (the n-gram index
over the names).
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.coding.index import NgramIndex
from inference.coding.text import fold, grams, name_hash

SYSTEMS = ("icd10", "icd9cm3")
_CODE_HEADINGS = ("code", "编码", "代码", "疾病编码", "诊断编码", "手术编码", "icd")
_NAME_HEADINGS = ("name", "名称", "疾病名称", "诊断名称", "手术名称", "中文名称")


class TableError(ValueError):
    """A table file that cannot be used; the message is plain Chinese and says how to mend it."""


@dataclass
class CodeTable:
    """One imported (or the knowledge base's own) table.

    ``surfaces`` are the indexed texts: each row's name, and for the knowledge base also its aliases; ``targets`` tells
    which row a surface belongs to.
    """

    system: str
    name: str
    edition: str
    codes: list[str]
    names: list[str]
    surfaces: list[str]
    targets: list[int]
    index: NgramIndex

    def __post_init__(self) -> None:
        self.by_hash: dict[int, int] = {}
        for surface, target in zip(self.surfaces, self.targets, strict=True):
            self.by_hash.setdefault(name_hash(surface), target)

    def is_name(self, folded: str) -> bool:
        """Whether a folded text is one of the table's names."""
        return name_hash(folded) in self.by_hash


def build_table(
    system: str, name: str, edition: str, rows: Iterable[tuple[str, str]], aliases: Sequence[tuple[str, str]] = ()
) -> CodeTable:
    """Index code and name pairs.

    A name that stands on several codes keeps the longest code, of equal length the smallest. ``aliases`` are further
    (code, alias) pairs of codes in ``rows``.
    """
    chosen: dict[str, tuple[str, str]] = {}
    for code, shown in rows:
        key = fold(shown)
        if key and (key not in chosen or (-len(code), code) < (-len(chosen[key][0]), chosen[key][0])):
            chosen[key] = (code, shown)
    if not chosen:
        raise TableError("编码表里没有可用的行：需要编码与名称两列。")
    codes = [code for code, _ in chosen.values()]
    names = [shown for _, shown in chosen.values()]
    surfaces, targets = list(chosen), list(range(len(codes)))
    place = {code: row for row, code in reversed(list(enumerate(codes)))}
    for code, alias in aliases:
        key = fold(alias)
        if key and key not in chosen and code in place:
            surfaces.append(key)
            targets.append(place[code])
    return CodeTable(system, name, edition, codes, names, surfaces, targets, NgramIndex.build([grams(s) for s in surfaces]))


def _rows_of(path: Path) -> list[list[str]]:
    """All cells of a CSV, CSV.gz or XLSX file as text."""
    suffix = path.name.lower()
    if suffix.endswith(".xlsx"):
        from openpyxl import load_workbook  # a quarter of a second that only an import pays

        sheet = load_workbook(path, read_only=True, data_only=True).worksheets[0]
        return [["" if cell is None else str(cell).strip() for cell in row] for row in sheet.iter_rows(values_only=True)]
    if suffix.endswith((".csv", ".csv.gz")):
        raw = gzip.decompress(path.read_bytes()) if suffix.endswith(".gz") else path.read_bytes()
        for encoding in ("utf-8-sig", "gb18030"):
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                continue
            return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
        raise TableError("文件编码无法识别：请存为 UTF-8 或 GBK 的 CSV。")
    raise TableError("只接受 CSV、CSV.gz 或 XLSX 文件。")


def _find(headings: Sequence[str], wanted: Sequence[str]) -> int | None:
    for candidate in wanted:
        for place, heading in enumerate(headings):
            if heading.lower() == candidate:
                return place
    for candidate in wanted:
        for place, heading in enumerate(headings):
            if candidate in heading.lower():
                return place
    return None


def read_table(path: Path) -> list[tuple[str, str]]:
    """Code and name pairs of a table file.

    Columns are found by their headings; a file without known headings must hold the code in the first column and the
    name in the second.

    Raises:
        TableError: says what is wrong with the file.
    """
    rows = [row for row in _rows_of(path) if any(row)]
    if not rows:
        raise TableError("编码表是空的。")
    code, name = _find(rows[0], _CODE_HEADINGS), _find(rows[0], _NAME_HEADINGS)
    if code is not None and name is not None and code != name:
        body = rows[1:]
    else:
        code, name, body = 0, 1, rows
    pairs = [(row[code], row[name]) for row in body if len(row) > max(code, name) and row[code] and row[name]]
    if not pairs:
        raise TableError("没有找到编码与名称：首行请写列名“编码”“名称”（或 code、name）。")
    return pairs


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def import_table(path: Path, system: str, name: str, edition: str, state: Path) -> CodeTable:
    """Read, index and store a table as the system's current one.

    Raises:
        TableError: says what is wrong with the file.
    """
    if system not in SYSTEMS:
        raise TableError("编码体系只能是 icd10（诊断）或 icd9cm3（手术操作）。")
    table = build_table(system, name, edition, read_table(path))
    folder = state / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, **table.index.arrays())  # type: ignore[arg-type]
    described = {
        "format": 1,
        "system": system,
        "name": name,
        "edition": edition,
        "imported": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "codes": table.codes,
        "names": table.names,
    }
    _write(folder / f"{system}.npz", buffer.getvalue())
    _write(folder / f"{system}.json", json.dumps(described, ensure_ascii=False).encode())
    return table


def load_table(state: Path, system: str) -> CodeTable | None:
    """The system's imported table, or None."""
    described_path = state / "tables" / f"{system}.json"
    if not described_path.is_file():
        return None
    described = json.loads(described_path.read_text(encoding="utf-8"))
    with np.load(state / "tables" / f"{system}.npz", allow_pickle=False) as arrays:
        index = NgramIndex.restore(dict(arrays))
    names: list[str] = described["names"]
    return CodeTable(
        system, described["name"], described["edition"], described["codes"], names, [fold(n) for n in names],
        list(range(len(names))), index,
    )  # fmt: skip
