"""What coding costs: import of a table of 40,000 rows, a text's codes, and a plain linear scan beside it.

Run: ``python -m benchmarks.coding``. The table is made up here; no corpus is needed. CPU time, one core.
"""

from __future__ import annotations

import csv
import itertools
import json
import tempfile
import time
from difflib import SequenceMatcher
from pathlib import Path

from data_contracts.coding import CodeRequest
from inference.coding.coder import Coder
from inference.coding.tables import import_table, load_table
from models.bundle import RELEASED, Bundle

SITES = [
    "肺",
    "胃",
    "肝",
    "肾",
    "脾",
    "胰",
    "胆囊",
    "食管",
    "结肠",
    "直肠",
    "膀胱",
    "前列腺",
    "子宫",
    "卵巢",
    "乳腺",
    "甲状腺",
    "喉",
    "鼻",
    "眼",
    "耳",
    "口腔",
    "皮肤",
    "股骨",
    "胫骨",
    "桡骨",
    "尺骨",
    "腰椎",
    "颈椎",
    "膝关节",
    "髋关节",
]
KINDS = [
    "炎",
    "恶性肿瘤",
    "良性肿瘤",
    "结石",
    "囊肿",
    "损伤",
    "出血",
    "溃疡",
    "脓肿",
    "畸形",
    "狭窄",
    "梗阻",
    "息肉",
    "结核",
    "水肿",
    "坏死",
    "萎缩",
    "肥大",
    "硬化",
    "感染",
]
FORMS = ["急性", "慢性", "亚急性", "复发性", "先天性", "继发性", "原发性", "创伤性", "化脓性", "出血性"]
SIDES = ["左侧", "右侧", "双侧", "上部", "下部", "多发", "单发"]
TEXTS = ("急性右侧肺炎伴肺脓肿", "慢性胃溃疡、胃出血", "左侧股骨损伤术后", "先天性双侧肾囊肿", "1.慢性化脓性胆囊炎 2.胆囊结石")


def write_table(path: Path, rows: int = 40_000) -> None:
    """A made-up table of distinct names."""
    names = ("".join(parts) for parts in itertools.product(SIDES, FORMS, SITES, KINDS))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("编码", "名称"))
        writer.writerows((f"A{number // 100:03d}.{number % 100:02d}", name) for number, name in enumerate(itertools.islice(names, rows)))


def measure() -> dict[str, float]:
    """CPU seconds and milliseconds, and the ratio to a linear scan with difflib."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        write_table(state / "table.csv")
        began = time.process_time()
        table = import_table(state / "table.csv", "icd10", "made up", "1", state)
        imported = time.process_time() - began
        began = time.process_time()
        load_table(state, "icd10")
        loaded = time.process_time() - began
        coder = Coder(Bundle.open(RELEASED / "coder"), state, {}, {}, "")
        items = [CodeRequest(id=str(n), text=text) for n, text in enumerate(TEXTS)]
        coder.code(items)
        began = time.process_time()
        for _ in range(10):
            coder.code(items)
        coded = (time.process_time() - began) / (10 * len(items))
        began = time.process_time()
        max(table.names, key=lambda name: SequenceMatcher(None, TEXTS[0], name).ratio())
        scanned = time.process_time() - began
    return {
        "rows": float(len(table.codes)),
        "import_s": round(imported, 2),
        "load_s": round(loaded, 2),
        "text_ms": round(coded * 1000, 2),
        "linear_scan_ms": round(scanned * 1000, 1),
        "times_faster_than_a_scan": round(scanned / coded, 1),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
