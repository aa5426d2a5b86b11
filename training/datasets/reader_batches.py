"""Batches for the span reader: one corpus and similar lengths in each, a fixed budget of tokens."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from inference.reading.tokens import CharacterTokeniser
from training.datasets.extraction import (
    ASSERTIONS,
    CHANNEL_INDEX,
    CORPORA,
    DIALOGUE_STATUSES,
    Document,
    active_channels,
    cut_document,
    join_short,
    swapped,
)
from training.networks.span_reader import BAND


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a corpus one round reads; ``swapped`` is the part of it in the exchanged wording."""

    documents: float
    swapped: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Tensors of one batch, all of one corpus."""

    corpus: str
    channels: list[int]
    ids: Tensor
    """``(batch, length + 2)``"""
    mask: Tensor
    """``(batch, length + 2)``, 1 for real tokens."""
    positive: Tensor
    """``(batch, channels, length, BAND)`` bool."""
    valid: Tensor
    """Same shape: cells that count."""
    span_rows: Tensor
    span_starts: Tensor
    span_ends: Tensor
    statuses: Tensor
    """Assertion class of each span in the three tensors before it."""
    dialogue: bool

    def to(self, device: torch.device) -> Batch:
        """The same batch with its tensors on a device."""
        moved: dict[str, Any] = {
            field.name: value.to(device, non_blocking=True)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)


class Plan(Dataset[Batch]):
    """The batches of one round, collated when they are asked for (by worker processes, where a loader has some)."""

    def __init__(self, members: Sequence[Sequence[Document]], tokeniser: CharacterTokeniser) -> None:
        self.members = members
        self.tokeniser = tokeniser

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, place: int) -> Batch:
        return collate(self.members[place], self.tokeniser)


def missing_characters(texts: Iterable[str], tokeniser: CharacterTokeniser, at_least: int = 3) -> list[str]:
    """Characters of the texts that the vocabulary lacks, most frequent first."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    return [
        character for character, count in counts.most_common() if count >= at_least and tokeniser.identify(character) == tokeniser.unknown
    ]


def collate(documents: Sequence[Document], tokeniser: CharacterTokeniser) -> Batch:
    """Tensors of documents of one corpus."""
    corpus = documents[0].corpus
    names = active_channels(corpus)
    channels = [CHANNEL_INDEX[name] for name in names]
    position = {name: index for index, name in enumerate(names)}
    product = CORPORA[corpus].product
    length = max(len(document.text) for document in documents)
    size = len(documents)
    ids = np.full((size, length + 2), tokeniser.pad, dtype=np.int64)
    mask = np.zeros((size, length + 2), dtype=np.int64)
    positive = np.zeros((size, len(names), length, BAND), dtype=bool)
    valid = np.zeros((size, len(names), length, BAND), dtype=bool)
    classes = DIALOGUE_STATUSES if corpus == "cmdd" else ASSERTIONS
    spans: list[tuple[int, int, int, int]] = []
    for row, document in enumerate(documents):
        n = len(document.text)
        ids[row, : n + 2] = tokeniser.encode(document.text)
        mask[row, : n + 2] = 1
        starts, widths = np.arange(n)[:, None], np.arange(BAND)[None]
        valid[row, :, :n] = starts + widths < n
        for low, high in document.masked:
            if high - low <= BAND:
                for name, index in position.items():
                    if name.startswith("product:"):
                        valid[row, index, low, high - low - 1] = False
        for span in document.spans:
            width = span.end - span.start
            if not 0 < width <= BAND:
                continue
            if corpus != "sentences":
                positive[row, position[f"{corpus}:{span.type}"], span.start, width - 1] = True
            if span.type in product:
                positive[row, position[f"product:{product[span.type]}"], span.start, width - 1] = True
            if span.status in classes:
                spans.append((row, span.start, span.end, classes.index(span.status)))
    table = torch.tensor(sorted(set(spans)), dtype=torch.long).reshape(-1, 4)
    return Batch(
        corpus, channels, torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(positive), torch.from_numpy(valid),
        table[:, 0], table[:, 1], table[:, 2], table[:, 3], corpus == "cmdd",
    )  # fmt: skip


def plan_round(
    corpora: Mapping[str, Sequence[Document]],
    shares: Mapping[str, Share],
    seed: int,
    window: int,
    token_budget: int,
) -> list[list[Document]]:
    """The batches of one round: sampled, cut at random places, grouped by corpus and length, shuffled.

    ``corpora`` goes by source name (``ccks2020_new`` stands beside ``ccks2019``). The plan depends on the seed alone, so
    that an interrupted round goes on where it stopped.
    """
    rng = random.Random(seed)
    pieces: dict[str, list[Document]] = {}
    for name, documents in corpora.items():
        share = shares[name]
        whole, part = divmod(share.documents, 1.0)
        chosen = list(documents) * int(whole) + rng.sample(list(documents), round(part * len(documents)))
        if name == "imcs_utt":
            rng.shuffle(chosen)
            chosen = join_short(chosen, window // 2)
        for document in chosen:
            turned = swapped(document) if rng.random() < share.swapped else document
            pieces.setdefault(document.corpus, []).extend(cut_document(turned, window, rng))
    batches: list[list[Document]] = []
    for documents_of_corpus in pieces.values():
        rng.shuffle(documents_of_corpus)
        ordered = sorted(documents_of_corpus, key=lambda document: len(document.text) // 12)
        batch: list[Document] = []
        longest = 0
        for document in ordered:
            longest = max(longest, len(document.text) + 2)
            if batch and longest * (len(batch) + 1) > token_budget:
                batches.append(batch)
                batch, longest = [], len(document.text) + 2
            batch.append(document)
        if batch:
            batches.append(batch)
    rng.shuffle(batches)
    return batches
