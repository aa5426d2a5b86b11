"""Stage `search_evaluate`: everyday queries against the pages they should find, and what an answer costs.

    python -m training.stages.search_evaluate [--misses]

The queries of `tests/behaviour/searches.jsonl` were written before the search first answered them. A query is found when one of its
expected pages stands among the first three. Latency is that of `KnowledgeSearch.search` as served (with the encoder's vectors where
the ranker is released), each query once, on one core, after one warm-up. Writes `reports/search.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from inference.engine import Engine
from inference.knowledge.search import KnowledgeSearch

QUERIES = Path("tests/behaviour/searches.jsonl")
OUT = Path("reports/search.json")
FIRST = 3


def queries(path: Path = QUERIES) -> list[dict[str, Any]]:
    """The queries: `id`, `q`, `kind`, `expected` (ids of pages, any of which is right)."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def evaluate(searcher: KnowledgeSearch, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares found among the first one and three by kind of query, misses, and milliseconds an answer."""
    searcher.search("高血压")
    searcher.search("gxy")
    first: dict[str, list[bool]] = defaultdict(list)
    third: dict[str, list[bool]] = defaultdict(list)
    misses, seconds = [], []
    for row in rows:
        began = time.thread_time()
        hits = searcher.search(row["q"])
        seconds.append(time.thread_time() - began)
        ids = [hit.id for hit in hits[:FIRST]]
        for kind in ("all", row["set"], row["kind"]):
            first[kind].append(ids[:1] != [] and ids[0] in row["expected"])
            third[kind].append(bool(set(ids) & set(row["expected"])))
        if not third["all"][-1]:
            misses.append({"q": row["q"], "expected": row["expected"], "found": ids})
    return {
        "queries": len(rows),
        "found_first": {kind: round(float(np.mean(found)), 4) for kind, found in first.items()},
        "found_in_three": {kind: round(float(np.mean(found)), 4) for kind, found in third.items()},
        "milliseconds_median": round(1000 * float(np.median(seconds)), 2),
        "milliseconds_p95": round(1000 * float(np.quantile(seconds, 0.95)), 2),
        "misses": misses,
    }


def run(out: Path = OUT) -> dict[str, Any]:
    """Evaluate and report."""
    report = evaluate(Engine().searcher, queries())
    report["readme"] = [
        ["everyday queries (names, everyday words, dialect, pinyin, initials, typos, phrases)", report["queries"]],
        [
            "a right page in the first three / first (aim ≥ 0.95 in three)",
            f"{report['found_in_three']['all']} / {report['found_first']['all']}",
        ],
        [
            "the same by kind, in three",
            ", ".join(f"{kind} {share}" for kind, share in report["found_in_three"].items() if kind not in ("all", "first", "second")),
        ],
        [
            "the first set / the second, in three (both were looked at while mending; docs/log/search.md has their first answers)",
            f"{report['found_in_three']['first']} / {report['found_in_three']['second']}",
        ],
        ["CPU milliseconds an answer, median / p95 (aim < 20)", f"{report['milliseconds_median']} / {report['milliseconds_p95']}"],
    ]
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true", help="print the queries that were not found")
    arguments = parser.parse_args()
    report = run()
    for miss in report["misses"] if arguments.misses else ():
        print(f"{miss['q']}: {' '.join(miss['expected'])} ≠ {' '.join(miss['found'])}")
    print(json.dumps({key: value for key, value in report.items() if key != "misses"}, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
