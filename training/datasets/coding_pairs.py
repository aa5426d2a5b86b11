"""Texts, names and candidate lists of both coding systems as arrays of token ids: all that the pair network trains on.

Lists come from the coder's own retrieval, a training text left out of the memory. Besides the coded texts there are lists for
the knowledge base's aliases and for disturbed names of the tables, which teach names that no coder of the training texts chose.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.coding.features import FEATURES, CandidateFinder, Candidates
from inference.coding.memory import CodingMemory
from inference.coding.pairs import MASK, PairTokens
from inference.coding.tables import build_table, read_table
from inference.coding.text import Part, fold, spell, split
from inference.reading.tokens import CLS, PAD, SEP, SPACE_SLOT, UNKNOWN, assign_unused_slots
from training.datasets.coding import TABLES, load_coded

SYSTEMS = ("icd10", "icd9cm3")
DEV, EXTRA = -1, -2
"""Fold of a list that is never trained on, and of one that every network trains on."""
EXTRA_CANDIDATES = 40
"""Candidates of such a list."""
GOLD = 8
"""Gold names kept of a text."""
_BRACKETS = re.compile(r"\[[^\]]*\]|（[^）]*）|\([^)]*\)|【[^】]*】")
_DROPPED = re.compile(r"未特指的?|其他的?|的|性|病|，|术$")


@dataclass
class Lists:
    """Candidate lists under construction."""

    rows: list[list[int]] = field(default_factory=list)
    """Token ids of texts, windows and parts."""
    dense_row: list[int] = field(default_factory=list)
    """Rows whose nearest names are asked for: each text and, where it has several, its parts."""
    dense_pair: list[int] = field(default_factory=list)
    """The row beside which such a name is judged."""
    dense_list: list[int] = field(default_factory=list)
    pointers: list[int] = field(default_factory=lambda: [0])
    name: list[int] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    part_row: list[int] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    retrieved: list[bool] = field(default_factory=list)
    system: list[int] = field(default_factory=list)
    fold: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    gold: list[list[int]] = field(default_factory=list)

    def add_row(self, ids: list[int]) -> int:
        """A row of tokens; its number."""
        self.rows.append(ids)
        return len(self.rows) - 1


def hardness(candidates: Candidates) -> NDArray[np.float64]:
    """How likely each candidate looks before anything is learned: likeness of its name and of the texts that vote for it."""
    column = {name: candidates.features[:, place].astype(np.float64) for place, name in enumerate(FEATURES)}
    likeness = np.maximum(column["cosine"], column["part_cosine"])
    return likeness + 0.7 * np.maximum(column["vote"], column["part_vote"]) + 0.3 * column["share_of_votes"]


def disturbed(name: str, dice: random.Random) -> str:
    """A name as somebody in a hurry writes it: without brackets and filling words, a character missing."""
    written = _BRACKETS.sub("", name)
    written = _DROPPED.sub(lambda match: "" if dice.random() < 0.6 else match.group(), written)
    characters = list(written)
    if len(characters) > 4 and dice.random() < 0.5:
        del characters[dice.randrange(len(characters))]
    return "".join(characters)


class Builder:
    """Adds the lists of one system."""

    def __init__(self, lists: Lists, tokens: PairTokens, finder: CandidateFinder, system: int, offset: int) -> None:
        self.lists, self.tokens, self.finder, self.system, self.offset = lists, tokens, finder, system, offset
        self.by_name = {folded: row for row, folded in enumerate(finder.folded)}

    def add(self, text: str, gold: frozenset[str], fold_number: int, leave_out: int | None, most: int | None = None) -> None:
        """Add a text's list.

        Args:
            text: as written.
            gold: folded names.
            fold_number: its fold, ``DEV`` or ``EXTRA``.
            leave_out: the memory's text that must not vote.
            most: candidates to keep, hardest first; all by default.
        """
        lists, finder = self.lists, self.finder
        parts = split(text, finder.table.is_name) or [Part(0, len(text), text)]
        found = finder.find(text, parts, leave_out)
        order = np.argsort(-hardness(found), kind="stable")[:most].tolist() if len(found.targets) else []
        whole = lists.add_row(self.tokens.alone(text))
        windows = [self.tokens.window(text, part) for part in parts]
        window_rows = [whole if ids == lists.rows[whole] else lists.add_row(ids) for ids in windows]
        lists.dense_row.append(whole)
        lists.dense_pair.append(window_rows[0])
        lists.dense_list.append(len(lists.whole))
        part_rows = [whole] * len(parts)
        if len(parts) > 1:
            for place, part in enumerate(parts):
                part_rows[place] = lists.add_row(self.tokens.alone(part.text))
                lists.dense_row.append(part_rows[place])
                lists.dense_pair.append(window_rows[place])
                lists.dense_list.append(len(lists.whole))
        wanted = [self.by_name[name] for name in sorted(gold) if name in self.by_name]
        targets = found.targets.tolist()
        for place in order:
            of_part = int(found.part[place])
            lists.name.append(self.offset + targets[place])
            lists.row.append(window_rows[of_part])
            lists.part_row.append(part_rows[of_part])
            lists.right.append(targets[place] in wanted)
            lists.retrieved.append(True)
        kept = {targets[place] for place in order}
        if fold_number != DEV:
            for target in wanted:
                if target not in kept:
                    lists.name.append(self.offset + target)
                    lists.row.append(window_rows[0])
                    lists.part_row.append(whole)
                    lists.right.append(True)
                    lists.retrieved.append(False)
        lists.pointers.append(len(lists.name))
        lists.system.append(self.system)
        lists.fold.append(fold_number)
        lists.whole.append(whole)
        lists.gold.append(([self.offset + target for target in wanted] + [-1] * GOLD)[:GOLD])


def short_vocabulary(tokenizer: Path, texts: Sequence[str]) -> tuple[dict[str, int], NDArray[np.int32]]:
    """Single characters of the pretrained vocabulary, missing ones of ``texts`` put into its unused rows.

    Returns:
        Token to row of the short vocabulary, and for each of its rows the row of the pretrained embedding.
    """
    full: dict[str, int] = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    counts: dict[str, int] = {}
    for text in texts:
        for character in spell(text):
            if not character.isspace() and character not in full:
                counts[character] = counts.get(character, 0) + 1
    full = assign_unused_slots(full, sorted(counts, key=lambda c: (-counts[c], c)))
    special = [PAD, UNKNOWN, CLS, SEP, MASK, SPACE_SLOT]
    kept = special + sorted(token for token in full if len(token) == 1)
    return {token: place for place, token in enumerate(kept)}, np.array([full[token] for token in kept], dtype=np.int32)


@dataclass(frozen=True)
class ListSettings:
    """How the lists are drawn up."""

    folds: int = 3
    """Training text ``i`` of a system is in fold ``i % folds``."""
    disturbed_names: tuple[int, ...] = (5000, 2500)
    """Names of each system's table to disturb."""
    seed: int = 1


