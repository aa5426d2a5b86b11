"""Stage `asking_evaluate`: how many answers the next-question policy needs on the symptom sets.

    python -m training.stages.asking_evaluate

The policy is the one that serves (`inference.ranking.next_steps.expected_gains`); the table of symptom probabilities comes from each
set's train part, accuracy from its test part. An asked symptom that the record does not list is unclear and changes nothing.
Published policies: accuracy .556 / .735 / .779 on mz10 / mz4 / dxy.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from inference.ranking.next_steps import LEAST_GAIN, expected_gains
from training.datasets.diagnosis import Example, corpora, symptom_lists

OUT = Path("reports/asking.json")
CUTS = (0, 3, 5, 10)
Vector = npt.NDArray[np.float64]
WEIGHT = {"1": 1.0, "0": 0.6, "2": 1.0}
"""How much a present, an absent and an unsure symptom count."""


class SymptomTable:
    """Naive Bayes over present, absent and unmentioned symptoms of one set."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.classes = sorted({e.labels[0] for e in examples})
        self.symptoms = sorted({s for e in examples for s in (*e.meta["explicit"], *e.meta["implicit"])})
        self.column = {s: j for j, s in enumerate(self.symptoms)}
        n, m = len(self.classes), len(self.symptoms)
        counts = {value: np.full((n, m), 0.5) for value in ("1", "0", "2")}
        total = np.ones(n)
        for example in examples:
            i = self.classes.index(example.labels[0])
            total[i] += 1
            for symptom, value in {**example.meta["explicit"], **example.meta["implicit"]}.items():
                counts[value][i, self.column[symptom]] += 1
        self.prior = np.log(total / total.sum())
        self.likelihood = {value: np.log(count / (total[:, None] + 2)) for value, count in counts.items()}
        self.answer_yes = counts["1"] / (counts["1"] + counts["0"])
        """Probability of a yes given a clear answer."""
        self.answered = (counts["1"] + counts["0"]).sum(axis=0) / total.sum()
        """How often a symptom is answered at all in these dialogues; most are never spoken of."""

    def posterior(self, known: dict[int, str]) -> Vector:
        """Class probabilities given known symptoms."""
        score = self.prior.copy()
        for j, value in known.items():
            score += WEIGHT[value] * self.likelihood[value][:, j]
        share = np.exp(score - score.max())
        return np.asarray(share / share.sum())

    def known(self, symptoms: dict[str, str]) -> dict[int, str]:
        """Columns of a symptom dictionary."""
        return {self.column[s]: v for s, v in symptoms.items() if s in self.column}


Policy = Callable[[SymptomTable, Vector, list[int]], int | None]


def informed(table: SymptomTable, weights: Vector, open_columns: list[int]) -> int | None:
    """The column with the greatest expected information, times the chance of any answer; None when nothing is worth asking."""
    gains = expected_gains(weights, table.answer_yes[:, open_columns]) * table.answered[open_columns]
    best = int(np.argmax(gains))
    return open_columns[best] if gains[best] >= LEAST_GAIN / 100 else None


def at_random(rng: np.random.Generator) -> Policy:
    """Asks any open symptom."""
    return lambda table, weights, open_columns: int(rng.choice(open_columns))


def simulate(table: SymptomTable, example: Example, policy: Policy, *, turns: int) -> list[str]:
    """The leading class after 0, 1, … turns (the last one repeats after the policy stops)."""
    known = table.known(example.meta["explicit"])
    answers = table.known(example.meta["implicit"])
    open_columns = [j for j in range(len(table.symptoms)) if j not in known]
    leading = [table.classes[int(np.argmax(table.posterior(known)))]]
    for _ in range(turns):
        weights = table.posterior(known)
        asked = policy(table, weights, open_columns) if open_columns else None
        if asked is None:
            break
        open_columns.remove(asked)
        if asked in answers:
            known[asked] = answers[asked]
        leading.append(table.classes[int(np.argmax(table.posterior(known)))])
    return leading


def evaluate(name: str, folder: Path) -> dict[str, Any]:
    """Accuracy by number of answers, with the policy and at random, and with all symptoms known."""
    train, test = symptom_lists(folder, name, "train"), symptom_lists(folder, name, "test")
    table = SymptomTable(train)
    report: dict[str, Any] = {"classes": len(table.classes), "n": len(test)}
    for kind, policy in (("policy", informed), ("random", at_random(np.random.default_rng(1)))):
        paths = [simulate(table, e, policy, turns=max(CUTS)) for e in test]
        report[kind] = {
            f"after_{k}": round(float(np.mean([p[min(k, len(p) - 1)] == e.labels[0] for p, e in zip(paths, test, strict=True)])), 4)
            for k in CUTS
        }
        report[kind]["turns"] = round(float(np.mean([len(p) - 1 for p in paths])), 2)
    everything = [table.classes[int(np.argmax(table.posterior(table.known({**e.meta["explicit"], **e.meta["implicit"]}))))] for e in test]
    report["all_known_naive_bayes"] = round(float(np.mean([c == e.labels[0] for c, e in zip(everything, test, strict=True)])), 4)
    model = LogisticRegression(C=0.3, max_iter=2000)
    model.fit(np.stack([_row(table, e) for e in train]), [e.labels[0] for e in train])
    report["all_known_logistic"] = round(float(model.score(np.stack([_row(table, e) for e in test]), [e.labels[0] for e in test])), 4)
    return report


def _row(table: SymptomTable, example: Example) -> Vector:
    """Present, absent and unsure indicators, with what the patient said first marked."""
    width = len(table.symptoms)
    row = np.zeros(4 * width)
    for j, value in table.known({**example.meta["explicit"], **example.meta["implicit"]}).items():
        row[width * "102".index(value) + j] = 1.0
    for j in table.known(example.meta["explicit"]):
        row[3 * width + j] = 1.0
    return row


def run(out: Path = OUT) -> dict[str, Any] | None:
    """Evaluate the sets that there are."""
    folder = corpora()
    if folder is None:
        print("XINGLIN_CORPORA is not set: nothing to evaluate", file=sys.stderr)
        return None
    report: dict[str, Any] = {name: evaluate(name, folder) for name in ("mz10", "mz4", "dxy")}
    report["readme"] = [
        [
            f"`{name}` test: accuracy after 0 / 3 / 5 / 10 answers (at random after 10; all known)",
            " / ".join(str(r["policy"][f"after_{k}"]) for k in CUTS) + f" ({r['random']['after_10']}; {r['all_known_logistic']})",
        ]
        for name, r in report.items()
    ]
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


if __name__ == "__main__":
    print(json.dumps(run(), ensure_ascii=False, indent=1))
