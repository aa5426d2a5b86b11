"""The engine: binds every capability to the knowledge base and the bundles. Nothing else opens either.

Each method takes a sequence of parsed inputs and answers a sequence of the same length: a result or a Problem. A single
call is a batch of one and gives the same bits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import structlog
from pydantic import BaseModel, ValidationError

from data_contracts.coding import CodeAnswer, CodeRequest
from data_contracts.diagnosis import DiagnoseRequest, Diagnosis, Versions
from data_contracts.grade import InstrumentAnswer, ResidentGrades
from data_contracts.prescription import PrescriptionCheck
from data_contracts.problems import Problem, XinglinError, problem, problem_from_validation
from data_contracts.record import Record
from data_contracts.review import Review
from data_contracts.screen import ScreenResult
from data_contracts.search import SearchAnswer, SearchRequest
from data_contracts.structure import Structure
from inference.knowledge.overlay import active_knowledge
from inference.ranking.ranker import Ranker
from inference.reading.reader import Reader
from inference.settings import Settings
from knowledge_base.compiled import Disease, KnowledgeBase, ThinEntry, load
from models.bundle import RELEASED, Bundle

if TYPE_CHECKING:
    from inference.coding.coder import Coder
    from inference.fundus.screener import Screener
    from inference.knowledge.search import KnowledgeSearch
    from inference.medication.checker import PrescriptionChecker
    from inference.review.reviewer import Reviewer
    from inference.risk.grader import Grader

Item = TypeVar("Item", bound=BaseModel)
Answer = TypeVar("Answer", bound=BaseModel)
log = structlog.get_logger()


def answer_each(
    items: Sequence[Any], contract: type[Item], answer: Callable[[Sequence[Item]], Sequence[Answer | Problem]]
) -> list[Answer | Problem]:
    """Validate every item, answer the good ones in one call, and put each problem in its place.

    An error while answering one item becomes that item's problem; the others are answered all the same.
    """
    results: list[Answer | Problem | None] = [None] * len(items)
    good: list[tuple[int, Item]] = []
    for i, item in enumerate(items):
        if not isinstance(item, Mapping):
            results[i] = problem("invalid-input", "每一条输入应为一个 JSON 对象。")
            continue
        try:
            good.append((i, contract.model_validate(item)))
        except ValidationError as error:
            results[i] = problem_from_validation(error)
    for i, item in good:
        try:
            results[i] = answer([item])[0]
        except XinglinError as error:
            results[i] = error.problem
        except Exception as error:  # one bad item never stops a batch; the type alone is logged, never the text
            log.error("answer failed", capability=contract.__name__, error=type(error).__name__, where=_where(error))
            results[i] = problem("internal")
    return [result if result is not None else problem("internal") for result in results]


def own_codes(kb: KnowledgeBase) -> tuple[dict[str, list[tuple[str, str]]], dict[str, list[tuple[str, str]]]]:
    """The knowledge base's own (code, name) and (code, alias) pairs by system, for a hospital without an imported table."""
    diseases: list[tuple[str, Disease | ThinEntry]] = [(disease.icd10[0], disease) for disease in kb.diseases.values()]
    thin: list[tuple[str, Disease | ThinEntry]] = [(entry.code, entry) for entry in kb.thin.values()]
    rows = {"icd10": [(code, entry.name) for code, entry in [*diseases, *thin]], "icd9cm3": []}
    aliases = {"icd10": [(code, alias) for code, entry in [*diseases, *thin] for alias in entry.aliases], "icd9cm3": []}
    for procedure in kb.tables.get("procedures", ()):
        rows["icd9cm3"].append((procedure["code"], procedure["name"]))
        aliases["icd9cm3"] += [(procedure["code"], alias) for alias in procedure.get("aliases", ())]
    return rows, aliases


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "?"


