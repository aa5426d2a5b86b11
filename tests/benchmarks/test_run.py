"""The benchmarks run, their rows come from their figures, and a missed aim is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import diagnose, run, service


def test_a_small_measurement_is_whole() -> None:
    found = diagnose.measure(rounds=2, mixed=2)
    assert found["characters"] == 500
    assert found["ratio"] > 0.9
    assert found["authored_records"] == 2
    assert run.readme_rows({"diagnose": found})


def test_aims() -> None:
    assert run.missed({"diagnose": {"ratio": 1.2}, "service": {"memory_after_all_mb": 640.0}}) == [
        "service.memory_after_all_mb = 640 (aim ≤ 600)"
    ]


def test_mixed_requests_are_mixed_and_repeatable() -> None:
    requests = list(service.mixed_requests(40))
    assert len(requests) == 40
    assert len({path for path, _ in requests}) >= 6
    assert json.dumps(requests) == json.dumps(list(service.mixed_requests(40)))


def test_unmeasured_parts_have_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.reading, "measure", lambda: {"ratio": 1.03})
    assert run.main(["--only", "reading", "--out", str(tmp_path / "bench.json")]) == 0
    report = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert report["readme"] == [["the trained reading over its bare passes", "1.03"]]
    assert report["missed"] == []
