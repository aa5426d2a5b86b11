"""Write the README's tables from `reports/`: no figure stands there that no command prints.

python -m training.stages.readme [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

README = Path("README.md")
REPORTS = Path("reports")
BEGIN, END = "<!-- figures: python -m training.stages.readme -->", "<!-- end of figures -->"


def _load(name: str) -> dict[str, Any] | None:
    path = REPORTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _share(entry: dict[str, Any], keys: tuple[str, ...]) -> str:
    return " / ".join(f"{entry[key]['value']:.2f}".lstrip("0") for key in keys)


def _ranking(report: dict[str, Any]) -> list[str]:
    keys = ("top1", "top3", "top10")
    rows = ["| set (`python -m training.stages.ranker_evaluate`) | n | top-1 / 3 / 10 |", "| --- | --- | --- |"]
    shown = {
        "msdiagnosis_validation": (
            ("any", "any final diagnosis"),
            ("main", "main diagnosis"),
            ("main_not_in_text", "main, name not in the text"),
        ),
        "cmexam_vignettes_dev": (("main", "open ranking"),),
        "jmed_dev": (("main", "online consultations, a fifth held out"),),
        "authored_test": (("main", "authored cases never trained on"),),
    }
    for name, kinds in shown.items():
        entry = report["sets"].get(name)
        if entry is None:
            continue
        for kind, said in kinds:
            rows.append(f"| `{name}`, {said} | {entry[kind]['n']} | {_share(entry[kind], keys)} |")
        if "options" in entry:
            rows.append(
                f"| `{name}`, choosing among the options | {entry['options']['n']} | {entry['options']['accuracy']:.2f} |".replace(
                    " 0.", " ."
                )
            )
        if "differential_recall_at_10" in entry:
            rows.append(
                f"| `{name}`, differential list, recall@10 | {entry['differential_recall_at_10']['n']} | {entry['differential_recall_at_10']['value']:.2f} |".replace(
                    " 0.", " ."
                )
            )
    for name in ("triage_complaints_dev", "dialmed_dev", "mz10_test", "mz4_test", "dxy_test"):
        entry = report["sets"].get(name)
        if entry:
            rows.append(
                f"| `{name}`, choosing among its {entry['classes']} classes (top-1 / 3) | {entry['n']} | {_share(entry, ('top1', 'top3'))} |"
            )
    safety, review = report.get("safety"), report.get("review")
    if safety:
        rows.append(f"| authored emergencies in the first five or red-flagged | {safety['emergencies']} | {safety['found']:.3f} |")
        rows.append(f"| immediate red flags on calm authored records | {safety['calm']} | {safety['immediate_flags_on_calm']:.3f} |")
    if review:
        rows.append(
            f"| review: left-out diagnoses found, at {review['false_alerts_per_100_complete_records']} alerts per 100 complete records | {review['left_out']} | {review['found']:.2f} |"
        )
    return rows


def _flat(title: str, command: str, report: dict[str, Any], rows: Sequence[tuple[str, str]]) -> list[str]:
    """A two-column table of dotted paths of a report; a path that it lacks is an error of this stage."""
    out = [f"| {title} (`{command}`) | figure |", "| --- | --- |"]
    for path, said in rows:
        value: Any = report
        for part in path.split("."):
            value = value[part]
        out.append(f"| {said} | {value if not isinstance(value, float) else round(value, 4)} |")
    return out


def tables() -> str:
    """All tables that have a report."""
    parts: list[str] = []
    coverage = _load("coverage")
    if coverage:
        parts += _flat(
            "knowledge", "xinglin knowledge check", coverage,
            [("diseases", "complete disease entries"), ("must_not_miss", "of them must not be missed"), ("thin_categories", "thin entries"), ("findings", "findings"), ("finding_names", "their names"), ("medicines", "medicines"), ("red_flags", "red-flag rules")],
        )  # fmt: skip
    simulation = _load("simulation")
    if simulation:
        parts += [
            "",
            *_flat(
                "simulated cases",
                "python -m training.stages.simulate",
                simulation,
                [("top1", "recovered first"), ("top3", "recovered in the first three")],
            ),
        ]
    ranker = _load("ranker")
    if ranker:
        parts += ["", *_ranking(ranker)]
    reader, coding, score = _load("reader"), _load("coding"), _load("risk_hyperglycaemia")
    if reader:
        parts += ["", *_flat("reading, strict span and type F1", "python -m training.stages.reader_evaluate", reader, READER_ROWS)]
    status = _load("dialogue_status")
    if status:
        parts += [
            "",
            *_flat(
                "status in dialogue, answers that follow read too; not served",
                "python -m training.stages.dialogue_status",
                status,
                STATUS_ROWS,
            ),
        ]
    if coding:
        parts += ["", *_flat("coding", "python -m training.stages.coding_evaluate", coding, CODING_ROWS)]
    if score:
        parts += [
            "",
            *_flat("hyperglycaemia score, nested cross-validation", "python -m training.stages.risk_hyperglycaemia", score, SCORE_ROWS),
        ]
    for name, title, command in OTHERS:
        report = _load(name)
        if report and "readme" in report:
            parts += [
                "",
                f"| {title} (`{command}`) | figure |",
                "| --- | --- |",
                *(f"| {said} | {value} |" for said, value in report["readme"]),
            ]
    return "\n".join(parts)


READER_ROWS = [
    ("benchmarks.ccks2017_test.f1", "`ccks2017` test"),
    ("benchmarks.ccks2019_dev.f1", "`ccks2019` dev"),
    ("benchmarks.cmeee_v1_dev.f1", "`cmeee` V1 dev, nested"),
    ("served.ccks2019_dev.f1", "`ccks2019` dev through the served product types"),
    ("cmdd_test_status.macro_f1", "`cmdd` test, status on gold mentions, macro-F1: the served network, without the answers that follow"),
]
STATUS_ROWS = [("test.macro_f1", "`cmdd` test, status on gold mentions, macro-F1")]
CODING_ROWS = [
    ("icd10.dev.f1", "`chip_cdn` dev over the v601 table, set-F1"),
    ("icd10.dev.gold_in_top_5", "the same, gold in the first five"),
    ("icd10.dev_with_a_gold_name_unseen_in_training.f1", "the same, texts with a name that training never saw, set-F1"),
    ("icd9cm3.dev.gold_in_top_1", "`proc_norm` dev, top-1"),
    ("icd9cm3.dev.f1", "the same, set-F1"),
]
SCORE_ROWS = [
    ("chosen.mean_auroc", "AUROC (fasting glucose of 7.0 mmol/L or more from a routine panel)"),
    ("chosen.mean_slope", "calibration slope"),
]
OTHERS = (
    ("risk_vectors", "instruments against independent vectors", "python -m training.stages.risk_vectors"),
    ("fundus", "fundus screening", "python -m training.stages.fundus_evaluate"),
    ("medication", "prescription check", "python -m training.stages.medication_evaluate"),
    ("search", "search", "python -m training.stages.search_evaluate"),
    ("asking", "next questions", "python -m training.stages.asking_evaluate"),
    ("bench", "what it costs (ratios in one run)", "make bench"),
)
"""Reports that bring their own rows under `readme`: [[what, figure], …]."""


def main(arguments: list[str]) -> int:
    """Write the README, or with `--check` say whether it is current."""
    text = README.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    wanted = f"{head}{BEGIN}\n\n{tables()}\n\n{END}{tail}"
    if "--check" in arguments:
        if wanted != text:
            print("README.md: figures are not those of reports/; run python -m training.stages.readme", file=sys.stderr)
        return int(wanted != text)
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
