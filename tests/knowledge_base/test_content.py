"""The written content itself: no errors, breadth, rules that behave as their examples say, cases that keep their rules."""

from __future__ import annotations

import gc
import json
import time
from collections import Counter

from data_contracts.record import Record
from inference.facts import facts_of
from inference.flagging import red_flags
from inference.knowledge.rule_examples import examples, holds
from inference.reading.reader import Reader
from knowledge_base.build import COMPILED, ROOT, Content
from knowledge_base.compiled import KnowledgeBase, load

CASES, PRESENTATIONS, ADMISSIONS, CALM_VISITS, EXAMINATIONS = (
    sorted((ROOT / folder).glob("*.jsonl")) for folder in ("cases", "presentations", "admissions", "calm_visits", "examinations")
)


def test_content_has_no_errors() -> None:
    assert [str(i) for i in Content().check() if i.severity == "error"] == []


def test_breadth(kb: KnowledgeBase) -> None:
    assert len(kb.diseases) >= 600
    assert sum(d.must_not_miss for d in kb.diseases.values()) >= 50
    assert len(kb.findings) >= 1200
    assert len(Content().thin) >= 1400
    assert len(kb.red_flags) >= 300


def test_loads_quickly() -> None:
    load()
    gc.collect()
    gc.freeze()  # what other tests hold is not collected on this one's time
    began = time.process_time()
    load(COMPILED if COMPILED.is_file() else None)
    took = time.process_time() - began
    gc.unfreeze()
    assert took < 1.0


def test_rules_behave_as_their_examples_say(kb: KnowledgeBase, rule_reader: Reader) -> None:
    failing = [
        f"{e.rule}: {'must fire' if e.must_fire else 'must not fire'}: {e.text}" for e in examples(kb) if not holds(e, rule_reader, kb)
    ]
    assert failing == []


def cases() -> list[dict[str, object]]:
    return [json.loads(line) for path in CASES for line in path.read_text(encoding="utf-8").splitlines()]


def test_cases_are_records_of_known_diseases(kb: KnowledgeBase) -> None:
    seen: set[str] = set()
    for case in cases():
        Record.model_validate(case["record"])
        assert case["id"] not in seen
        seen.add(str(case["id"]))
        assert case["level"] in ("classic", "early", "atypical")
        assert case["voice"] in ("terse", "templated", "colloquial", "dialect")
        for diagnosis in case["diagnoses"]:  # type: ignore[attr-defined]
            assert diagnosis["disease"] in kb.diseases, case["id"]


def test_two_thirds_of_the_cases_do_not_name_the_diagnosis(kb: KnowledgeBase) -> None:
    found = [kb.diseases[c["diagnoses"][0]["disease"]].name in c["record"]["text"] for c in cases()]  # type: ignore[index]
    assert sum(found) / len(found) < 1 / 3


def test_cases_are_not_near_duplicates(kb: KnowledgeBase) -> None:
    by_disease: dict[str, list[set[str]]] = {}
    doubles = []
    for case in cases():
        text = "".join(ch for ch in case["record"]["text"] if ch.isalnum())  # type: ignore[index]
        grams = {text[i : i + 6] for i in range(max(1, len(text) - 5))}
        main = case["diagnoses"][0]["disease"]  # type: ignore[index]
        if any(len(grams & other) / min(len(grams), len(other)) > 0.8 for other in by_disease.get(main, ())):
            doubles.append(case["id"])
        by_disease.setdefault(main, []).append(grams)
    assert doubles == []


def test_most_diseases_have_cases(kb: KnowledgeBase) -> None:
    counts = Counter(c["diagnoses"][0]["disease"] for c in cases())  # type: ignore[index]
    assert sum(counts[d] >= 4 for d in kb.diseases) / len(kb.diseases) > 0.8


def presentations() -> list[dict[str, str]]:
    return [json.loads(line) for path in PRESENTATIONS for line in path.read_text(encoding="utf-8").splitlines()]


def test_presentations_are_short_texts_of_known_entries_that_do_not_name_them(kb: KnowledgeBase) -> None:
    names = {d.id: d.name for d in kb.diseases.values()} | {t.id: t.name for t in kb.thin.values()}
    rows = presentations()
    assert [row for row in rows if row["disease"] not in names or not 8 <= len(row["text"]) <= 200] == []
    assert [row["text"] for row in rows if len(names[row["disease"]]) >= 4 and names[row["disease"]] in row["text"]] == []
    assert len({row["text"] for row in rows}) == len(rows)


def test_every_entry_has_presentations(kb: KnowledgeBase) -> None:
    counts = Counter(row["disease"] for row in presentations())
    assert [target for target in (*kb.diseases, *kb.thin) if counts[target] < 3] == []
    assert [d.id for d in kb.diseases.values() if d.must_not_miss and counts[d.id] < 4] == []


def test_admissions_are_whole_records_of_known_entries(kb: KnowledgeBase) -> None:
    rows = [json.loads(line) for path in ADMISSIONS for line in path.read_text(encoding="utf-8").splitlines()]
    known = {*kb.diseases, *(f"icd10:{category}" for category in kb.by_category)}
    assert rows
    assert [row["gold"] for row in rows if not 1 <= len(row["gold"]) <= 6 or len(set(row["gold"])) < len(row["gold"])] == []
    assert {entry for row in rows for entry in (*row["gold"], *row["differential"])} - known == set()
    assert [
        row["gold"]
        for row in rows
        if not {"主诉", "现病史", "查体"} <= set(row["sections"]) or sum(map(len, row["sections"].values())) < 300
    ] == []


def test_examinations_have_one_right_option_of_five(kb: KnowledgeBase) -> None:
    rows = [json.loads(line) for path in EXAMINATIONS for line in path.read_text(encoding="utf-8").splitlines()]
    names = {d.id: {d.name, *d.aliases} for d in kb.diseases.values()} | {t.id: set(t.names) for t in (*kb.thin.values(), *kb.covered)}
    assert rows
    assert {row["gold"] for row in rows} - set(names) == set()
    assert [row["text"] for row in rows if len(set(row["options"])) != 5 or sum(o in names[row["gold"]] for o in row["options"]) != 1] == []
    assert [row["text"] for row in rows if next(o for o in row["options"] if o in names[row["gold"]]) in row["text"]] == []
    places = Counter(next(i for i, o in enumerate(row["options"]) if o in names[row["gold"]]) for row in rows)
    assert max(places.values()) < 0.3 * len(rows)
    assert len({row["text"] for row in rows}) == len(rows)


def test_calm_visits_raise_no_flag_at_once(kb: KnowledgeBase, rule_reader: Reader) -> None:
    texts = [json.loads(line)["text"] for path in CALM_VISITS for line in path.read_text(encoding="utf-8").splitlines()]
    readings = rule_reader.read([Record(id=str(place), text=text) for place, text in enumerate(texts)])
    flags = {text: red_flags(facts_of(reading, kb), kb) for text, reading in zip(texts, readings, strict=True)}
    assert len(flags) == len(texts)
    assert [text for text, found in flags.items() if any(flag.urgency == "immediate" for flag in found)] == []
    assert sum(bool(found) for found in flags.values()) / len(flags) <= 0.03
