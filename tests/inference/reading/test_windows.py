"""Windows cover the text, end at sentences, and let one window speak for each span."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from inference.reading.windows import Window, cut_windows, is_core


@pytest.mark.parametrize("seed", range(20))
def test_windows_cover_and_fit(seed: int) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choice("发热咳嗽，。\n" if seed % 2 else "发热") for _ in range(rng.randrange(0, 2000)))
    windows = cut_windows(text, 190, 48)
    assert windows[0].start == 0 and windows[-1].end == len(text)
    for one, other in pairwise(windows):
        assert one.start < other.start <= one.end < other.end
    assert all(window.end - window.start <= 190 for window in windows)


@pytest.mark.parametrize("seed", range(10))
def test_every_span_inside_a_window_has_exactly_one_speaker(seed: int) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choice("发热咳嗽呕吐，") for _ in range(900))
    windows = cut_windows(text, 100, 30)
    for _ in range(200):
        start = rng.randrange(0, 899)
        end = start + rng.randrange(1, 12)
        holders = [i for i, w in enumerate(windows) if w.start <= start and end <= w.end]
        speakers = [i for i in holders if is_core(windows, i, start, end, len(text))]
        assert len(speakers) == (1 if holders else 0)


def test_short_text_is_one_window() -> None:
    assert cut_windows("", 190, 48) == [Window(0, 0)]
    assert cut_windows("发热3天。", 190, 48) == [Window(0, 5)]


def test_overlap_must_be_small() -> None:
    with pytest.raises(ValueError, match="overlap"):
        cut_windows("发热", 10, 5)
