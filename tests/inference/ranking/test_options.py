"""Choosing among given names: known ones are their entry, unknown ones stand for their nearest entries."""

import numpy as np

from inference.ranking.options import logits_of_names, shares

ENTRIES = np.eye(4, dtype=np.float32)


def test_a_known_name_takes_its_entry_alone() -> None:
    shared = shares(np.array([[0.6, 0.8, 0.0, 0.0]], dtype=np.float32), ENTRIES, [2])
    assert shared.tolist() == [[0.0, 0.0, 1.0, 0.0]]
    assert abs(logits_of_names(np.array([1.0, 2.0, 3.0, 4.0]), shared)[0] - 3.0) < 1e-5


def test_an_unknown_name_follows_its_nearest_entry() -> None:
    shared = shares(np.array([[0.8, 0.6, 0.0, 0.0]], dtype=np.float32), ENTRIES, [None])
    assert abs(float(shared.sum()) - 1) < 1e-5 and int(shared.argmax()) == 0
    likely = logits_of_names(np.array([5.0, 0.0, 0.0, 0.0]), shared)[0]
    unlikely = logits_of_names(np.array([-5.0, 0.0, 0.0, 0.0]), shared)[0]
    assert likely > unlikely


def test_the_least_of_all_stays_finite() -> None:
    shared = shares(np.zeros((1, 4), dtype=np.float32), ENTRIES, [1])
    assert np.isfinite(logits_of_names(np.array([0.0, -80.0, 0.0, 0.0]), shared)).all()
