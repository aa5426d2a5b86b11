"""Places kept for what must not be missed.

A doctor reads the first five. Where the fourth and fifth place would go to harmless candidates, the likeliest dangerous ones
of the first fifteen stand there instead; the first three, and every probability, stay as they are. On the authored
emergencies held out this puts more of them before the doctor's eyes at no cost to the first three (docs/training_log.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FREE = 3
READ = 5
WITHIN = 15


def reserve_places(must_not_miss: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """New order (positions into the old one) of a ranking, given which candidates must not be missed, best first."""
    count = len(must_not_miss)
    if count <= FREE:
        return np.arange(count)
    dangerous = [i for i in range(FREE, min(count, WITHIN)) if must_not_miss[i]][: READ - FREE]
    others = [i for i in range(FREE, count) if i not in dangerous]
    # what stays in the read places keeps its rank among itself
    read = sorted(dangerous + others[: READ - FREE - len(dangerous)])
    rest = [i for i in range(FREE, count) if i not in read]
    return np.array([*range(FREE), *read, *rest], dtype=np.int64)
