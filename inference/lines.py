"""JSON Lines in and out: same order, one answer a line, a bad line answered in its place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
from pydantic import BaseModel

from data_contracts.problems import Problem, problem

CHUNK = 64


@dataclass(frozen=True, slots=True)
class Line:
    """An input line: its number, its parsed value or the problem of reading it."""

    number: int
    value: Any
    problem: Problem | None = None


def read_lines(source: IO[bytes], *, whole_text: bool = False) -> Iterator[Line]:
    """Parse JSON Lines; `whole_text` takes the entire stream as the text of one record (a plain .txt file)."""
    if whole_text:
        raw = source.read()
        try:
            yield Line(1, {"id": "1", "text": raw.decode("utf-8-sig")})
        except UnicodeDecodeError:
            yield Line(1, None, problem("not-utf8"))
        return
    for number, raw in enumerate(source, start=1):
        if not raw.strip():
            continue
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield Line(number, None, problem("not-utf8", f"第 {number} 行第 {error.start + 1} 个字节不是 UTF-8；请转换编码后重试。"))
            continue
        try:
            yield Line(number, orjson.loads(text))
        except (orjson.JSONDecodeError, RecursionError):
            yield Line(number, None, problem("invalid-json", f"第 {number} 行不是合法的 JSON；请检查引号、逗号与括号。"))


def identity(line: Line) -> dict[str, Any]:
    """The id that the answer carries; null with the line's number where the input has no readable one."""
    value = line.value.get("id") if isinstance(line.value, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return {"id": value} if isinstance(value, str) and value else {"id": None, "line": line.number}


def serialise(answer: Any, line: Line) -> bytes:
    """One answer as a JSON line."""
    if isinstance(answer, Problem):
        return orjson.dumps({**identity(line), "error": answer.model_dump(exclude_none=True)}) + b"\n"
    if isinstance(answer, BaseModel):
        return answer.model_dump_json(by_alias=True).encode("utf-8") + b"\n"
    return orjson.dumps(answer) + b"\n"


def answer_lines(
    lines: Iterable[Line], answer: Callable[[Sequence[Any]], Sequence[Any]], sink: IO[bytes], *, progress: Callable[[int], None]
) -> tuple[int, int]:
    """Answer chunk by chunk; the numbers of answered lines and of errors among them."""
    total = errors = 0
    for chunk in _chunks(lines):
        good = [line.value for line in chunk if line.problem is None]
        answers = iter(answer(good)) if good else iter(())
        for line in chunk:
            result = line.problem if line.problem is not None else next(answers)
            errors += isinstance(result, Problem)
            sink.write(serialise(result, line))
            total += 1
        progress(len(chunk))
    return total, errors


def _chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@contextmanager
def opened(path: str, mode: str) -> Iterator[IO[bytes]]:
    """A file by path, or the standard stream for `-`."""
    if path == "-":
        yield sys.stdin.buffer if mode == "rb" else sys.stdout.buffer
        return
    with Path(path).open(mode) as stream:
        yield stream  # type: ignore[misc]
