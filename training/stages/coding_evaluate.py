"""Stage ``coding_evaluate``: the sealed coder through its product path, on dev texts and on another edition's table."""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from data_contracts.coding import CodeRequest, CodeSystem
from inference.coding.coder import Coder
from inference.coding.tables import import_table
from inference.coding.text import fold
from models.bundle import Bundle
from training.datasets.coding import TABLES, load_coded
from training.metrics.coding import CodingCounts

log = logging.getLogger("training.coding_evaluate")

OTHER_TABLES = {"icd10": "icd10_chsdrg.csv.gz", "icd9cm3": "icd9cm3_chsdrg.csv.gz"}


def evaluate(bundle: Path, corpora: Path, state: Path) -> dict[str, Any]:
    """Figures of both systems."""
    report: dict[str, Any] = {}
    folder = corpora / "extraction" / "code_tables"
    for name, file in TABLES.items():
        system = cast(CodeSystem, name)
        began = time.process_time()
        import_table(folder / file, system, file.split(".")[0], "v601" if system == "icd10" else "2017", state)
        seconds = time.process_time() - began
        coder = Coder(Bundle.open(bundle), state, {}, {}, "")
        texts = load_coded(corpora, system, "dev")
        everything, unseen = CodingCounts(), CodingCounts()
        coder.code([CodeRequest(id="warm", text="肺炎", system=system)])
        began = time.process_time()
        answers = coder.code([CodeRequest(id=text.id, text=text.text, system=system) for text in texts])
        each = (time.process_time() - began) / len(texts)
        for text, answer in zip(texts, answers, strict=True):
            chosen = frozenset(fold(part.name) for part in answer.codes)
            merged = {fold(choice.name): choice.probability for part in answer.codes for choice in part.alternatives}
            ranked = sorted(merged, key=lambda name: -merged[name])
            everything.add(text.folded, chosen, ranked)
            if text.unseen:
                unseen.add(text.folded, chosen, ranked)
        report[system] = {
            "dev": everything.report(),
            "dev_with_a_gold_name_unseen_in_training": unseen.report(),
            "import_cpu_seconds": round(seconds, 1),
            "milliseconds_a_text": round(each * 1000, 1),
        }
        began = time.process_time()
        import_table(folder / OTHER_TABLES[system], system, OTHER_TABLES[system].split(".")[0], "chs-drg", state)
        other = coder.code([CodeRequest(id=text.id, text=text.text, system=system) for text in texts[:200]])
        report[system]["other_edition"] = {
            "table": OTHER_TABLES[system],
            "cpu_seconds": round(time.process_time() - began, 1),
            "answered": sum(bool(answer.codes) for answer in other),
            "texts": len(other),
        }
        log.info("%s %s", system, report[system])
    return report


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("artifacts/coder"))
    parser.add_argument("--report", type=Path, default=Path("reports/coding.json"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with tempfile.TemporaryDirectory() as state:
        report = evaluate(arguments.bundle, Path(os.environ["XINGLIN_CORPORA"]), Path(state))
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
