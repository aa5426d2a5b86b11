"""Stage `ranker_evaluate`: every figure of ranking and review, through `inference`, on the bundles that will serve.

    python -m training.stages.ranker_evaluate

Writes `reports/ranker.json`. Development sets were never trained on; fusion weights (a few dozen numbers) were fitted on three of
them, whose out-of-fold figures stand in the bundle's manifest and are reported beside.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_contracts.diagnosis import Versions
from data_contracts.record import GivenDiagnosis, Record
from inference.engine import Engine
from inference.facts import facts_of
from inference.flagging import red_flags
from inference.ranking.fusion import age_band
from inference.ranking.ranker import Ranked, Ranker
from inference.reading.types import Reading
from inference.review.reviewer import Reviewer
from training.datasets.diagnosis import Example, authored, class_names, development
from training.metrics.ranking import HitCounts, expected_calibration_error, first_hit, is_hit

OUT = Path("reports/ranker.json")
CHOOSING = ("triage_complaints_dev", "dialmed_dev", "mz10_test", "mz4_test", "dxy_test")
EMERGENCIES, CALM = Path("tests/behaviour/emergencies_fresh.jsonl"), Path("tests/behaviour/calm_fresh.jsonl")
OPEN = ("msdiagnosis_validation", "cmexam_vignettes_dev", "authored_dev", "authored_test")


def shown(ranker: Ranker, ranked: Ranked, top: int = 10) -> tuple[list[tuple[str, str | None]], np.ndarray[Any, Any]]:
    """The first candidates as (name, code) and their probabilities."""
    found: list[tuple[str, str | None]] = []
    for target in ranked.targets[:top].tolist():
        ident = ranker.targets[target]
        if ident in ranker.kb.diseases:
            found.append((ranker.kb.diseases[ident].name, ranker.kb.diseases[ident].icd10[0]))
        else:
            found.append((ranker.kb.thin[ident].name, ranker.kb.thin[ident].code))
    return found, ranked.probabilities[:top]


def evaluate_open(ranker: Ranker, examples: Sequence[Example], readings: Sequence[Reading]) -> dict[str, Any]:
    """Hits of open ranking: any and main gold, name not in text, groups, calibration, options."""
    any_hit, main_hit, unnamed = HitCounts(), HitCounts(), HitCounts()
    groups: dict[str, HitCounts] = {}
    probabilities, outcomes = [], []
    right = options = 0
    recalled = wanted = 0
    for example, reading in zip(examples, readings, strict=True):
        candidates, p = shown(ranker, ranker.rank(reading))
        codes = example.gold_codes or tuple(() for _ in example.gold_names)
        any_hit.add(first_hit(candidates, example.gold_names, codes))
        rank = first_hit(candidates, example.gold_names[:1], codes[:1])
        main_hit.add(rank)
        if not example.meta.get("gold_in_text", False):
            unnamed.add(rank)
        for group in groups_of(example, reading):
            groups.setdefault(group, HitCounts()).add(rank)
        probabilities.append(p)
        outcomes.append(np.array([is_hit(n, c, example.gold_names, codes) for n, c in candidates], dtype=float))
        if example.options and example.meta.get("answer") in example.options:
            options += 1
            right += ranker.choose(reading, example.options)[0][0] == example.meta["answer"]
        for name, code in example.meta.get("differential", ()):
            wanted += 1
            recalled += first_hit(candidates, [name], [code]) is not None
    flat, hits = np.concatenate(probabilities), np.concatenate(outcomes)
    report: dict[str, Any] = {
        "any": any_hit.summary(),
        "main": main_hit.summary(),
        "main_not_in_text": unnamed.summary(),
        "ece": round(expected_calibration_error(flat, hits), 4),
        "groups": {
            group: {
                "n": len(counts.ranks),
                "top1": round(counts.at(1), 3),
                "top3": round(counts.at(3), 3),
                "top10": round(counts.at(10), 3),
            }
            for group, counts in sorted(groups.items())
        },
    }
    if options:
        report["options"] = {"n": options, "accuracy": round(right / options, 4)}
    if wanted:
        report["differential_recall_at_10"] = {"n": wanted, "value": round(recalled / wanted, 4)}
    return report


def groups_of(example: Example, reading: Reading) -> list[str]:
    """Age band, pregnancy, department and length of a record."""
    length = sum(len(text) for text in reading.section_texts.values())
    found = [
        f"age:{age_band(reading.patient.age_years)}",
        "length:short" if length < 80 else "length:medium" if length < 400 else "length:long",
    ]
    if reading.patient.pregnant or reading.patient.pregnancy_weeks is not None:
        found.append("pregnant")
    if example.meta.get("department"):
        found.append(f"department:{example.meta['department']}")
    if example.meta.get("level"):
        found += [f"level:{example.meta['level']}", f"voice:{example.meta['voice']}"]
    return found


def evaluate_choice(ranker: Ranker, examples: Sequence[Example], readings: Sequence[Reading]) -> dict[str, Any]:
    """Choosing among a set's class names, given as candidates."""
    names = class_names(examples)
    counts = HitCounts()
    for example, reading in zip(examples, readings, strict=True):
        gold = example.labels[0][5:]
        order = [name for name, _, _ in ranker.choose(reading, names)]
        counts.add(order.index(gold))
    return {"classes": len(names), **counts.summary((1, 3))}


