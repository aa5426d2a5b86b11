"""Places kept for what must not be missed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.ranking.safety import FREE, READ, WITHIN, reserve_places


@given(st.lists(st.booleans(), max_size=40))
def test_every_candidate_stays_and_the_first_three_keep_their_places(flags: list[bool]) -> None:
    order = reserve_places(np.array(flags, dtype=bool))
    assert sorted(order.tolist()) == list(range(len(flags)))
    assert order[:FREE].tolist() == list(range(min(FREE, len(flags))))


@given(st.lists(st.booleans(), min_size=6, max_size=40))
def test_read_places_go_to_the_likeliest_dangerous(flags: list[bool]) -> None:
    order = reserve_places(np.array(flags, dtype=bool)).tolist()
    dangerous = [i for i in range(FREE, min(len(flags), WITHIN)) if flags[i]][: READ - FREE]
    assert set(dangerous) <= set(order[:READ])
    assert order[FREE:READ] == sorted(order[FREE:READ])
    assert order[READ:] == sorted(order[READ:])


def test_a_dangerous_sixth_takes_the_fifth_place() -> None:
    assert reserve_places(np.array([False, True, False, False, False, True, False])).tolist() == [0, 1, 2, 3, 5, 4, 6]
