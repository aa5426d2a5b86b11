"""Stage `simulate`: draw cases from every entry and see whether the entries alone recover it.

    python -m training.stages.simulate

Works on findings, not on text: what is measured is how far the entries can be told apart. Writes `reports/simulation.json` with
top-1 and top-3 recovery and the confusions worth mending.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from inference.facts import RecordFacts
from inference.ranking.probabilistic import Probabilistic, ProbabilisticSettings
from knowledge_base.compiled import Disease, KnowledgeBase, load
from knowledge_base.conditions import Facts
from training.parameters import Parameters, load_block
from training.stages.synthesise import draw_age

OUT = Path("reports/simulation.json")


class SimulateParameters(Parameters):
    """How many cases each entry gives."""

    per_disease: int = 12
    seed: int = 5


def drawn(kb: KnowledgeBase, disease: Disease, rng: random.Random) -> RecordFacts:
    """Facts of one patient: every finding of the entry present with its probability, key ones asked about and denied else."""
    population = disease.entry["population"]
    facts = Facts(
        sex=population["sex"] if population["sex"] != "any" else rng.choice(("male", "female")),
        age_days=draw_age(disease, rng) * 365.25,
        pregnant=population.get("pregnancy") == "only",
    )
    for finding, p in {**disease.findings, **{f: min(0.2 * v / (1 + v), 0.5) for f, v in disease.risk_factors.items()}}.items():
        if rng.random() < p:
            facts.present.add(finding)
        elif rng.random() < 0.4:
            facts.absent.add(finding)
    stated = facts.present | facts.absent
    for finding in list(facts.present):
        facts.present |= kb.findings[finding].ancestors
    facts.absent -= facts.present
    return RecordFacts(facts, stated=stated)


def run(kb: KnowledgeBase, parameters: SimulateParameters, out: Path = OUT) -> dict[str, Any]:
    """Simulate all entries and report."""
    rng = random.Random(parameters.seed)
    ranker = Probabilistic(kb, ProbabilisticSettings())
    first = third = total = 0
    confusions: Counter[tuple[str, str]] = Counter()
    recovery: dict[str, float] = {}
    for ident, disease in kb.diseases.items():
        hits = 0
        for _ in range(parameters.per_disease):
            scores = ranker.score(drawn(kb, disease, rng))
            order = np.argsort(-scores)[:3]
            names = [ranker.diseases[i] for i in order]
            total += 1
            first += names[0] == ident
            third += ident in names
            hits += ident in names
            if names[0] != ident:
                confusions[(ident, names[0])] += 1
        recovery[ident] = hits / parameters.per_disease
    report = {
        "cases": total,
        "top1": round(first / total, 4),
        "top3": round(third / total, 4),
        "confusions": [
            {"disease": a, "taken_for": b, "share": round(n / parameters.per_disease, 2)} for (a, b), n in confusions.most_common(60)
        ],
        "weakest": sorted(((d, round(r, 2)) for d, r in recovery.items() if r < 0.6), key=lambda item: item[1]),
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


if __name__ == "__main__":
    done = run(load(), load_block(SimulateParameters, "simulate"))
    print(f"top-1 {done['top1']}, top-3 {done['top3']} of {done['cases']} cases; {len(done['weakest'])} entries recovered in under 60 %")