def evaluate_safety(ranker: Ranker, examples: Sequence[Example], readings: Sequence[Reading]) -> dict[str, Any]:
    """Emergencies found (first five or red-flagged), and red flags on calm records."""
    found = emergencies = calm = calm_flagged = calm_danger = 0
    missed = []
    for example, reading in zip(examples, readings, strict=True):
        main = ranker.kb.diseases[example.labels[0]]
        record = facts_of(reading, ranker.kb)
        ranked = ranker.rank(reading, record)
        flags, danger = red_flags(record, ranker.kb), ranker.danger_flags(ranked)
        if main.must_not_miss:
            emergencies += 1
            candidates, _ = shown(ranker, ranked, 5)
            hit = first_hit(candidates, [main.name], [main.categories]) is not None or bool(flags or danger)
            found += hit
            if not hit:
                missed.append(example.id)
        elif not any(ranker.kb.diseases[d].must_not_miss for d in example.labels):
            calm += 1
            calm_flagged += any(flag.urgency == "immediate" for flag in flags)
            calm_danger += not flags and bool(danger)
    return {
        "emergencies": emergencies,
        "found": round(found / max(emergencies, 1), 4),
        "calm": calm,
        "immediate_flags_on_calm": round(calm_flagged / max(calm, 1), 4),
        "reading_of_danger_on_calm": round(calm_danger / max(calm, 1), 4),
        "missed": missed[:40],
    }


