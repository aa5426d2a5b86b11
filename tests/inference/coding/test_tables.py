"""Importing tables: formats, headings, duplicates, storage."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook

from inference.coding.index import NgramIndex, best
from inference.coding.tables import TableError, import_table, load_table, read_table
from inference.coding.text import fold, grams, split

ROWS = [("I10", "高血压"), ("I10.x00", "高血压"), ("E11.4", "2型糖尿病伴神经并发症"), ("J18.9", "肺炎"), ("E11.9", "2型糖尿病")]


def write(folder: Path, kind: str) -> Path:
    lines = "\n".join(f"{code},{name}" for code, name in [("编码", "名称"), *ROWS])
    if kind == "xlsx":
        book = Workbook()
        sheet = book.active
        assert sheet is not None
        for row in [("序号", "疾病编码", "疾病名称"), *[(i, *pair) for i, pair in enumerate(ROWS)]]:
            sheet.append(row)
        path = folder / "t.xlsx"
        book.save(path)
        return path
    path = folder / {"csv": "t.csv", "gbk": "g.csv", "gz": "t.csv.gz"}[kind]
    data = lines.encode("gb18030" if kind == "gbk" else "utf-8-sig")
    path.write_bytes(gzip.compress(data) if kind == "gz" else data)
    return path


@pytest.mark.parametrize("kind", ["csv", "gbk", "gz", "xlsx"])
def test_formats(tmp_path: Path, kind: str) -> None:
    assert read_table(write(tmp_path, kind)) == ROWS


def test_without_headings(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("J18.9,肺炎\nI10,高血压\n", encoding="utf-8")
    assert read_table(path) == [("J18.9", "肺炎"), ("I10", "高血压")]


@pytest.mark.parametrize(("name", "content"), [("t.csv", ""), ("t.csv", "编码,名称\n"), ("t.doc", "x"), ("t.csv", "a\nb\n")])
def test_bad_files_say_what_is_wrong(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TableError):
        read_table(path)


def test_import_and_load(tmp_path: Path) -> None:
    with pytest.raises(TableError):
        import_table(write(tmp_path, "csv"), "icd11", "甲", "1", tmp_path)
    imported = import_table(write(tmp_path, "csv"), "icd10", "某县医院", "2026", tmp_path)
    assert imported.codes[imported.names.index("高血压")] == "I10.x00", "of several codes the longest"
    loaded = load_table(tmp_path, "icd10")
    assert loaded is not None and load_table(tmp_path, "icd9cm3") is None
    assert (loaded.name, loaded.edition, loaded.codes, loaded.names) == ("某县医院", "2026", imported.codes, imported.names)
    query = grams(fold("肺炎"))
    assert np.array_equal(loaded.index.score(query), imported.index.score(query))


def test_index_scores_are_cosines() -> None:
    texts = ["肺炎", "大叶性肺炎", "高血压"]
    index = NgramIndex.build([grams(text) for text in texts])
    for place, text in enumerate(texts):
        scores = index.score(grams(text))
        assert scores[place] == pytest.approx(1.0, abs=1e-5)
        assert int(best(scores, 1)[0]) == place
    assert not index.score(grams("骨折")).any()
    assert len(index.score(np.empty(0, np.uint32))) == 3
    assert NgramIndex.build([]).score(grams("肺炎")).shape == (0,)


def test_fold() -> None:
    assert fold("高血压Ⅲ级") == fold("高血压 III级") == fold("高血压3级") == "高血压3级"
    assert fold("Ｃ反应蛋白（升高）") == "c反应蛋白升高"


NAMES = {fold(name) for name in ("2型糖尿病", "周围神经病变", "高血压", "肺炎", "急性胰腺炎和胆管炎", "骨折伴脱位")}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("2型糖尿病伴周围神经病变、高血压3级 很高危", ["2型糖尿病", "周围神经病变", "高血压3级 很高危"]),
        ("1.肺炎 2.高血压", ["肺炎", "高血压"]),
        ("急性胰腺炎和胆管炎", ["急性胰腺炎和胆管炎"]),
        ("左侧骨折伴脱位，肺炎；高血压", ["左侧骨折伴脱位", "肺炎", "高血压"]),
        ("肺炎", ["肺炎"]),
        ("肺癌（左上叶、已转移）", ["肺癌（左上叶、已转移）"]),
        ("  ", []),
        ("。", []),
    ],
)
def test_split(text: str, parts: list[str]) -> None:
    found = split(text, NAMES.__contains__)
    assert [part.text for part in found] == parts
    assert all(text[part.start : part.end] == part.text for part in found)