def prepare(
    corpora: Path, tokenizer: Path, out: Path, aliases: Mapping[str, Sequence[tuple[str, str]]], settings: ListSettings
) -> dict[str, int]:
    """Write ``lists.npz`` and ``vocabulary.json`` to ``out``; returns counts.

    Args:
        corpora: root of the corpora.
        tokenizer: the pretrained encoder's ``tokenizer.json``.
        out: folder.
        aliases: by system, (alias, name) pairs; only those count whose name, and not the alias, stands in the table.
        settings: folds and numbers.
    """
    dice = random.Random(settings.seed)
    tables = {
        system: build_table(system, "training", "", read_table(corpora / "extraction" / "code_tables" / TABLES[system]))
        for system in SYSTEMS
    }
    coded = {
        system: {
            "train": load_coded(corpora, system, "train") + (load_coded(corpora, system, "extra") if system == "icd9cm3" else []),
            "dev": load_coded(corpora, system, "dev"),
        }
        for system in SYSTEMS
    }
    every = [name for table in tables.values() for name in table.names] + [text.text for part in coded.values() for text in part["train"]]
    vocabulary, rows = short_vocabulary(tokenizer, every)
    tokens = PairTokens(vocabulary)
    lists = Lists()
    names: list[list[int]] = []
    borders = [0]
    for number, system in enumerate(SYSTEMS):
        table = tables[system]
        train, dev = coded[system]["train"], coded[system]["dev"]
        memory = CodingMemory.build([(fold(text.text), tuple(sorted(text.folded))) for text in train])
        builder = Builder(lists, tokens, CandidateFinder(table, memory.bind(table)), number, borders[-1])
        for place, text in enumerate(train):
            builder.add(text.text, text.folded, place % settings.folds, place)
        for text in dev:
            builder.add(text.text, text.folded, DEV, None)
        for alias, name in aliases.get(system, ()):
            if table.is_name(fold(name)) and not table.is_name(fold(alias)):
                builder.add(alias, frozenset({fold(name)}), EXTRA, None, EXTRA_CANDIDATES)
        for row in dice.sample(range(len(table.names)), min(settings.disturbed_names[number], len(table.names))):
            builder.add(disturbed(table.names[row], dice), frozenset({fold(table.names[row])}), EXTRA, None, EXTRA_CANDIDATES)
        names += [tokens.name(name) for name in table.names]
        borders.append(len(names))
    arrays = {
        "vocabulary_rows": rows,
        "special": np.array([vocabulary[token] for token in (PAD, CLS, SEP, MASK)], dtype=np.int32),
        "name_tokens": np.array([token for ids in names for token in ids], dtype=np.uint16),
        "name_lengths": np.array([len(ids) for ids in names], dtype=np.uint8),
        "row_tokens": np.array([token for ids in lists.rows for token in ids], dtype=np.uint16),
        "row_lengths": np.array([len(ids) for ids in lists.rows], dtype=np.uint8),
        "borders": np.array(borders, dtype=np.int32),
        "pointers": np.array(lists.pointers, dtype=np.int32),
        "name": np.array(lists.name, dtype=np.uint16),
        "row": np.array(lists.row, dtype=np.int32),
        "part_row": np.array(lists.part_row, dtype=np.int32),
        "right": np.array(lists.right, dtype=bool),
        "retrieved": np.array(lists.retrieved, dtype=bool),
        "system": np.array(lists.system, dtype=np.int8),
        "fold": np.array(lists.fold, dtype=np.int8),
        "whole": np.array(lists.whole, dtype=np.int32),
        "gold": np.array(lists.gold, dtype=np.int32),
        "dense_row": np.array(lists.dense_row, dtype=np.int32),
        "dense_pair": np.array(lists.dense_pair, dtype=np.int32),
        "dense_list": np.array(lists.dense_list, dtype=np.int32),
    }
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "lists.npz", **arrays)  # type: ignore[arg-type]
    (out / "vocabulary.json").write_text(json.dumps(sorted(vocabulary, key=vocabulary.__getitem__), ensure_ascii=False), encoding="utf-8")
    return {"lists": len(lists.whole), "pairs": len(lists.name), "rows": len(lists.rows), "names": len(names), "vocabulary": len(rows)}
