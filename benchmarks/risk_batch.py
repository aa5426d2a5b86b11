"""County batch against a loop over rows: residents a minute for all instruments, peak memory, and bit-identity.

    python -m benchmarks.risk_batch [--rows 1000000] [--workers 2] [--folder DIR]

Prints one JSON object. The loop grades a sample of the same residents one by one through the same instruments, as a
script without the batch would. Wall time depends on who else uses the cores, so the rates by CPU time stand beside it; a
table five times as long must not need more memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inference.risk.batch import grade_file
from knowledge_base.rules import instruments
from knowledge_base.rules.grading import Sheet, grade_sheet, objects
from knowledge_base.rules.plausibility import LIMITS

ORDINARY = {
    "age_y": (58, 14), "sbp": (134, 18), "dbp": (82, 11), "hr": (76, 11), "rr": (18, 3), "temp": (36.7, 0.4), "spo2": (97, 1.5), "height": (162, 8), "weight": (64, 11), "waist": (85, 10), "fpg": (5.8, 1.3),
    "glu2h": (7.4, 2), "random_glu": (7.5, 2), "hba1c": (5.9, 0.9), "tc": (4.9, 1), "hdl": (1.3, 0.3), "ldl": (2.9, 0.8), "tg": (1.6, 0.8), "crea": (72, 18), "urea": (5.4, 1.5), "ua": (330, 80), "hb": (136, 15),
    "tbil": (13, 5), "alb": (43, 4), "plt": (220, 55), "wbc": (6.3, 1.6), "acr": (20, 25), "ratio": (0.76, 0.08), "fev1_pct": (88, 16), "pack_years": (8, 12), "duration_min": (40, 30), "troponin_xuln": (0.5, 0.5),
    "years_since_quit": (8, 8), "passive_years": (10, 9), "occupational_years": (1, 2), "drinks_per_week": (2, 4), "pgr": (6, 3), "g17": (4, 3), "age_months": (60, 40), "glu1h": (9, 2), "spirit_ml_per_day": (40, 60),
}  # fmt: skip


def residents(rows: int, seed: int) -> pa.Table:
    """A table with every input of every instrument: numbers about ordinary values, 3 % unknown, a few impossible."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "id": pa.array([f"{seed}-{i}" for i in range(rows)]),
        "township": pa.array(rng.choice(["东镇", "西镇", "南乡", "北乡"], rows)),
    }
    for instrument in instruments().values():
        for spec in instrument.inputs:
            name = f"{instrument.name}.{spec.name}" if spec.own else spec.name
            if (
                name in columns
                or spec.name in ("bmi", "age_m", "egfr")
                or instrument.name in ("plausibility", "notifiable", "unit_conversion")
            ):
                continue
            unknown = rng.random(rows) < 0.03
            if spec.kind == "number":
                mean, spread = ORDINARY[spec.name]
                limits = LIMITS.get(spec.name)
                values = rng.normal(mean, spread, rows).round(1)
                values = np.clip(values, limits.low if limits else 0, limits.high if limits else None)
                values[rng.random(rows) < 0.001] = -1
                values[unknown] = np.nan
                columns[name] = pa.array(values, from_pandas=True)
            elif spec.kind == "count":
                legal = spec.legal or (spec.low or 0, min((spec.low or 0) + 2, spec.high or 3))
                columns[name] = pa.array(rng.choice(np.array(legal), rows).astype(float), mask=unknown)
            elif spec.kind == "flag":
                columns[name] = pa.array(rng.random(rows) < 0.15, mask=unknown)
            elif spec.kind == "choice":
                codes = rng.integers(0, len(spec.options), rows).astype(np.int8)
                columns[name] = pa.DictionaryArray.from_arrays(pa.array(codes, mask=unknown), pa.array(spec.options))
    return pa.table(columns)


def loop_cpu(table: pa.Table, sample: int) -> float:
    """CPU seconds a resident when each resident and each instrument is graded on its own."""
    rows = table.slice(0, sample).to_pylist()
    names = [name for name in instruments() if name not in ("plausibility", "notifiable", "unit_conversion")]
    started = time.process_time()
    for row in rows:
        sheet = Sheet({name: objects([value]) for name, value in row.items() if name not in ("id", "township")}, size=1, shared=True)
        for name in names:
            grade_sheet(instruments()[name], sheet).row(0)
    return (time.process_time() - started) / sample


def _used() -> float:
    """CPU seconds of this process and its finished children."""
    return sum(
        resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def graded_apart(source: str, out: str, workers: int, answer: Any) -> None:
    """Grade in a process of its own, so that memory and CPU are those of the batch alone."""
    before, started = _used(), time.perf_counter()
    summary = grade_file(Path(source), Path(out), workers=workers)
    answer.put(
        {
            "instruments": len(summary["instruments"]),
            "wall_s": round(time.perf_counter() - started, 1),
            "cpu_s": round(_used() - before, 1),
            "peak_mb_parent": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "peak_mb_worker": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        }
    )


def measure(folder: Path, rows: int, workers: int) -> dict[str, Any]:
    """Write a table of that many residents and grade it."""
    source, out = folder / f"residents{rows}.parquet", folder / f"graded{rows}.parquet"
    written = 0
    writer: pq.ParquetWriter | None = None
    while written < rows:
        part = residents(min(50_000, rows - written), seed=written)
        writer = writer or pq.ParquetWriter(source, part.schema)
        writer.write_table(part)
        written += part.num_rows
    if writer is not None:
        writer.close()
    context = get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=graded_apart, args=(str(source), str(out), workers, answer))
    process.start()
    found: dict[str, Any] = answer.get()
    process.join()
    return {
        "rows": rows,
        **found,
        "residents_a_minute": round(60 * rows / found["wall_s"]),
        "residents_a_minute_by_cpu_of_two_cores": round(60 * rows / (found["cpu_s"] / 2)),
        "columns_out": len(pq.read_schema(out).names),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        small = measure(Path(name), max(options.rows // 5, 1), options.workers)
        large = measure(Path(name), options.rows, options.workers)
        loop = loop_cpu(residents(200, seed=0), 200)
        batch = large["cpu_s"] / options.rows
        print(
            json.dumps(
                {
                    "large": large,
                    "a_fifth": small,
                    "loop_cpu_ms_a_resident": round(1000 * loop, 3),
                    "batch_cpu_ms_a_resident": round(1000 * batch, 4),
                    "times_the_loop_by_cpu": round(loop / batch),
                },
                ensure_ascii=False,
            )
        )


if __name__ == "__main__":
    main()
