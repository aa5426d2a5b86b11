"""A small knowledge base over the real lexicon, so that these tests do not move with the disease entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import knowledge_base
from inference.reading.reader import Reader
from inference.reading.rule_reader import RuleReader
from knowledge_base.build import FORMAT
from knowledge_base.compiled import KnowledgeBase

CONTENT = Path(knowledge_base.__file__).parent / "content"


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _finding(name: str, aliases: list[str], kind: str = "symptom", parents: list[str] | None = None) -> dict[str, Any]:
    return {"name": name, "aliases": aliases, "kind": kind, "background": 0.01, "parents": parents or []}


def _disease(name: str, aliases: list[str], code: str, course: str = "acute") -> dict[str, Any]:
    return {
        "name": name,
        "aliases": aliases,
        "icd10": [code],
        "department": "内科",
        "must_not_miss": False,
        "findings": {"fever": {"p": 0.5}},
        "onset": {"course": course},
    }


@pytest.fixture(scope="session")
def knowledge() -> KnowledgeBase:
    """Real lexicon and measurement table, a handful of concepts."""
    findings = {
        "fever": _finding("发热", ["发烧", "烧起来"]),
        "cough": _finding("咳嗽", []),
        "chest_pain": _finding("胸痛", ["胸口疼", "前胸痛"]),
        "headache": _finding("头痛", ["头疼"]),
        "abdominal_pain": _finding("腹痛", ["肚子痛"]),
        "dyspnoea": _finding("呼吸困难", ["气促"]),
        "diarrhoea": _finding("腹泻", ["拉肚子"]),
        "vomiting": _finding("呕吐", []),
        "anuria": _finding("无尿", []),
        "urinary_frequency": _finding("尿频", []),
        "vaginal_bleeding": _finding("阴道出血", []),
        "abdominal_tenderness": _finding("压痛", [], "sign"),
        "hypertension_history": _finding("高血压病史", ["高血压史", "高血压10年"], "history"),
    }
    diseases = {
        "hypertension": _disease("高血压病", ["高血压"], "I10", "chronic"),
        "pneumonia": _disease("肺炎", [], "J18.9"),
        "coronary_artery_disease": _disease("冠心病", [], "I25.1", "chronic"),
    }
    return KnowledgeBase(
        {
            "format": FORMAT,
            "version": "test",
            "findings": {ident: {"id": ident, **entry} for ident, entry in findings.items()},
            "diseases": {ident: {"id": ident, **entry} for ident, entry in diseases.items()},
            "medicines": {"amlodipine": {"id": "amlodipine", "name": "氨氯地平", "aliases": ["络活喜"], "drug_class": "ccb"}},
            "thin": [{"code": "B19", "name": "病毒性肝炎", "aliases": ["肝炎"], "chapter": "I", "department": "感染科"}],
            "lexicon": {path.stem: _load(path) for path in (CONTENT / "lexicon").glob("*.yaml")},
            "tables": {"measurements": _load(CONTENT / "measurements.yaml")},
        }
    )


@pytest.fixture(scope="session")
def rules(knowledge: KnowledgeBase) -> RuleReader:
    """The rule reader."""
    return RuleReader(knowledge)


@pytest.fixture(scope="session")
def reader(knowledge: KnowledgeBase) -> Reader:
    """The reader without a trained bundle."""
    return Reader(knowledge)
