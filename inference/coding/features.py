"""Candidates of a text and the numbers that describe each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.coding.index import Floats, best
from inference.coding.memory import BoundMemory
from inference.coding.tables import CodeTable
from inference.coding.text import Part, fold, grams

FROM_NAMES, FROM_PART_NAMES, FROM_TEXTS, FROM_PART_TEXTS = 60, 40, 40, 25
"""Nearest names of the whole text and of each part, nearest coded texts of both."""
FAR = 99.0
"""Rank of what was not retrieved."""

FEATURES = (
    "cosine", "part_cosine", "rank", "part_rank", "vote", "vote_sum", "vote_count", "vote_rank", "part_vote",
    "part_vote_sum", "part_vote_rank", "vote_lead", "cosine_lead", "nearest_text", "nearest_part_text", "nearest_name",
    "name_covered", "part_covered", "text_covered", "longest_common", "common_of_part", "name_length", "text_length",
    "part_length", "parts", "log_frequency", "morphology", "side_conflict", "pace_conflict", "number_conflict",
    "unspecified", "equals_part", "inside_text", "contains_part", "companion", "companion_part", "bracket",
    "added_characters", "share_of_votes", "best_vote", "frequency_rank",
)  # fmt: skip

_SIDES = ("左", "右", "双")
_PACES = ("急性", "慢性", "亚急性", "先天", "继发", "原发", "陈旧", "良性", "恶性")
_UNSPECIFIED = re.compile(r"未特指|其他|其它|nos|nec|未指明|待查")
_DIGITS = re.compile(r"\d+")
_MORPHOLOGY = re.compile(r"^M\d{4,6}/\d")


@dataclass
class Candidates:
    """Candidate rows of a table for one text."""

    targets: NDArray[np.int64]
    """``(candidates,)`` rows of the table."""
    features: Floats
    """``(candidates, len(FEATURES))``"""
    part: NDArray[np.int64]
    """The part that each candidate fits best."""
    parts: list[Part]


def _longest_common(one: str, other: str) -> int:
    """Length of the longest common substring."""
    row = [0] * (len(other) + 1)
    longest = 0
    for character in one:
        diagonal = 0
        for place, match in enumerate(other, 1):
            diagonal, row[place] = row[place], (diagonal + 1 if character == match else 0)
            if row[place] > longest:
                longest = row[place]
    return longest


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each value, 0 for the highest; zeros rank as ``FAR``."""
    ranks = np.full(len(values), FAR)
    order = np.argsort(-values, kind="stable")
    ranks[order] = np.minimum(np.arange(len(values)), FAR)
    ranks[values <= 0] = FAR
    return ranks