def evaluate_fresh_safety(engine: Engine) -> dict[str, Any]:
    """Records written as emergencies and as calm ones, before the rules were read: found (first five or red-flagged), flags on calm ones.

    An emergency counts as found in the first five where its name (`what`) is hit.
    """
    emergencies, calm = ([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in (EMERGENCIES, CALM))

    def flags(row: dict[str, Any]) -> tuple[Ranked, set[str]]:
        reading = engine.reader.read([Record(id=row["id"], text=row["text"])])[0]
        record = facts_of(reading, engine.kb)
        ranked = engine.ranker.rank(reading, record)
        return ranked, {flag.urgency for flag in red_flags(record, engine.kb) or engine.ranker.danger_flags(ranked)}

    report: dict[str, Any] = {}
    for half in ("working", "sealed"):
        rows = [row for row in emergencies if row["half"] == half]
        found = 0
        for row in rows:
            ranked, urgencies = flags(row)
            found += bool(urgencies) or first_hit(shown(engine.ranker, ranked, 5)[0], [row["what"]], [()]) is not None
        quiet = [flags(row)[1] for row in calm if row["half"] == half]
        report[half] = {
            "emergencies": len(rows),
            "found": round(found / max(len(rows), 1), 4),
            "calm": len(quiet),
            "immediate_flags_on_records_written_calm": round(sum("immediate" in u for u in quiet) / max(len(quiet), 1), 4),
            "any_flag_on_records_written_calm": round(sum(bool(u) for u in quiet) / max(len(quiet), 1), 4),
        }
    return report


def evaluate_review(engine: Engine, examples: Sequence[Example], readings: Sequence[Reading]) -> dict[str, Any]:
    """Leave one diagnosis out against the full list of real multi-diagnosis records."""
    reviewer: Reviewer = engine.reviewer
    versions = Versions(knowledge=engine.kb.version)
    tried = found = false = interruptive = shown_alerts = 0
    complete = 0
    for example, reading in zip(examples, readings, strict=True):
        codes = example.gold_codes
        entered = [GivenDiagnosis(name=name, icd10=code[0] if code else None) for name, code in zip(example.gold_names, codes, strict=True)]
        full = reviewer.review(with_diagnoses(reading, entered), versions).alerts
        complete += 1
        # lists are complete as far as anyone knows: every alert of a missed disease on them counts as false
        false += sum(a.kind == "missed" and a.disease is not None for a in full)
        shown_alerts += sum(a.kind != "incomplete" for a in full)
        interruptive += any(a.severity == "critical" for a in full)
        if len(entered) < 2:
            continue
        for i, name in enumerate(example.gold_names):
            kept = [d for j, d in enumerate(entered) if j != i and not (codes[i] and codes[j] and codes[i][0] == codes[j][0])]
            if not kept or not codes[i]:
                continue
            tried += 1
            alerts = reviewer.review(with_diagnoses(reading, kept), versions).alerts
            found += any(
                a.disease is not None and is_hit(a.disease.name, a.disease.icd10, [name], [codes[i]])
                for a in alerts
                if a.kind in ("missed", "red_flag")
            )
    return {
        "left_out": tried,
        "found": round(found / max(tried, 1), 4),
        "false_alerts_per_100_complete_records": round(100 * false / max(complete, 1), 1),
        "alerts_per_100_records": round(100 * shown_alerts / max(complete, 1), 1),
        "records_with_critical_alert_per_100": round(100 * interruptive / max(complete, 1), 1),
    }


def with_diagnoses(reading: Reading, entered: Sequence[GivenDiagnosis]) -> Reading:
    """The reading of the same record with these diagnoses entered."""
    from dataclasses import replace

    return replace(reading, record=reading.record.model_copy(update={"diagnoses": tuple(entered)}))


def run(engine: Engine, *, only: Callable[[str], bool] = lambda name: True, out: Path = OUT) -> dict[str, Any]:
    """Evaluate every development set that there is; write and return the report."""
    ranker = engine.ranker
    report: dict[str, Any] = {"versions": engine.versions("reader", "ranker").model_dump(), "sets": {}}
    if ranker.bundle is not None:
        report["out_of_fold"] = ranker.bundle.manifest.get("metrics")
    known: dict[str, Reading] = {}

    def read_all(examples: Sequence[Example]) -> list[Reading]:
        for e in examples:
            if e.id not in known:
                known[e.id] = engine.reader.read([Record.model_validate(e.record)])[0]
        return [known[e.id] for e in examples]

    for name, examples in development(engine.kb).items():
        if not only(name):
            continue
        readings = read_all(examples)
        if name in CHOOSING:
            report["sets"][name] = evaluate_choice(ranker, examples, readings)
        else:
            report["sets"][name] = evaluate_open(ranker, examples, readings)
        if name == "msdiagnosis_validation":
            report["review"] = evaluate_review(engine, examples, readings)
        print(name, json.dumps({k: v for k, v in report["sets"][name].items() if k != "groups"}, ensure_ascii=False), file=sys.stderr)
    if only("safety"):
        held = [*authored(engine.kb, "dev"), *authored(engine.kb, "test")]
        report["safety"] = evaluate_safety(ranker, held, read_all(held))
        report["safety"]["fresh"] = evaluate_fresh_safety(engine)
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


if __name__ == "__main__":
    wanted = sys.argv[1:]
    run(Engine(), only=(lambda name: name in wanted) if wanted else (lambda name: True))
