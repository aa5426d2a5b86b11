"""Building: bad files fail with file, line and remedy; good ones compile the same way twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge_base.build import CONTENT, Content, build
from knowledge_base.compiled import KnowledgeBase, load

FINDINGS = """- {id: fever, name: 发热, aliases: [发烧], kind: symptom, background: 0.05}
- {id: cough, name: 咳嗽, kind: symptom, background: 0.1}
- {id: high_fever, name: 高热, kind: symptom, parents: [fever], background: 0.01, measurement: {name: temperature, limits: [{above: 39}]}}
"""
DISEASE = """id: cold
name: 普通感冒
icd10: [J00]
department: 呼吸内科
lowest_level: village
must_not_miss: false
population: {sex: any}
prior: {base: 3000}
onset: {days: [1, 5]}
findings: {fever: 0.4, cough: {p: 0.6, source: book}}
differential: {}
tests: []
management: {village: 休息饮水}
referral: []
follow_up: 不需要
advice: 多饮水
sources: [{id: book, title: 书, year: 2020}]
red_flags:
  - {id: cold_high, when: "fever and temperature >= 41", urgency: immediate, message: 降温, fires: ["T41.2"], must_not_fire: ["T37"], source: estimate}
"""


def content(tmp_path: Path, findings: str = FINDINGS, disease: str = DISEASE, name: str = "cold") -> Content:
    (tmp_path / "findings").mkdir()
    (tmp_path / "diseases" / "respiratory").mkdir(parents=True)
    (tmp_path / "findings" / "general.yaml").write_text(findings, encoding="utf-8")
    (tmp_path / "diseases" / "respiratory" / f"{name}.yaml").write_text(disease, encoding="utf-8")
    return Content((tmp_path,))


def test_a_red_flag_id_is_used_once(tmp_path: Path) -> None:
    rule = DISEASE[DISEASE.index("  - {id: cold_high") :]
    said = [i.message for i in content(tmp_path, disease=DISEASE + rule).check() if i.severity == "error"]
    assert said == ["red flag cold_high is also defined in cold: rename one"]


def test_good_content_compiles(tmp_path: Path) -> None:
    made = content(tmp_path)
    assert [i for i in made.check() if i.severity == "error"] == []
    kb = KnowledgeBase(made.compile())
    assert kb.findings["high_fever"].ancestors == {"fever"}
    assert kb.findings["fever"].descendants == {"high_fever"}
    assert made.compile()["version"] == kb.version


@pytest.mark.parametrize(
    ("old", "new", "said", "line"),
    [
        ("cough: {p: 0.6, source: book}", "cough: 1.6", "less than or equal to 1", 10),
        ("source: book}", "source: lost}", "is not among sources", 1),
        ("{fever: 0.4,", "{feverr: 0.4,", "nearest: fever", 1),
        ("icd10: [J00]", "icd10: [J0]", "icd10", 3),
        ("advice: 多饮水", "advise: 多饮水", "advise", 16),
        ('must_not_fire: ["T37"]', "must_not_fire: []", "must_not_fire", 19),
        ('when: "fever and', 'when: "rash and', "unknown finding 'rash'", 1),
        ("id: cold\n", "id: flu\n", "rename the file", 1),
    ],
)
def test_errors_name_file_line_and_remedy(tmp_path: Path, old: str, new: str, said: str, line: int) -> None:
    assert old in DISEASE
    issues = [i for i in content(tmp_path, disease=DISEASE.replace(old, new)).check() if i.severity == "error"]
    matching = [i for i in issues if said in i.message]
    assert matching, issues
    assert "diseases/respiratory/cold.yaml" in matching[0].file
    assert matching[0].line == line


def test_a_name_belongs_to_one_finding(tmp_path: Path) -> None:
    issues = content(tmp_path, findings=FINDINGS.replace("name: 咳嗽", "name: 发烧")).check()
    assert any("also belongs to" in i.message and i.line == 2 for i in issues)


def test_broken_yaml_is_said(tmp_path: Path) -> None:
    issues = content(tmp_path, disease="id: [").check()
    assert any("not readable as YAML" in i.message for i in issues)


def test_build_refuses_errors(tmp_path: Path) -> None:
    content(tmp_path, disease=DISEASE.replace("J00", "??"))
    with pytest.raises(SystemExit):
        build((tmp_path,), tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_overlay_overrides(tmp_path: Path, kb: KnowledgeBase) -> None:
    overlay = tmp_path / "diseases" / "respiratory"
    overlay.mkdir(parents=True)
    own = kb.diseases["common_cold"].entry if "common_cold" in kb.diseases else None
    assert own is not None
    text = (
        (CONTENT / "diseases" / "respiratory" / "common_cold.yaml")
        .read_text(encoding="utf-8")
        .replace(f"name: {own['name']}", "name: 本县感冒", 1)
    )
    (overlay / "common_cold.yaml").write_text(text, encoding="utf-8")
    out = tmp_path / "out.json"
    build((CONTENT, tmp_path), out)
    assert load(out).diseases["common_cold"].name == "本县感冒"
    assert load(out).version != kb.version