class CandidateFinder:
    """Candidates and features over one table and one memory."""

    def __init__(self, table: CodeTable, memory: BoundMemory) -> None:
        self.table = table
        self.memory = memory
        self.folded = [fold(name) for name in table.names]
        self._characters: dict[int, frozenset[str]] = {}
        self.targets = np.array(table.targets, dtype=np.int64)
        counts: dict[str, int] = {}
        for name in self.folded:
            for character in set(name):
                counts[character] = counts.get(character, 0) + 1
        rows = len(self.folded)
        self.weight = {character: float(np.log1p(rows / count)) for character, count in counts.items()}
        self.unseen = float(np.log1p(rows))
        self.morphology = [bool(_MORPHOLOGY.match(code)) for code in table.codes]
        order = sorted(range(rows), key=lambda row: -memory.frequency[row])[:100]
        self.frequency_rank = {row: rank for rank, row in enumerate(order) if memory.frequency[row]}

    def characters(self, target: int) -> frozenset[str]:
        """The distinct characters of a row's folded name."""
        known = self._characters.get(target)
        if known is None:
            known = self._characters[target] = frozenset(self.folded[target])
        return known

    def category(self, target: int) -> str:
        """The first three characters of a row's code: only ever compared within one table."""
        return self.table.codes[target][:3]

    def _mass(self, characters: frozenset[str] | set[str]) -> float:
        return sum(self.weight.get(character, self.unseen) for character in characters)

    def _row_scores(self, folded: str, count: int) -> dict[int, float]:
        scores = self.table.index.score(grams(folded))
        found: dict[int, float] = {}
        for surface in best(scores, count, 0.02).tolist():
            target = int(self.targets[surface])
            found[target] = max(found.get(target, 0.0), float(scores[surface]))
        return found

    def _votes(self, folded: str, count: int, leave_out: int | None) -> tuple[dict[int, list[float]], float]:
        """Similarities of the nearest coded texts, by the row that each proposes; and the highest of all."""
        scores = self.memory.index.score(grams(folded))
        if leave_out is not None:
            scores[leave_out] = 0.0
        found: dict[int, list[float]] = {}
        nearest = 0.0
        for text in best(scores, count, 0.08).tolist():
            nearest = max(nearest, float(scores[text]))
            for target in self.memory.targets[text]:
                found.setdefault(target, []).append(float(scores[text]))
        return found, nearest

    def find(self, text: str, parts: Sequence[Part], leave_out: int | None = None) -> Candidates:
        """Candidates of a text.

        Args:
            text: as written.
            parts: its pieces (``inference.coding.text.split``).
            leave_out: the memory's text that must not vote (the text itself, in training).
        """
        whole = fold(text)
        pieces = [fold(part.text) for part in parts]
        single = len(pieces) == 1
        names = self._row_scores(whole, FROM_NAMES)
        votes, nearest_text = self._votes(whole, FROM_TEXTS, leave_out)
        part_names: dict[int, tuple[float, int]] = {}
        part_votes: dict[int, list[float]] = {}
        part_of_vote: dict[int, tuple[float, int]] = {}
        part_rank: dict[int, int] = {}
        nearest_part = [0.0] * len(pieces)
        for place, piece in enumerate(pieces):
            scores = names if single else self._row_scores(piece, FROM_PART_NAMES)
            for rank, (target, score) in enumerate(scores.items()):
                if target not in part_names or score > part_names[target][0]:
                    part_names[target] = (score, place)
                part_rank[target] = min(part_rank.get(target, int(FAR)), rank)
            if single:
                found, nearest_part[0] = votes, nearest_text
            else:
                found, nearest_part[place] = self._votes(piece, FROM_PART_TEXTS, leave_out)
            for target, similarities in found.items():
                part_votes.setdefault(target, []).extend(similarities)
                top = max(similarities)
                if target not in part_of_vote or top > part_of_vote[target][0]:
                    part_of_vote[target] = (top, place)
        targets = sorted({*names, *part_names, *votes, *part_votes})
        if not targets:
            return Candidates(np.empty(0, np.int64), np.empty((0, len(FEATURES)), np.float32), np.empty(0, np.int64), list(parts))
        leader = max(votes, key=lambda t: sum(s * s for s in votes[t])) if votes else -1
        part_leader: dict[int, int] = {}
        for place in range(len(pieces)):
            inside = [t for t, (_, p) in part_of_vote.items() if p == place]
            if inside:
                part_leader[place] = max(inside, key=lambda t: sum(s * s for s in part_votes[t]))
        whole_characters, piece_characters = set(whole), [set(piece) for piece in pieces]
        piece_mass = [self._mass(characters) or 1.0 for characters in piece_characters]
        whole_mass = self._mass(whole_characters) or 1.0
        whole_sides = {side for side in _SIDES if side in whole}
        whole_paces = {pace for pace in _PACES if pace in whole}
        whole_numbers = set(_DIGITS.findall(whole))
        total_votes = sum(sum(s * s for s in similarities) for similarities in votes.values()) or 1.0
        own = self.memory.targets[leave_out] if leave_out is not None else ()
        rows: list[tuple[float, ...]] = []
        chosen_part: list[int] = []
        for target in targets:
            name = self.folded[target]
            characters = self.characters(target)
            vote, part_vote = votes.get(target, []), part_votes.get(target, [])
            from_name, from_vote = part_names.get(target), part_of_vote.get(target)
            if from_name and (not from_vote or from_name[0] >= from_vote[0]):
                place = from_name[1]
            else:
                place = from_vote[1] if from_vote else 0
            if not single and not from_name and not from_vote:
                overlaps = [len(characters & candidate) for candidate in piece_characters]
                place = overlaps.index(max(overlaps))
            piece = pieces[place]
            chosen_part.append(place)
            name_mass = self._mass(characters) or 1.0
            shared_part = characters & piece_characters[place]
            shared_mass = self._mass(shared_part)
            common = _longest_common(name, piece)
            sides = {side for side in _SIDES if side in name}
            paces = {pace for pace in _PACES if pace in name}
            numbers = set(_DIGITS.findall(name))
            rows.append(
                (
                    names.get(target, 0.0),
                    from_name[0] if from_name else 0.0,
                    0.0,
                    float(part_rank.get(target, int(FAR))),
                    max(vote, default=0.0),
                    sum(s * s for s in vote),
                    float(len(vote)),
                    0.0,
                    max(part_vote, default=0.0),
                    sum(s * s for s in part_vote),
                    0.0, 0.0, 0.0,
                    nearest_text,
                    nearest_part[place],
                    0.0,
                    self._mass(characters & whole_characters) / name_mass,
                    shared_mass / piece_mass[place],
                    self._mass(characters & whole_characters) / whole_mass,
                    common / max(len(name), 1),
                    common / max(len(piece), 1),
                    float(len(name)), float(len(whole)), float(len(piece)), float(len(pieces)),
                    self.memory.log_frequency(target, own),
                    float(self.morphology[target]),
                    float(bool(sides - whole_sides)) + 2.0 * float(bool(sides) and bool(whole_sides) and not sides & whole_sides),
                    float(len(paces - whole_paces)) + 10.0 * len(whole_paces - paces),
                    float(len(numbers - whole_numbers)) + 10.0 * float(bool(numbers & whole_numbers)),
                    float(bool(_UNSPECIFIED.search(name))),
                    float(name == piece) + float(name == whole),
                    float(name in whole),
                    float(piece in name),
                    self.memory.companion(target, leader, own) if leader >= 0 and leader != target else -1.0,
                    self.memory.companion(target, part_leader[place], own)
                    if place in part_leader and part_leader[place] != target
                    else -1.0,
                    float("[" in self.table.names[target] or "(" in self.table.names[target]),
                    name_mass - self._mass(characters & whole_characters),
                    sum(s * s for s in vote) / total_votes,
                    0.0,
                    float(self.frequency_rank.get(target, 100)),
                )
            )  # fmt: skip
        table = np.array(rows, dtype=np.float64)
        column = {name: place for place, name in enumerate(FEATURES)}
        table[:, column["rank"]] = _ranks(table[:, column["cosine"]])
        table[:, column["vote_rank"]] = _ranks(table[:, column["vote_sum"]])
        table[:, column["part_vote_rank"]] = _ranks(table[:, column["part_vote_sum"]])
        table[:, column["vote_lead"]] = table[:, column["vote_sum"]] - table[:, column["vote_sum"]].max()
        places = np.array(chosen_part)
        for place in range(len(pieces)):
            inside = places == place
            if inside.any():
                part_cosine = table[inside, column["part_cosine"]]
                table[inside, column["cosine_lead"]] = part_cosine - part_cosine.max()
                table[inside, column["nearest_name"]] = part_cosine.max()
                table[inside, column["best_vote"]] = table[inside, column["part_vote"]].max()
        return Candidates(np.array(targets, dtype=np.int64), table.astype(np.float32), places, list(parts))
