"""Class readings: sealing, which list a request means, how strangers among the names are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_contracts.record import Record
from inference.ranking.classes import ClassReading, ClassReadings, divided, mark_hash, read, words_of, write
from inference.ranking.lexical import BITS, buckets
from inference.reading.reader import Reader

NAMES = ("甲状腺结节", "痔疮", "骨折", "哮喘")


def reading(names: tuple[str, ...] = NAMES, seed: int = 0) -> ClassReading:
    rng = np.random.default_rng(seed)
    columns = np.unique(buckets("脖子上有个包"))
    classes = len(names)
    return ClassReading(
        names=names,
        mean=rng.normal(size=8).astype(np.float32),
        scale=np.ones(8, dtype=np.float32),
        vector=rng.normal(size=(8, classes)).astype(np.float32),
        buckets=columns,
        idf=np.ones(len(columns), dtype=np.float32),
        ngrams=rng.normal(size=(len(columns), classes)).astype(np.float32),
        hashes=np.array(sorted(map(mark_hash, ("present:包块", "absent:疼痛"))), dtype=np.int64),
        marks=rng.normal(size=(2, classes)).astype(np.float32),
        bias=np.zeros(classes, dtype=np.float32),
    )


def test_a_sealed_reading_answers_as_before(tmp_path: Path) -> None:
    before = reading()
    write(tmp_path / "classes.npz", [before, reading(("感冒", "肺炎", "腹泻"), 1)])
    after = read(tmp_path / "classes.npz").readings
    vector, marks = (
        np.ones(8, dtype=np.float32) / 8**0.5,
        np.array([mark_hash("present:包块"), mark_hash("present:没见过")], dtype=np.int64),
    )
    assert [r.names for r in after] == [NAMES, ("感冒", "肺炎", "腹泻")]
    assert np.allclose(before.logits(vector, "脖子上有个包", marks), after[0].logits(vector, "脖子上有个包", marks), atol=0.1)


def test_a_denied_mention_is_another_mark() -> None:
    one = reading()
    vector = np.zeros(8, dtype=np.float32)
    present, absent = (one.logits(vector, "", np.array([mark_hash(m)], dtype=np.int64)) for m in ("present:疼痛", "absent:疼痛"))
    nothing = one.logits(vector, "", np.zeros(0, dtype=np.int64))
    assert np.array_equal(present, nothing) and not np.array_equal(absent, nothing)


@pytest.mark.parametrize(
    ("given", "places"),
    [
        (NAMES, [0, 1, 2, 3]),
        (NAMES[::-1], [3, 2, 1, 0]),
        (("骨折", "哮喘", "痔疮"), [2, 3, 1]),
        (("骨折", "外星人综合征", "哮喘", "痔疮"), [2, -1, 3, 1]),
    ],
)
def test_the_list_is_known_in_any_order_in_part_and_with_a_stranger(given: tuple[str, ...], places: list[int]) -> None:
    found = ClassReadings([reading(), reading(("感冒", "肺炎", "腹泻"), 1)]).covering(given)
    assert found is not None and found[0].names == NAMES and found[1].tolist() == places


@pytest.mark.parametrize("given", [("骨折", "痔疮"), ("骨折", "痔疮", "哮喘", "肺炎", "肝炎"), ("骨折",), ()])
def test_other_lists_are_left_alone(given: tuple[str, ...]) -> None:
    assert ClassReadings([reading()]).covering(given) is None


def test_of_two_lists_that_hold_all_names_the_shorter_is_meant() -> None:
    found = ClassReadings([reading((*NAMES, "肺炎")), reading()]).covering(NAMES)
    assert found is not None and len(found[0].names) == 4


def test_a_stranger_keeps_its_share() -> None:
    share = np.array([0.1, 0.3, 0.2, 0.4])
    out = divided(share, np.array([0.0, 2.0, -1.0, 5.0]), np.array([1, -1, 0, 2]))
    assert out[1] == pytest.approx(0.3) and out.sum() == pytest.approx(1.0)
    assert out[0] > out[2] > out[3]


def test_buckets_fit_the_table() -> None:
    assert buckets("脖子上有个包").max() < 1 << BITS


def test_a_denied_finding_lends_no_words(rule_reader: Reader) -> None:
    text = "咳嗽3天，无发热、腹泻，父亲有哮喘。"
    words = words_of(rule_reader.read([Record.model_validate({"id": "a", "patient": {}, "text": text})])[0])
    assert "咳嗽" in words and len(words) == len(text)
    assert all(word not in words for word in ("发热", "腹泻", "哮喘"))
