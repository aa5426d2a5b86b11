"""Stage ``dialogue_status``: true, false or uncertain for each symptom of a chat (CMDD), by cues and two looks.

The first look is a logistic regression over hashed cues; the second, gradient boosting over the first's probabilities for
the mention, its namesakes and its neighbours. What the second look learns from are probabilities out of fold. Nothing is
released: the figure stands beside the reader's own status head.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from training.datasets.dialogue import Mention, mentions_of
from training.datasets.extraction import DIALOGUE_STATUSES, Document, load_corpus
from training.metrics.spans import macro_f1

log = logging.getLogger("training.dialogue_status")
HASHED = 2**18
FOLDS = 3
Floats = NDArray[np.float64]


class Chats:
    """The mentions of documents, their hashed cues, gold classes and chat numbers."""

    def __init__(self, documents: Sequence[Document]) -> None:
        chats = [mentions_of(document) for document in documents]
        self.mentions: list[Mention] = [mention for chat in chats for mention in chat]
        self.chat = np.array([number for number, chat in enumerate(chats) for _ in chat])
        self.gold = np.array([DIALOGUE_STATUSES.index(mention.span.status or "") for mention in self.mentions])
        hashed = FeatureHasher(HASHED, input_type="string", alternate_sign=False, dtype=np.float32)
        rows = hashed.transform([mention.cues for mention in self.mentions]).tocsr()
        rows.data[:] = 1.0
        self.rows = sparse.csr_matrix(sparse.diags(1.0 / np.sqrt(np.asarray(rows.sum(axis=1)).ravel())) @ rows)


def weights(gold: NDArray[np.int64]) -> dict[int, float]:
    """Class weights: the root of the inverse share."""
    return {kind: float(np.sqrt(len(gold) / max(1, int((gold == kind).sum())))) for kind in range(len(DIALOGUE_STATUSES))}


def first_look(rows: sparse.csr_matrix, gold: NDArray[np.int64]) -> LogisticRegression:
    """Logistic regression over hashed cues."""
    return LogisticRegression(C=5.0, max_iter=60, tol=1e-4, class_weight=weights(gold)).fit(rows, gold)


def context(chats: Chats, said: Floats) -> Floats:
    """What the first look says of the mention, its namesakes and its neighbours: one row a mention."""
    places: dict[int, list[int]] = {}
    for index, number in enumerate(chats.chat.tolist()):
        places.setdefault(number, []).append(index)
    nothing = [np.nan] * 3
    rows = []
    for index, mention in enumerate(chats.mentions):
        here = places[int(chats.chat[index])]
        place = here.index(index)
        others = [other for other in here if other != index]
        of = chats.mentions
        same = [other for other in others if of[other].text == mention.text]
        groups = (
            [other for other in same if other < index],
            [other for other in same if other > index],
            [other for other in same if of[other].role == "P"],
            [o for o in others if of[o].text != mention.text and (of[o].text in mention.text or mention.text in of[o].text)],
            [other for other in others if of[other].turn == mention.turn],
        )
        row = [
            *np.log(said[index] + 1e-3),
            mention.role == "D",
            mention.question,
            len(mention.text),
            place,
            len(here) - place,
            mention.turn,
        ]
        for group in groups:
            row += _together(said, group, index)
        row += list(said[here[place - 1]]) if place else nothing
        row += list(said[here[place + 1]]) if place + 1 < len(here) else nothing
        row.append(mention.turn - of[here[place - 1]].turn if place else 99)
        row.append(of[here[place + 1]].turn - mention.turn if place + 1 < len(here) else 99)
        rows.append([*row, *said[here].mean(axis=0)])
    return np.array(rows, dtype=np.float64)


def _together(said: Floats, group: Sequence[int], index: int) -> list[float]:
    if not group:
        return [np.nan] * 9 + [0.0]
    nearest = min(group, key=lambda other: abs(other - index))
    return [*said[group].mean(axis=0), *said[group].max(axis=0), *said[nearest], float(len(group))]


def score(chats: Chats, said: Floats) -> dict[str, object]:
    """Macro-F1 and the classes."""
    names = [DIALOGUE_STATUSES[kind] for kind in said.argmax(axis=1).tolist()]
    macro, classes = macro_f1([DIALOGUE_STATUSES[kind] for kind in chats.gold.tolist()], names)
    return {"macro_f1": round(macro, 4), "mentions": len(names), "by_class": {name: counts.report() for name, counts in classes.items()}}


def evaluate(train: Chats, held: dict[str, Chats]) -> dict[str, object]:
    """Train both looks and score held-out chats."""
    unseen = np.zeros((len(train.mentions), len(DIALOGUE_STATUSES)))
    for fold in range(FOLDS):
        inside = train.chat % FOLDS != fold
        unseen[~inside] = first_look(train.rows[inside], train.gold[inside]).predict_proba(train.rows[~inside])
        log.info("fold %d", fold)
    first = first_look(train.rows, train.gold)
    sample = np.array([weights(train.gold)[kind] for kind in train.gold.tolist()])
    second = HistGradientBoostingClassifier(
        max_iter=200, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=5.0, random_state=0
    ).fit(context(train, unseen), train.gold, sample_weight=sample)
    report: dict[str, object] = {"first_look_out_of_fold": score(train, unseen)["macro_f1"]}
    for name, chats in held.items():
        said = first.predict_proba(chats.rows)
        report[name] = {"first_look": score(chats, said)["macro_f1"], **score(chats, second.predict_proba(context(chats, said)))}
    return report


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("reports/dialogue_status.json"))
    parser.add_argument("--parts", nargs="*", default=["dev", "test"])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    began = time.process_time()
    corpora = Path(os.environ["XINGLIN_CORPORA"]) / "extraction"
    held = {part: Chats(load_corpus(corpora, "cmdd", part)) for part in arguments.parts}
    report = evaluate(Chats(load_corpus(corpora, "cmdd", "train")), held)
    report["cpu_seconds"] = round(time.process_time() - began)
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
