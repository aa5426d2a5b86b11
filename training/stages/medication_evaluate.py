"""Stage `medication_evaluate`: records with orders against the warnings that a pharmacist expects.

    python -m training.stages.medication_evaluate [--misses]

The lines of `tests/behaviour/prescriptions.jsonl` hold a record with orders, the warnings expected of it (kinds, any of which is right;
medicines as ordered; least severity), and whether it is faultless: then nothing above `note` may be said. Runs through the engine, so
reading, names, doses and rules are all on trial. Writes `reports/medication.json`.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from data_contracts.prescription import PrescriptionCheck
from inference.engine import Engine
from inference.medication.checker import PrescriptionChecker

LINES = Path("tests/behaviour/prescriptions.jsonl")
OUT = Path("reports/medication.json")
_RANK = {"note": 0, "caution": 1, "serious": 2}


def prescriptions(path: Path = LINES) -> list[dict[str, Any]]:
    """The lines, each with `id`, `record`, `expected` and `faultless`."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def given(expected: dict[str, Any], answer: PrescriptionCheck, checker: PrescriptionChecker) -> bool:
    """Whether the answer holds a warning of one of the kinds about these medicines with at least this severity."""
    found = [checker.names.find(name) for name in expected["medicines"]]
    if None in found:
        return False
    wanted = {checker.kb.medicines[ident]["name"] for ident in found if ident is not None}
    return any(
        warning.kind in expected["kinds"] and wanted <= set(warning.medicines) and _RANK[warning.severity] >= _RANK[expected["severity"]]
        for warning in answer.warnings
    )


def evaluate(engine: Engine, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Expected warnings given, by kind; faultless records warned about above `note`; warnings beside the expected ones."""
    answers = engine.check_prescriptions([row["record"] for row in rows])
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    misses, alarms, beside = [], [], 0
    for row, answer in zip(rows, answers, strict=True):
        if not isinstance(answer, PrescriptionCheck):
            raise ValueError(f"{row['id']}: {answer.title}")
        said = [f"{w.kind} {'+'.join(w.medicines)} {w.severity}: {w.message}" for w in answer.warnings]
        if answer.unrecognised:
            said.append(f"unrecognised {'、'.join(answer.unrecognised)}")
        above = [w for w in answer.warnings if w.severity != "note"]
        if row["faultless"]:
            if above:
                alarms.append({"id": row["id"], "text": row["record"]["text"], "said": said})
            continue
        beside += sum(not any(w.kind in e["kinds"] for e in row["expected"]) for w in above)
        for expected in row["expected"]:
            kind = expected["kinds"][0]
            told = given(expected, answer, engine.checker)
            for name in ("all", kind, row["set"]):
                total[name] += 1
                right[name] += told
            if not told:
                misses.append({"id": row["id"], "text": row["record"]["text"], "expected": expected, "said": said})
    faultless = sum(row["faultless"] for row in rows)
    return {
        "records": len(rows),
        "faultless": faultless,
        "expected_warnings": total["all"],
        "given": round(right["all"] / total["all"], 4),
        "given_by_kind": {kind: f"{right[kind]}/{n}" for kind, n in sorted(total.items()) if kind not in ("all", "first", "second")},
        "given_by_set": {name: f"{right[name]}/{total[name]}" for name in ("first", "second")},
        "faultless_warned_above_note": round(len(alarms) / faultless, 4),
        "warnings_above_note_of_other_kinds_beside_expected": beside,
        "misses": misses,
        "alarms": alarms,
    }


def run(out: Path = OUT) -> dict[str, Any]:
    """Evaluate and report."""
    report = evaluate(Engine(), prescriptions())
    report["readme"] = [
        ["records with orders / of them faultless", f"{report['records']} / {report['faultless']}"],
        [f"share of {report['expected_warnings']} expected warnings given", report["given"]],
        ["the same by kind", ", ".join(f"{kind} {count}" for kind, count in report["given_by_kind"].items())],
        [
            "the first set / the second (both were looked at while mending; docs/log/medication.md has their first answers)",
            " / ".join(report["given_by_set"].values()),
        ],
        ["faultless records warned about above `note` (aim ≤ 0.10)", report["faultless_warned_above_note"]],
    ]
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true", help="print what was missed and what was said without need")
    arguments = parser.parse_args()
    report = run()
    if arguments.misses:
        for miss in report["misses"]:
            print(miss["id"], miss["text"], miss["expected"], "\n    ", "\n     ".join(miss["said"]))
        print("--- alarms")
        for alarm in report["alarms"]:
            print(alarm["id"], alarm["text"], "\n    ", "\n     ".join(alarm["said"]))
    print(json.dumps({key: value for key, value in report.items() if key not in ("misses", "alarms")}, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
