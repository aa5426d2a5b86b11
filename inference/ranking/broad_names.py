"""Lists of broad disease names: what each name stands for, and weights that were balanced on records of such a list.

A clinic's list has broad names (皮炎) beside narrow ones (脂溢性皮炎) and may end in 其他. A name stands for the entries that it
closes (接触性皮炎); of two names of a list that close an entry, the longer one takes it. Without a training set of its own, a
list can be given a few weights: of the entries' share, of the name's likeness, and how readily each name is meant.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.ranking.names import NameIndex, normalise_name
from knowledge_base.compiled import KnowledgeBase

BALANCES = "balances.json"
LEAST_SHARE = 1e-6
"""Share of a name that stands for no entry, and the floor of every other."""

Vector = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def entries_of(names: Sequence[str], kb: KnowledgeBase, index: NameIndex, places: dict[str, int]) -> list[Places]:
    """For each name the places of the entries that it stands for.

    Args:
        names: of one list.
        places: place of each target (disease id or `icd10:XXX`) in what is ranked.
    """
    own = [index.find(name) for name in names]
    folded = [normalise_name(name) for name in names]
    taken: list[list[int]] = [[] for _ in names]
    for target, place in places.items():
        called = normalise_name(kb.diseases[target].name if target in kb.diseases else kb.thin[target].name)
        fitting = [i for i in range(len(names)) if target == own[i] or called.endswith(folded[i])]
        if fitting:
            taken[max(fitting, key=lambda i: (len(folded[i]), target == own[i]))].append(place)
    return [np.array(members, dtype=np.int64) for members in taken]


def log_shares(logits: Vector, groups: Sequence[Places]) -> Vector:
    """Log share (names,) of each group in the softmax of all targets' fused logits (targets,)."""
    odds = np.exp(logits - logits.max())
    odds /= odds.sum()
    return np.log(np.array([odds[group].sum() for group in groups]) + LEAST_SHARE)


@dataclass(frozen=True, slots=True)
class ListBalance:
    """Weights of one list: of the entries' log share, of the name's cosine (in spreads of all targets' scores), a bias for each name."""

    names: tuple[str, ...]
    share: float
    name: float
    bias: tuple[float, ...]

    def logits(self, names: Sequence[str], shares: Vector, cosines: Vector) -> Vector:
        """Logits (names,) of some or all names of the list."""
        known = dict(zip(self.names, self.bias, strict=True))
        return self.share * shares + self.name * cosines + np.array([known[name] for name in names])


def covering(balances: Sequence[ListBalance], names: Sequence[str]) -> ListBalance | None:
    """The shortest balanced list that holds every given name, if there are at least three."""
    fitting = [balance for balance in balances if len(names) >= 3 and set(names) <= set(balance.names)]
    return min(fitting, key=lambda balance: len(balance.names), default=None)


def write(path: Path, balances: Sequence[ListBalance]) -> None:
    """Seal balances."""
    path.write_text(json.dumps([asdict(balance) for balance in balances], ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> tuple[ListBalance, ...]:
    """What `write` wrote."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return tuple(ListBalance(tuple(row["names"]), float(row["share"]), float(row["name"]), tuple(row["bias"])) for row in rows)
