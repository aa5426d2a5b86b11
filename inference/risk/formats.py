"""Graded residents in other forms than JSON: FHIR R4 for systems, a page for the resident."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from data_contracts.grade import GradeRequest, InstrumentAnswer, ResidentGrades
from data_contracts.problems import Problem, problem
from inference.risk.fhir import fhir_bundle
from inference.risk.report import report_html

T = TypeVar("T")
Grades = ResidentGrades | InstrumentAnswer | Problem
ALONE = "单独一个工具的结果只有 JSON 形式；FHIR 与报告请提交居民的资料。"


def _each(items: Sequence[Any], answers: Sequence[Grades], shape: Callable[[GradeRequest, ResidentGrades], T]) -> list[T | Problem]:
    shaped: list[T | Problem] = []
    for item, answer in zip(items, answers, strict=True):
        if isinstance(answer, ResidentGrades):
            shaped.append(shape(GradeRequest.model_validate(item), answer))
        else:
            shaped.append(answer if isinstance(answer, Problem) else problem("invalid-input", ALONE, "/instrument"))
    return shaped


def as_fhir(items: Sequence[Any], answers: Sequence[Grades]) -> list[dict[str, Any] | Problem]:
    """A FHIR bundle for each graded resident."""
    return _each(items, answers, fhir_bundle)


def as_pages(items: Sequence[Any], answers: Sequence[Grades]) -> list[dict[str, Any] | Problem]:
    """`{"id", "html"}` for each graded resident."""
    return _each(items, answers, lambda request, answer: {"id": answer.id, "html": report_html(request, answer)})


def write_page(page: dict[str, Any] | Problem, folder: Path, number: int) -> dict[str, Any] | Problem:
    """Put a page into its own file `<number>-<id>.html`; `{"id", "page"}` in its place."""
    if isinstance(page, Problem):
        return page
    safe = "".join(ch if ch.isalnum() or ch in "-_" else "_" for ch in page["id"])[:60]
    name = f"{number:05d}-{safe}.html"
    (folder / name).write_text(page["html"], encoding="utf-8")
    return {"id": page["id"], "page": name}
