"""The lexical part: hashed n-grams against centroids."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.ranking.lexical import BITS, buckets, centroid, read, weighted, write

EVEN = np.ones(1 << BITS, dtype=np.float32)


@given(st.text(max_size=60))
def test_buckets_count_every_gram(text: str) -> None:
    kept = len([ch for ch in text.lower() if ch not in " \t\r\n|"])
    found = buckets(text)
    assert len(found) == sum(max(0, kept - size + 1) for size in (1, 2, 3)) if kept else len(found) == 0
    assert ((found >= 0) & (found < 1 << BITS)).all()


def test_same_text_same_buckets_and_order_matters() -> None:
    assert buckets("头痛呕吐").tolist() == buckets("头痛 呕吐").tolist()
    assert sorted(buckets("头痛呕吐").tolist()) != sorted(buckets("呕吐头痛").tolist())


def test_weights_have_length_one_and_unseen_grams_are_left_out() -> None:
    idf = EVEN.copy()
    idf[buckets("痛")[0]] = 0.0
    found, weights = weighted("头痛", idf)
    assert buckets("痛")[0] not in found
    assert abs(float(np.linalg.norm(weights)) - 1) < 1e-5


def test_centroids_survive_sealing(tmp_path: Path) -> None:
    sealed = {"a": centroid([("转移性右下腹痛", 1.0), ("右下腹压痛", 0.5)], EVEN), "b": centroid([("咳嗽咳痰", 1.0)], EVEN, keep=5)}
    write(tmp_path / "lexical.npz", EVEN, sealed)
    _, back = read(tmp_path / "lexical.npz")
    assert len(back["b"][0]) == 5
    for ident, (column, value) in sealed.items():
        assert back[ident][0].tolist() == column.tolist()
        assert np.abs(back[ident][1] - value).max() <= value.max() / 255