class Engine:
    """Everything that Xinglin can do, over one knowledge base and one set of bundles."""

    def __init__(self, settings: Settings | None = None, *, kb: KnowledgeBase | None = None) -> None:
        self.settings = settings or Settings()
        self.kb = kb or load(self.settings.knowledge or active_knowledge(self.settings.state))
        self.bundles_folder = self.settings.bundles or RELEASED
        self._bundles: dict[str, Bundle] = {}
        self._lock = threading.Lock()

    def bundle(self, task: str, *, replay: int = 1) -> Bundle | None:
        """The opened bundle of a task, or None where none is released."""
        with self._lock:
            if task not in self._bundles:
                path = self.bundles_folder / task
                if not (path / "manifest.json").is_file():
                    return None
                self._bundles[task] = Bundle.open(path, replay=replay)
            return self._bundles[task]

    def opened(self) -> dict[str, str]:
        """Task to version of every bundle that is open."""
        return {task: bundle.version for task, bundle in sorted(self._bundles.items())}

    def versions(self, *tasks: str) -> Versions:
        """Knowledge version and the versions of the named bundles that are open."""
        opened = {task: self.bundle(task) for task in tasks} if tasks else dict(self._bundles)
        return Versions(knowledge=self.kb.version, bundles={task: bundle.version for task, bundle in opened.items() if bundle is not None})

    def manifest_versions(self, *tasks: str) -> dict[str, str]:
        """The versions that answer now, from the manifests alone: to name one, no bundle need be opened."""
        found: dict[str, str] = {}
        for task in tasks:
            manifest = self.bundles_folder / task / "manifest.json"
            if task in self._bundles:
                found[task] = self._bundles[task].version
            elif manifest.is_file():
                found[task] = str(orjson.loads(manifest.read_bytes())["version"])
        return found

    @cached_property
    def reader(self) -> Reader:
        """The reader: trained spans where its bundle is released, rules always."""
        bundle = self.bundle("reader")
        if bundle is None:
            return Reader(self.kb)
        from inference.reading.span_reader import SpanReader

        return Reader(self.kb, SpanReader(bundle))

    @cached_property
    def ranker(self) -> Ranker:
        """The hybrid ranker."""
        return Ranker(self.kb, self.bundle("ranker"), state=self.settings.state)

    @cached_property
    def reviewer(self) -> Reviewer:
        """The reviewer of entered diagnoses."""
        from inference.review.reviewer import Reviewer

        return Reviewer(self.kb, self.ranker)

    @cached_property
    def coder(self) -> Coder:
        """The coder over the imported tables."""
        from inference.coding.coder import Coder

        bundle = self.bundle("coder")
        if bundle is None:
            raise XinglinError("not-ready", "没有发布编码的模型包。")
        rows, aliases = own_codes(self.kb)
        return Coder(bundle, self.settings.state, rows, aliases, self.kb.version)

    @cached_property
    def grader(self) -> Grader:
        """The instruments and the resident's plan."""
        from inference.risk.grader import Grader

        return Grader(self.kb, self.bundle("hyperglycaemia"))

    @cached_property
    def screener(self) -> Screener:
        """The fundus screener."""
        from inference.fundus.screener import Screener

        bundle = self.bundle("fundus")
        if bundle is None:
            raise XinglinError("not-ready", "没有发布眼底筛查的模型包。")
        return Screener(bundle)

    @cached_property
    def checker(self) -> PrescriptionChecker:
        """The prescription checker."""
        from inference.medication.checker import PrescriptionChecker

        return PrescriptionChecker(self.kb)

    @cached_property
    def searcher(self) -> KnowledgeSearch:
        """The knowledge search."""
        from inference.knowledge.search import KnowledgeSearch

        return KnowledgeSearch(self.kb, self.ranker)

    # -- capabilities ----------------------------------------------------------------------------------------------

    def diagnose(self, items: Sequence[Any]) -> list[Diagnosis | Problem]:
        """Ranked differentials."""
        versions = self.versions("reader", "ranker")

        def answer(requests: Sequence[DiagnoseRequest]) -> list[Diagnosis | Problem]:
            readings = self.reader.read(requests)
            return [
                self.ranker.diagnose(
                    reading, top_k=request.top_k, candidates=request.candidates, explain=request.explain, versions=versions
                )
                for request, reading in zip(requests, readings, strict=True)
            ]

        return answer_each(items, DiagnoseRequest, answer)

    def structure(self, items: Sequence[Any]) -> list[Structure | Problem]:
        """Structured records."""
        from inference.reading.structure import structure_of

        coder = self.coder if self.bundle("coder") is not None else None

        def answer(records: Sequence[Record]) -> list[Structure | Problem]:
            bundles = self.manifest_versions("ranker", "fundus") if any(record.accepted for record in records) else {}
            return [structure_of(reading, self.kb, coder=coder, bundles=bundles) for reading in self.reader.read(records)]

        return answer_each(items, Record, answer)

    def structure_fhir(self, items: Sequence[Any]) -> list[dict[str, Any] | Problem]:
        """Structured records as FHIR R4 bundles."""
        from inference.reading.fhir import fhir_bundle

        answers: list[dict[str, Any] | Problem] = []
        for item, structure in zip(items, self.structure(items), strict=True):
            answers.append(structure if isinstance(structure, Problem) else fhir_bundle(Record.model_validate(item), structure))
        return answers

    def code(self, items: Sequence[Any]) -> list[CodeAnswer | Problem]:
        """Codes of diagnosis and procedure texts."""
        return answer_each(items, CodeRequest, self.coder.code)

    def review(self, items: Sequence[Any]) -> list[Review | Problem]:
        """Alerts about missed, doubtful and incomplete."""
        versions = self.versions("reader", "ranker")

        def answer(records: Sequence[Record]) -> list[Review | Problem]:
            return [self.reviewer.review(reading, versions) for reading in self.reader.read(records)]

        return answer_each(items, Record, answer)

    def grade(self, items: Sequence[Any]) -> list[ResidentGrades | InstrumentAnswer | Problem]:
        """Instruments for residents, or one instrument alone."""
        return self.grader.grade(items)

    def grade_fhir(self, items: Sequence[Any]) -> list[dict[str, Any] | Problem]:
        """Graded residents as FHIR R4 bundles."""
        from inference.risk.formats import as_fhir

        return as_fhir(items, self.grade(items))

    def grade_pages(self, items: Sequence[Any]) -> list[dict[str, Any] | Problem]:
        """Graded residents as reports that they can read: `{"id", "html"}`."""
        from inference.risk.formats import as_pages

        return as_pages(items, self.grade(items))

    def follow_up(self, items: Sequence[Any]) -> list[Any]:
        """Follow-up classes of the national service standard."""
        return self.grader.follow_up(items)

    def screen(self, images: Sequence[tuple[str, bytes]]) -> list[ScreenResult | Problem]:
        """Fundus photographs."""
        return self.screener.screen(images)

    def check_prescriptions(self, items: Sequence[Any]) -> list[PrescriptionCheck | Problem]:
        """Warnings about the orders of records."""

        def answer(records: Sequence[Record]) -> list[PrescriptionCheck | Problem]:
            return [self.checker.check(reading) for reading in self.reader.read(records)]

        return answer_each(items, Record, answer)

    def search(self, items: Sequence[Any], *, limit: int = 10) -> list[SearchAnswer | Problem]:
        """Pages of the knowledge base."""

        def answer(requests: Sequence[SearchRequest]) -> list[SearchAnswer | Problem]:
            return [SearchAnswer(id=request.id, results=tuple(self.searcher.search(request.q, limit=limit))) for request in requests]

        return answer_each(items, SearchRequest, answer)

    def warm(self) -> list[str]:
        """Open every released bundle and build what the first answer needs; the opened tasks."""
        opened = [path.parent.name for path in sorted(self.bundles_folder.glob("*/manifest.json"))]
        for task in opened:
            self.bundle(task)
        self.diagnose([{"id": "warm", "text": "咳嗽发热3天。"}])
        return opened
