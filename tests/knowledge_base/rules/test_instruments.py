"""Every instrument against written vectors, and against the corpus' vectors where that is at hand."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from knowledge_base.rules import grade_one, instruments

BEHAVIOUR = Path(__file__).parents[2] / "behaviour"
CORPORA = os.environ.get("XINGLIN_CORPORA")


def rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def differs(expected: Any, got: Any, tolerance: float) -> bool:
    """Whether a field is not as expected: numbers within tolerance, all else equal in value and kind."""
    if (
        isinstance(expected, (int, float))
        and not isinstance(expected, bool)
        and isinstance(got, (int, float))
        and not isinstance(got, bool)
    ):
        return abs(expected - got) > tolerance + 1e-12
    return expected != got or type(expected) is not type(got)


def mismatch(vector: dict[str, Any]) -> dict[str, Any]:
    """The fields of a vector that the instrument answers differently."""
    output = grade_one(vector["instrument"], vector.get("edition"), vector["inputs"])
    tolerance = vector.get("tolerance", {})
    return {
        key: (value, output.get(key))
        for key, value in vector["expected"].items()
        if key not in output or differs(value, output[key], tolerance.get(key, 0))
    }


@pytest.mark.parametrize("vector", rows(BEHAVIOUR / "instruments.jsonl"), ids=lambda v: f"{v['id']} {v['why']}")
def test_written_vector(vector: dict[str, Any]) -> None:
    assert mismatch(vector) == {}


@pytest.mark.parametrize("vector", rows(BEHAVIOUR / "followup.jsonl"), ids=lambda v: f"{v['id']} {v['case']}")
def test_follow_up(vector: dict[str, Any]) -> None:
    assert mismatch(vector) == {}


@pytest.mark.skipif(not CORPORA, reason="the corpus of vectors is not on this machine (XINGLIN_CORPORA)")
def test_every_corpus_vector() -> None:
    folder = Path(CORPORA or "") / "risk" / "vectors"
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    for path in sorted(folder.glob("*.jsonl")):
        for vector in rows(path):
            seen[vector["confidence"]] += 1
            found = mismatch(vector)
            if found:
                wrong.append(f"{vector['id']} [{vector['confidence']}] {vector['why']}: {found}")
    assert seen["H"] > 1000
    assert wrong == []


@pytest.mark.skipif(not CORPORA, reason="the corpus of vectors is not on this machine (XINGLIN_CORPORA)")
def test_china_par_against_the_official_site() -> None:
    """Mean absolute error within 0.05 points, and no stratum wrong but where the site's rounding hides the cut."""
    errors = []
    for vector in rows(Path(CORPORA or "") / "risk/vectors/china_par_10y.jsonl"):
        if vector["edition"].startswith("official"):
            output = grade_one("china_par_10y", None, vector["inputs"])
            official = vector["expected"]["risk_pct"]
            errors.append(abs(output["risk_pct"] - official))
            if min(abs(official - 5), abs(official - 10)) > 0.1:
                assert output["stratum"] == ("low" if official < 5 else "medium" if official < 10 else "high")
    assert len(errors) > 50
    assert sum(errors) / len(errors) <= 0.05


def test_every_instrument_says_what_it_is() -> None:
    assert len(instruments()) >= 65
    for name, instrument in instruments().items():
        assert instrument.name == name
        assert instrument.source and instrument.edition and instrument.title and instrument.says
        assert instrument.confidence in ("H", "M", "L")


def test_unconfirmed_instruments_are_listed_for_the_clinician() -> None:
    """Every instrument that rests on recalled facts has a line in the list of questions."""
    docs = Path(__file__).parents[3] / "docs"
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in (docs / "clinical_review.md", docs / "log/clinical_rules_questions.md")
        if path.is_file()
    )
    missing = [
        name
        for name, instrument in instruments().items()
        if (instrument.confidence != "H" or instrument.doubts is not None) and f"`{name}`" not in text
    ]
    assert missing == []
