"""The fit of the review's scorer on a tiny made-up set: it learns, its threshold holds the rate, its file loads."""

from __future__ import annotations

import numpy as np

from inference.review.candidates import FEATURES
from inference.review.omissions import Omissions
from training.stages.review_fit import SILENT, Case, ReviewParameters, fit, found_at, out_of_fold, spoken, threshold_of


def made_up(records: int = 60) -> list[Case]:
    rng = np.random.default_rng(0)
    cases = []
    for record in range(records):
        for complete in (True, False):
            matrix = rng.normal(size=(6, len(FEATURES)))
            left_out = np.zeros(6, dtype=np.bool_)
            if not complete:
                left_out[0] = True
                matrix[0, FEATURES.index("named")] += 4
            cases.append(Case(record, complete, matrix, left_out, np.ones(6, dtype=np.bool_), by_rule=0, room=3, found=False))
    return cases


def test_threshold_holds_the_rate_on_complete_records() -> None:
    cases = made_up()
    scores = out_of_fold(cases, ReviewParameters(strength=0.1))
    threshold = threshold_of(cases, scores, 10)
    false = sum(int((s[spoken(c, s)] >= threshold).sum()) for c, s in zip(cases, scores, strict=True) if c.complete)
    assert false <= 6
    assert found_at(cases, scores, threshold) > 0.7
    assert found_at(cases, scores, SILENT) == 0.0


def test_sealed_numbers_load_and_put_the_left_out_first() -> None:
    cases = made_up()
    scorer = Omissions(fit(cases, 0.1))
    left = [c for c in cases if not c.complete]
    assert np.mean([scorer.scores(c.matrix).argmax() == 0 for c in left]) > 0.7
