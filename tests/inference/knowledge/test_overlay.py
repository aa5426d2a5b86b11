"""A county's overlay: tried on stored cases, applied, answered from without retraining, taken back; owner and reason kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data_contracts.problems import XinglinError
from inference.cli import app
from inference.engine import Engine
from inference.knowledge.overlay import active_knowledge, apply, changes, compiled_with, differences, history, refresh, rollback
from inference.settings import Settings
from knowledge_base.build import CONTENT, Content
from knowledge_base.compiled import KnowledgeBase

RECORDS: list[dict[str, Any]] = [
    {"id": "flag", "text": "女，60岁，BP 174/96mmHg，头痛1天"},
    {"id": "order", "text": "女，83岁，2型糖尿病", "medications": [{"name": "二甲双胍", "dose": "0.5g", "frequency": "bid"}]},
    {"id": "calm", "text": "女，30岁，流涕咳嗽2天"},
]
FILES = {
    "diseases/infectious/hfrs.yaml": "id: hfrs\naliases: [鼠热病]\nprior: {base: 60}\n",
    "diseases/cardiology/hypertension.yaml": (
        "id: hypertension\n"
        'red_flags: [{id: county_bp, when: "systolic_bp >= 170 and headache", urgency: today, message: 本县规定当日复诊。, '
        'fires: ["BP 176/98mmHg，头痛"], must_not_fire: ["BP 130/80mmHg，头痛"], source: county_norm}]\n'
        "sources: [{id: county_norm, title: 某县基层高血压管理规范, year: 2026}]\n"
    ),
    "medicines/county.yaml": (
        '- {id: metformin, doubts: [{id: metformin_county, when: "age_years >= 80", kind: age, severity: caution, '
        "message: 本县：80岁以上慎用。, source: 某县基药目录}]}\n"
    ),
    "notifiable.yaml": "- {disease: hfrs, action: 本县：2小时内电话报县疾控。}\n",
}


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("county")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def after(overlay: Path) -> dict[str, Any]:
    return compiled_with(overlay)


@pytest.fixture
def applied(overlay: Path, tmp_path: Path) -> Iterator[Path]:
    apply(overlay, tmp_path, owner="县卫健局", reason="试用", bundle=None)
    yield tmp_path


def test_what_changes_is_said(after: dict[str, Any]) -> None:
    found = {row.kind: row for row in differences(Content((CONTENT,)).compile(), after)}
    assert found["diseases"].changed == ("hfrs", "hypertension")
    assert found["medicines"].changed == ("metformin",)
    assert found["tables"].changed == ("notifiable",)
    assert not any(row.added or row.removed for row in found.values())


def test_an_entry_changes_only_what_it_names(after: dict[str, Any], kb: KnowledgeBase) -> None:
    entry = after["diseases"]["hfrs"]
    assert entry["name"] == kb.diseases["hfrs"].name
    assert entry["prior"]["base"] == 60
    assert "鼠热病" in entry["aliases"] and set(kb.diseases["hfrs"].aliases) <= set(entry["aliases"])
    row = next(row for row in after["tables"]["notifiable"] if row["disease"] == "hfrs")
    assert row["action"].startswith("本县") and row["hours"] == 24
    assert len(after["tables"]["notifiable"]) == len(kb.tables["notifiable"])


def test_dry_run_names_the_cases_that_would_change(after: dict[str, Any], tmp_path: Path) -> None:
    before = KnowledgeBase(Content((CONTENT,)).compile())
    found = {change.id: change for change in changes(before, KnowledgeBase(after), RECORDS, None, tmp_path)}
    assert set(found) == {"flag", "order"}
    assert "county_bp" in found["flag"].flags_after and "county_bp" not in found["flag"].flags_before
    assert any("80岁以上" in w for w in found["order"].warnings_after)


def test_it_serves_without_retraining_and_goes_back(applied: Path) -> None:
    served = Engine(Settings(state=applied))
    hits = served.search([{"id": "q", "q": "鼠热病"}])[0]
    assert hits.results[0].id == "hfrs"  # type: ignore[union-attr]
    assert rollback(applied, owner="县卫健局", reason="试用结束") is None
    assert active_knowledge(applied) is None
    rows = history(applied)
    assert [row["action"] for row in rows] == ["apply", "rollback"]
    assert all(row["owner"] == "县卫健局" and row["reason"] and row["at"] for row in rows)
    with pytest.raises(XinglinError):
        rollback(applied, owner="县卫健局", reason="再撤")


def test_a_second_overlay_goes_back_to_the_first(applied: Path, overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    first = history(applied)[-1]["version"]
    other = tmp_path_factory.mktemp("other")
    (other / "diseases" / "respiratory").mkdir(parents=True)
    (other / "diseases" / "respiratory" / "common_cold.yaml").write_text("id: common_cold\naliases: [伤风感冒县]\n", encoding="utf-8")
    second = apply(other, applied, owner="甲", reason="乙", bundle=None)
    assert second != first
    assert rollback(applied, owner="甲", reason="丙") == first
    assert rollback(applied, owner="甲", reason="丁") is None


def test_an_overlay_outlives_renewed_knowledge(applied: Path) -> None:
    log = applied / "knowledge" / "overlays.jsonl"
    version = history(applied)[-1]["version"]
    assert refresh(applied, None) == version and len(history(applied)) == 1
    log.write_text(log.read_text(encoding="utf-8").replace('"base": "', '"base": "old'), encoding="utf-8")
    assert refresh(applied, None) == version  # the content is the same, so is its version
    assert history(applied)[-1]["action"] == "refresh" and history(applied)[-1]["owner"] == "县卫健局"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("diseases/infectious/hfrs.yaml", "id: hfrs\nfindings: {no_such_finding: 0.5}\n", "no_such_finding"),
        ("diseases/infectious/hfrs.yaml", "id: hfrs\nprior: {base: -1}\n", "prior"),
        ("diseases/infectious/hfrs.yaml", "id: hfrs\nfindings: {fever: 1.5}\n", "fever"),
        ("diseases/infectious/new_one.yaml", "id: new_one\naliases: [x]\n", "name"),
        ("findings/x.yaml", "- {id: fever, parents: [nowhere]}\n", "nowhere"),
        ("diseases/infectious/hfrs.yaml", "id: [\n", "YAML"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(XinglinError) as refused:
        compiled_with(tmp_path)
    assert said in str(refused.value) and path.name in str(refused.value)


def test_the_command(overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINGLIN_STATE", str(tmp_path / "state"))
    cases = tmp_path / "cases.jsonl"
    cases.write_text("".join(__import__("json").dumps(r, ensure_ascii=False) + "\n" for r in RECORDS), encoding="utf-8")
    run = CliRunner()
    tried = run.invoke(app, ["knowledge", "overlay", str(overlay), "--dry-run", "--cases", str(cases)])
    assert tried.exit_code == 0 and "3 份病例中有 2 份的结果会变化" in tried.output and "修改病种：hfrs、hypertension" in tried.output
    assert run.invoke(app, ["knowledge", "overlay", str(overlay)]).exit_code == 2
    done = run.invoke(app, ["knowledge", "overlay", str(overlay), "--owner", "县卫健局", "--reason", "试用"])
    assert done.exit_code == 0 and "已启用" in done.output
    assert "鼠热病" in run.invoke(app, ["knowledge", "show", "hfrs"]).output
    back = run.invoke(app, ["knowledge", "overlay", "--rollback", "--owner", "县卫健局", "--reason", "结束"])
    assert back.exit_code == 0 and "自带版本" in back.output
    assert run.invoke(app, ["knowledge", "overlay", "--history"]).output.count("县卫健局") == 2
