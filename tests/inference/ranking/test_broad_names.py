"""Broad names of a list: what they stand for, and how a balanced list is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.ranking.broad_names import ListBalance, covering, entries_of, log_shares, read, write
from inference.ranking.names import NameIndex
from knowledge_base.compiled import KnowledgeBase

NAMES = ("皮炎", "脂溢性皮炎", "急性胃肠炎", "其他")


def test_a_name_stands_for_the_entries_it_closes_and_the_longer_name_takes_its_own(kb: KnowledgeBase) -> None:
    targets = [*kb.diseases, *kb.thin]
    groups = entries_of(NAMES, kb, NameIndex(kb), {target: place for place, target in enumerate(targets)})
    meant = [{targets[place] for place in group.tolist()} for group in groups]
    assert {"contact_dermatitis", "atopic_dermatitis"} <= meant[0] and "seborrhoeic_dermatitis" not in meant[0]
    assert meant[1] == {"seborrhoeic_dermatitis"} and meant[2] == {"acute_gastroenteritis"} and not meant[3]


def test_a_group_has_the_share_of_its_members() -> None:
    shares = log_shares(np.log(np.array([0.5, 0.2, 0.3])), [np.array([0, 2]), np.array([1]), np.array([], dtype=np.int64)])
    assert np.exp(shares) == pytest.approx([0.8, 0.2, 0.0], abs=1e-4) and np.isfinite(shares).all()


def test_a_sealed_balance_answers_any_part_of_its_list_in_any_order(tmp_path: Path) -> None:
    write(tmp_path / "balances.json", [ListBalance(NAMES, 0.5, 2.0, (1.0, 0.0, -1.0, 0.5))])
    (balance,) = read(tmp_path / "balances.json")
    shares, cosines = np.array([-1.0, -2.0, -3.0]), np.array([0.1, 0.2, 0.3])
    assert balance.logits(("其他", "皮炎", "急性胃肠炎"), shares, cosines) == pytest.approx([0.2, 0.4, -1.9])


@pytest.mark.parametrize("given", [("皮炎", "脂溢性皮炎"), (*NAMES, "痛风"), ()])
def test_other_lists_are_left_alone(given: tuple[str, ...]) -> None:
    assert covering([ListBalance(NAMES, 0.5, 2.0, (0.0,) * 4)], given) is None
