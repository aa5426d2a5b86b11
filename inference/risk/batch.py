"""A county's table of residents: streamed in, graded by processes, streamed out; resumable, memory flat.

Blocks are graded into `<out>.parts/` and each is put there whole or not at all; a run that was cut off goes on where it
stopped. The final file is written from the parts in order, so results do not depend on block size or workers.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from data_contracts.problems import XinglinError
from inference.risk.county import Summary, block_summary
from inference.risk.table import Layout, graded_batch, layout_of
from knowledge_base.rules.policy import Policy, policy

BLOCK_ROWS = 32_768
FORMAT = 1
CSV_BLOCK_BYTES = 16 * 1024 * 1024
_worker: dict[str, Any] = {}


class _Broken:
    """Lines of a CSV with a wrong number of fields: (id, what is wrong). They are answered after all readable rows."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, row: Any) -> str:
        first = str(row.text or "").split(",", 1)[0].strip().strip('"')
        where = "" if row.number is None else f"第{row.number}行"
        self.lines.append((first, f"{where}列数不对：应有{row.expected_columns}列，实有{row.actual_columns}列"))
        return "skip"


def _header(source: Path) -> list[str]:
    if source.suffix.lower() == ".parquet":
        return list(pq.read_schema(source).names)
    with source.open("rb") as stream:
        first = stream.readline().decode("utf-8-sig").rstrip("\r\n")
    return [name.strip().strip('"') for name in first.split(",")]


def _blocks(source: Path, names: Sequence[str], rows: int, broken: _Broken) -> Iterator[pa.RecordBatch]:
    """Blocks of `rows` rows (the last one fewer), all columns of a CSV as text."""
    if source.suffix.lower() == ".parquet":
        with pq.ParquetFile(source, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=rows)
        return
    reader = pacsv.open_csv(
        source,
        read_options=pacsv.ReadOptions(
            block_size=CSV_BLOCK_BYTES, use_threads=False, column_names=list(names), skip_rows=1, encoding="utf8"
        ),
        parse_options=pacsv.ParseOptions(invalid_row_handler=broken, newlines_in_values=False),
        # Bytes first: a cell that is not UTF-8 costs that cell, not the file.
        convert_options=pacsv.ConvertOptions(column_types={name: pa.binary() for name in names}, strings_can_be_null=True),
    )
    waiting: list[pa.RecordBatch] = []
    held = 0
    for batch in reader:
        while batch.num_rows:
            take = min(rows - held, batch.num_rows)
            waiting.append(batch.slice(0, take))
            held += take
            batch = batch.slice(take)
            if held == rows:
                yield _as_text(pa.Table.from_batches(waiting).combine_chunks().to_batches()[0])
                waiting, held = [], 0
    if held:
        yield _as_text(pa.Table.from_batches(waiting).combine_chunks().to_batches()[0])


def _as_text(block: pa.RecordBatch) -> pa.RecordBatch:
    """Byte columns as text; bytes that are not UTF-8 become the replacement character, which no number or token holds."""
    columns = []
    for column in block.columns:
        try:
            columns.append(column.cast(pa.string()))
        except pa.ArrowInvalid:
            columns.append(
                pa.array([None if value is None else value.decode("utf-8", "replace") for value in column.to_pylist()], pa.string())
            )
    return pa.RecordBatch.from_arrays(columns, names=block.schema.names)


def _start(layout: Layout, policy_name: str) -> None:
    _worker.update(layout=layout, policy=policy(policy_name))


def _write_part(folder: Path, number: int, batch: pa.RecordBatch, counts: dict[str, Any]) -> None:
    part = folder / f"{number:06d}.arrow"
    with (
        pa.OSFile(str(part) + ".new", "wb") as sink,
        pa.ipc.new_file(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer,
    ):
        writer.write_batch(batch)
    facts = folder / f"{number:06d}.json"
    facts.with_suffix(".json.new").write_text(json.dumps(counts, ensure_ascii=False), encoding="utf-8")
    os.replace(str(part) + ".new", part)
    # The counts come last: a part counts as done only with them.
    os.replace(facts.with_suffix(".json.new"), facts)


def _grade_part(folder: str, number: int, first_row: int, payload: bytes) -> int:
    """Grade one block in a worker and store it."""
    layout, chosen = _worker["layout"], _worker["policy"]
    with pa.ipc.open_stream(payload) as stream:
        block = stream.read_next_batch()
    batch, sheet, graded = graded_batch(block, first_row, layout, chosen)
    _write_part(Path(folder), number, batch, block_summary(block, sheet, graded, layout, batch.column("errors")))
    return number


def _unreadable(schema: pa.Schema, lines: Sequence[tuple[str, str]]) -> pa.RecordBatch:
    """Answers to the lines that could not be read: an id where there was one, and what is wrong."""
    columns = {field.name: pa.nulls(len(lines), field.type) for field in schema}
    columns["errors"] = pa.array([text for _, text in lines], pa.string())
    if "id" in columns:
        columns["id"] = pa.array([ident for ident, _ in lines], pa.string())
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)


def _identity(source: Path, rows: int, chosen: Policy, names: Sequence[str]) -> dict[str, Any]:
    stat = source.stat()
    code = hashlib.sha256("|".join(names).encode()).hexdigest()[:16]
    return {
        "format": FORMAT,
        "source": source.name,
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "rows_a_block": rows,
        "policy": chosen.name,
        "columns": code,
    }


