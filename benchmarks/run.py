"""All measurements of what Xinglin costs, in one run, as ratios: `make bench`, or ``python -m benchmarks.run``.

    python -m benchmarks.run [--requests 10000] [--rows 20000] [--out reports/bench.json] [--only diagnose service …]

Writes the figures, the aims with whether each is met, and the README's rows. CPU time, one core. Exit 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import coding, diagnose, fundus, reading, risk_batch, service

AIMS: tuple[tuple[str, str, float], ...] = (
    ("diagnose", "ratio", 2.0),
    ("service", "start_to_ready_cpu_s", 3.0),
    ("service", "memory_after_all_mb", 600.0),
    ("service", "memory_growth", 1.10),
    ("service", "failed", 0.0),
)
"""Part, figure, and the most it may be (house rules on budgets)."""


def _risk(rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        batch = risk_batch.measure(Path(folder), rows, 1)
    sample = min(rows, 200)
    loop = risk_batch.loop_cpu(risk_batch.residents(sample, seed=0), sample)
    # a child inherits the high-water mark of this process, so memory is told by `python -m benchmarks.risk_batch` alone
    batch = {key: value for key, value in batch.items() if not key.startswith("peak_mb")}
    return {**batch, "times_the_loop_by_cpu": round(loop / (batch["cpu_s"] / rows), 1)}


def readme_rows(found: dict[str, dict[str, Any]]) -> list[list[Any]]:
    """What the README shows: [[what, figure], …]."""
    rows: list[list[Any]] = []

    def add(part: str, said: str, *keys: str) -> None:
        figures = found.get(part, {})
        if all(key in figures for key in keys):
            rows.append([said.format(**figures), " / ".join(f"{figures[key]:g}" for key in keys)])

    add(
        "diagnose",
        "`diagnose`, a record of {characters:.0f} characters, over the bare ONNX passes of the same tokens (CPU; aim ≤ 2)",
        "ratio",
    )
    add("diagnose", "the same over {authored_records:.0f} authored records, median / p95", "ratio_authored_median", "ratio_authored_p95")
    add("diagnose", "the ranker's pass in eager PyTorch (fp32) over the served one (int8)", "eager_over_served")
    add("reading", "the trained reading over its bare passes", "ratio")
    add("service", "start to ready, CPU seconds / wall seconds on shared cores (aim ≤ 3)", "start_to_ready_cpu_s", "start_to_ready_wall_s")
    add(
        "service",
        "resident MB after 100 / after {requests:.0f} more mixed requests, every bundle open (aim ≤ 600)",
        "memory_after_100_mb",
        "memory_after_all_mb",
    )
    add("service", "growth of memory between them (aim ≤ 1.10)", "memory_growth")
    add("service", "HTTP over the function call (CPU), `diagnose` of authored records", "http_over_direct_cpu")
    add("coding", "coding one text, times faster than a linear scan of 40,000 names", "times_faster_than_a_scan")
    add("fundus", "screening a 12-megapixel JPEG over plain decoding and a bare pass", "ratio_to_decode_plus_forward")
    add("risk_batch", "all instruments over a table of residents, times faster than a loop (CPU)", "times_the_loop_by_cpu")
    return rows  # fmt: skip


def missed(found: dict[str, dict[str, Any]]) -> list[str]:
    """The aims that were measured and missed."""
    return [
        f"{part}.{key} = {found[part][key]:g} (aim ≤ {most:g})"
        for part, key, most in AIMS
        if key in found.get(part, {}) and found[part][key] > most
    ]


def main(arguments: list[str]) -> int:
    """Measure, write, and say which aims were missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000, help="mixed requests between the two readings of memory")
    parser.add_argument("--rows", type=int, default=20_000, help="residents in the batch")
    parser.add_argument("--out", type=Path, default=Path("reports/bench.json"))
    parser.add_argument("--only", nargs="*", default=None, help="the parts to measure")
    options = parser.parse_args(arguments)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "diagnose": diagnose.measure,
        "service": lambda: service.measure(options.requests),
        "reading": reading.measure,
        "coding": coding.measure,
        "fundus": lambda: fundus.measure(repeats=7),
        "risk_batch": lambda: _risk(options.rows),
    }
    found: dict[str, dict[str, Any]] = {}
    for name, measure in parts.items():
        if options.only is None or name in options.only:
            found[name] = measure()
            print(f"{name}: {json.dumps(found[name], ensure_ascii=False)}", flush=True)
    failed = missed(found)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report = {**found, "missed": failed, "readme": readme_rows(found)}
    options.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for line in failed:
        print(f"aim missed: {line}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