def _payload(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


@contextmanager
def _sink(out: Path, schema: pa.Schema) -> Iterator[Any]:
    new = out.with_name(out.name + ".new")
    if out.suffix.lower() == ".csv":
        plain = pa.schema([pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in schema])
        with pacsv.CSVWriter(str(new), plain) as writer:
            yield lambda batch: writer.write_batch(
                pa.RecordBatch.from_arrays([c.cast(f.type) for c, f in zip(batch.columns, plain, strict=True)], schema=plain)
            )
    else:
        with pq.ParquetWriter(
            str(new), schema, compression="zstd", compression_level=1, write_statistics=False, use_dictionary=True
        ) as writer:
            yield writer.write_batch
    os.replace(new, out)


def grade_file(
    source: Path,
    out: Path,
    *,
    summary: Path | None = None,
    workers: int = 1,
    edition: str | None = None,
    only: Sequence[str] | None = None,
    block_rows: int = BLOCK_ROWS,
) -> dict[str, Any]:
    """Grade a table of residents into a table; returns (and writes) the county's summary.

    Args:
        source: `.csv` or `.parquet` with `id`, input names and optional `<name>_unit`.
        out: `.csv` or `.parquet`.
        summary: where the JSON summary goes; `<out>.summary.json` by default.
        workers: processes.
        edition: policy edition (2018, 2024).
        only: instruments to run, all that the columns allow by default.
        block_rows: rows a block; results do not depend on it.

    Raises:
        XinglinError: no such file, an unknown ending or edition, or no column that any instrument knows.
    """
    source, out = Path(source), Path(out)
    if not source.is_file():
        raise XinglinError("not-found", f"没有文件 {source.name}。")
    for path in (source, out):
        if path.suffix.lower() not in (".csv", ".parquet"):
            raise XinglinError("unsupported-media", f"{path.name}：只支持 .csv 与 .parquet。")
    try:
        chosen = policy(edition)
    except KeyError as error:
        raise XinglinError("not-found", f"不认识的政策版本“{edition}”，可用 2018、2024。") from error
    try:
        names = _header(source)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise XinglinError("invalid-input", f"{source.name}：读不出表头，请存为 UTF-8 的 CSV 或 Parquet。") from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise XinglinError("invalid-input", f"{source.name}：列名重复：{'、'.join(twice)}。")
    layout = layout_of(names, only)
    if not layout.runnable:
        raise XinglinError("invalid-input", f"{source.name}：表中没有足够的已知列，例如 sbp、dbp、age_y、sex。")
    folder = out.with_name(out.name + ".parts")
    _prepare(folder, _identity(source, block_rows, chosen, names))
    try:
        numbers, broken = _grade_parts(source, names, folder, layout, chosen, workers, block_rows)
    except pa.ArrowInvalid as error:
        raise XinglinError("invalid-input", f"{source.name}：文件损坏或不是声明的格式，读到一半停下；修复后重跑会接着做。") from error
    total = _collect(folder, numbers, broken, out)
    answer = total.as_dict(layout.lacking)
    path = summary or out.with_name(out.name + ".summary.json")
    path.write_text(json.dumps(answer, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder)
    return answer


def _prepare(folder: Path, identity: dict[str, Any]) -> None:
    """Keep the parts of an unfinished run of the same job; otherwise start clean."""
    mark = folder / "job.json"
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == identity:
        return
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    mark.write_text(json.dumps(identity), encoding="utf-8")


class _Here:
    """An executor of one, in this process: no start-up, and usable from a notebook."""

    def __enter__(self) -> _Here:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def submit(self, call: Callable[..., int], *arguments: Any) -> Future[int]:
        """Run at once; an error is the future's."""
        future: Future[int] = Future()
        try:
            future.set_result(call(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def _grade_parts(
    source: Path, names: Sequence[str], folder: Path, layout: Layout, chosen: Policy, workers: int, block_rows: int
) -> tuple[int, list[tuple[str, str]]]:
    broken = _Broken()
    first_row, number, done = 1, 0, 0
    pending: deque[Future[int]] = deque()
    _start(layout, chosen.name)
    pool = (
        _Here()
        if workers == 1
        else ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start, initargs=(layout, chosen.name))
    )
    with pool:
        for block in _blocks(source, names, block_rows, broken):
            if not (folder / f"{number:06d}.json").is_file():
                pending.append(pool.submit(_grade_part, str(folder), number, first_row, _payload(block)))
            # At most two blocks wait for each worker: memory stays flat however long the file is.
            while len(pending) > 2 * workers or (pending and workers == 1):
                pending.popleft().result()
                done += 1
                _progress(done)
            first_row += block.num_rows
            number += 1
        while pending:
            pending.popleft().result()
            done += 1
            _progress(done)
    if sys.stderr.isatty() and done:
        print(file=sys.stderr)
    return number, broken.lines


def _progress(done: int) -> None:
    if sys.stderr.isatty():
        print(f"\r已完成 {done} 块", end="", file=sys.stderr, flush=True)


def _collect(folder: Path, numbers: int, broken: Sequence[tuple[str, str]], out: Path) -> Summary:
    """Write the final table from the parts, in order, and add up their counts."""
    total = Summary()
    if numbers == 0:
        raise XinglinError("invalid-input", "表中没有可读的数据行。")
    with pa.ipc.open_file(str(folder / "000000.arrow")) as first:
        schema = first.schema
    with _sink(out, schema) as write:
        for number in range(numbers):
            with pa.ipc.open_file(str(folder / f"{number:06d}.arrow")) as part:
                write(part.get_batch(0))
            total.add(json.loads((folder / f"{number:06d}.json").read_text(encoding="utf-8")))
        if broken:
            write(_unreadable(schema, broken))
    total.unreadable = len(broken)
    return total
