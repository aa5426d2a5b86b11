"""Stage ``coding_pairs``: the network that judges a text beside a candidate name, trained for both systems at once.

    python -m training.stages.coding_pairs --data build/training/coding --weights $XINGLIN_CORPORA/weights/bge-small-zh-v1.5 \
        --out build/training/coding/pairs

Reads the lists of ``training.datasets.coding_pairs`` and needs no corpus. Trains one network on all training texts, for serving
and for dev texts, and one for each fold on the other folds' texts, whose judgements of its own fold teach the boosted rankers.
A step judges lists of candidates (every right name against its wrong ones, and each name by itself) and, in the same network,
brings the vectors of texts and of their names together. Its schedule is laid over seconds, not steps, so that the same command
fills whatever machine it is given; figures are therefore repeatable only nearly. Runs on a graphics card where there is one.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from training.device import mixed_precision
from training.networks.pair_encoder import PairEncoder, vectors

log = logging.getLogger("training.coding_pairs")

DEV, EXTRA = -1, -2
NEAREST = 30
"""Nearest names by vector that are kept of each text and part."""
EXIT_WEIGHTS = {2: 0.2, 3: 0.4, 4: 1.0}
SHARD = 14 * 2**20
"""Most bytes of one file of weights."""


@dataclass(frozen=True)
class PairSettings:
    """Settings of the network's training."""

    seconds: float = 140.0
    """Time of all networks' training together."""
    most_epochs: float = 8.0
    """Passes over the training lists after which a network is done, whatever time is left."""
    rate: float = 1.5e-4
    warm_up: float = 0.06
    weight_decay: float = 0.01
    lists: int = 48
    """Lists a step."""
    candidates: int = 20
    """Candidates of each list a step, the right ones among them."""
    most_wrong: int = 160
    """Candidates of a list that are ever drawn: the likeliest, and every right one."""
    in_vectors: int = 6
    """Names of each list that stand in the vectors' comparison."""
    temperature: float = 0.05
    vector_weight: float = 0.3
    masked_lists: float = 0.4
    masked_characters: float = 0.12
    extra_share: float = 0.4
    """Share of the lists of aliases and disturbed names in each pass."""
    seed: int = 1


class Lists:
    """The prepared arrays, tokens on the device and the rest here."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        with np.load(folder / "lists.npz", allow_pickle=False) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.device = device
        self.pad, self.cls, self.sep, self.mask = self.arrays["special"].tolist()
        self.name_lengths = self.arrays["name_lengths"].astype(np.int64)
        self.row_lengths = self.arrays["row_lengths"].astype(np.int64)
        self.names = self._padded("name")
        self.rows = self._padded("row")
        self.name_length = torch.from_numpy(self.name_lengths).to(device)
        self.row_length = torch.from_numpy(self.row_lengths).to(device)
        self.pointers = self.arrays["pointers"].astype(np.int64)
        self.name = self.arrays["name"].astype(np.int64)
        self.row = self.arrays["row"].astype(np.int64)
        self.fold = self.arrays["fold"]

    def _padded(self, kind: str) -> Tensor:
        lengths = self.arrays[f"{kind}_lengths"].astype(np.int64)
        table = np.full((len(lengths), int(lengths.max())), self.pad, dtype=np.int64)
        table[np.arange(table.shape[1])[None, :] < lengths[:, None]] = self.arrays[f"{kind}_tokens"]
        return torch.from_numpy(table).to(self.device)

    def pairs(self, row: Tensor, name: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, kinds and mask ``(pairs, width)`` of ``[CLS] text [SEP] name [SEP]``."""
        place = torch.arange(width, device=self.device)[None, :]
        text_length, name_length = self.row_length[row][:, None], self.name_length[name][:, None]
        text = self.rows[row].gather(1, (place - 1).clamp(0, self.rows.shape[1] - 1).expand(len(row), -1))
        second = self.names[name].gather(1, (place - 2 - text_length).clamp(0, self.names.shape[1] - 1))
        end = text_length + name_length + 2
        ids = torch.where(place <= text_length, text, torch.where(place < end, second, torch.full_like(second, self.pad)))
        ids = torch.where(place == 0, torch.full_like(ids, self.cls), ids)
        ids = torch.where((place == text_length + 1) | (place == end), torch.full_like(ids, self.sep), ids)
        return ids, ((place > text_length + 1) & (place <= end)).long(), place <= end

    def alone(self, table: Tensor, lengths: Tensor, chosen: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, kinds and mask ``(texts, width)`` of ``[CLS] text [SEP]``."""
        place = torch.arange(width, device=self.device)[None, :]
        length = lengths[chosen][:, None]
        ids = table[chosen].gather(1, (place - 1).clamp(0, table.shape[1] - 1).expand(len(chosen), -1))
        ids = torch.where(place <= length, ids, torch.full_like(ids, self.pad))
        ids = torch.where(place == 0, torch.full_like(ids, self.cls), ids)
        ids = torch.where(place == length + 1, torch.full_like(ids, self.sep), ids)
        return ids, torch.zeros_like(ids), place <= length + 1


@dataclass
class Batch:
    """One step's lists on the device."""

    row: Tensor
    """``(lists, candidates)``"""
    name: Tensor
    right: Tensor
    valid: Tensor
    whole: Tensor
    """``(lists,)`` rows of the texts."""
    in_vectors: Tensor
    """``(lists, in_vectors)`` names, a right one first."""
    gold: Tensor
    width: int
    name_width: int
    whole_width: int


def rounded(length: int) -> int:
    """Widths in steps of four, so that few shapes occur."""
    return -(-length // 4) * 4


class Sampler:
    """Draws lists and, of each, every right candidate and a share of the wrong ones, hard ones more often."""

    def __init__(self, lists: Lists, chosen: NDArray[np.int64], settings: PairSettings) -> None:
        self.lists, self.settings = lists, settings
        self.dice = np.random.default_rng(settings.seed)
        right = lists.arrays["right"]
        sums = np.concatenate(([0], np.cumsum(right)))
        has_right = sums[lists.pointers[1:]] > sums[lists.pointers[:-1]]
        self.chosen = chosen[has_right[chosen]]
        self.is_extra = lists.fold[self.chosen] == EXTRA
        lengths = np.diff(lists.pointers)[self.chosen]
        most = min(int(lengths.max()), settings.most_wrong)
        self.flat = np.zeros((len(self.chosen), most), dtype=np.int64)
        self.inside = np.arange(most)[None, :] < lengths[:, None]
        for place, (start, length) in enumerate(zip(lists.pointers[self.chosen].tolist(), lengths.tolist(), strict=True)):
            self.flat[place, : min(length, most)] = np.arange(start, start + min(length, most))
            if length > most:
                beyond = start + most + np.flatnonzero(right[start + most : start + length])[:most]
                self.flat[place, most - len(beyond) :] = beyond
        self.right = right[self.flat] & self.inside
        self.prior = -np.log(np.arange(most) + 8.0)[None, :].astype(np.float32)

    def epoch_length(self) -> int:
        """Steps of a pass."""
        extra = int(self.is_extra.sum() * self.settings.extra_share)
        return max(1, (int((~self.is_extra).sum()) + extra) // self.settings.lists)

    def epoch(self) -> Iterator[Batch]:
        """Batches of one pass, lists of like length together."""
        s, lists = self.settings, self.lists
        taken = np.flatnonzero(~self.is_extra | (self.dice.random(len(self.chosen)) < s.extra_share))
        keys = self.prior - np.log(-np.log(self.dice.random((len(taken), self.flat.shape[1]), dtype=np.float32) * 0.999998 + 1e-6))
        keys = np.where(self.right[taken], keys + 1e3, keys)
        keys = np.where(self.inside[taken], keys, -1e6)
        picked = np.argpartition(-keys, min(s.candidates, keys.shape[1]) - 1, axis=1)[:, : s.candidates]
        flat = np.take_along_axis(self.flat[taken], picked, 1)
        valid = np.take_along_axis(self.inside[taken], picked, 1)
        right = np.take_along_axis(self.right[taken], picked, 1)
        row, name = lists.row[flat], lists.name[flat]
        widths = np.where(valid, lists.row_lengths[row] + lists.name_lengths[name], 0).max(1) + 3
        whole = lists.arrays["whole"].astype(np.int64)[self.chosen[taken]]
        gold = lists.arrays["gold"].astype(np.int64)[self.chosen[taken]]
        wrong = np.where(valid & ~right, self.dice.random(valid.shape), 2.0).argsort(1)[:, : s.in_vectors - 1]
        first = np.where(right, self.dice.random(valid.shape), -1.0).argmax(1)[:, None]
        in_vectors = np.take_along_axis(name, np.concatenate((first, wrong), 1), 1)

        order = self.dice.permutation(len(taken))
        stretch = s.lists * 24
        batches = []
        for start in range(0, len(order), stretch):
            part = order[start : start + stretch]
            part = part[np.argsort(widths[part], kind="stable")]
            batches += [part[i : i + s.lists] for i in range(0, len(part), s.lists)]
        device = lists.device
        on = {
            "row": torch.from_numpy(row).to(device),
            "name": torch.from_numpy(name).to(device),
            "right": torch.from_numpy(right).to(device),
            "valid": torch.from_numpy(valid).to(device),
            "whole": torch.from_numpy(whole).to(device),
            "in_vectors": torch.from_numpy(in_vectors).to(device),
            "gold": torch.from_numpy(gold).to(device),
        }
        for number in self.dice.permutation(len(batches)):
            batch = batches[number]
            at = torch.from_numpy(batch).to(device)
            yield Batch(
                **{key: value[at] for key, value in on.items()},
                width=rounded(int(widths[batch].max())),
                name_width=rounded(int(lists.name_lengths[in_vectors[batch]].max()) + 2),
                whole_width=rounded(int(lists.row_lengths[whole[batch]].max()) + 2),
            )


def list_loss(logits: Tensor, right: Tensor, valid: Tensor) -> Tensor:
    """Each right name against the list's wrong ones (softmax), and each name by itself.

    Args:
        logits: ``(exits, lists, candidates)``
        right: ``(lists, candidates)``
        valid: ``(lists, candidates)``
    """
    wrong = torch.logsumexp(logits.masked_fill((right | ~valid)[None], -1e4), dim=-1, keepdim=True)
    against = functional.softplus(wrong - logits) * right[None]
    each = functional.binary_cross_entropy_with_logits(logits, right[None].float().expand_as(logits), reduction="none") * valid[None]
    return (against.sum((1, 2)) / right.sum()) + 4.0 * each.sum((1, 2)) / valid.sum()


def vector_loss(texts: Tensor, names: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Each text's vector against all names of the step; other right names of the text do not count as wrong.

    Args:
        texts: ``(exits, lists, hidden)``
        names: ``(exits, lists * in_vectors, hidden)``, the right name of list ``i`` at ``i * in_vectors``.
        batch: the step.
        temperature: of the softmax.
    """
    likeness = texts @ names.transpose(1, 2) / temperature
    count = batch.in_vectors.shape[1]
    own = torch.arange(len(batch.whole), device=texts.device) * count
    also_right = (batch.in_vectors.reshape(1, -1, 1) == batch.gold[:, None, :]).any(-1)
    also_right[torch.arange(len(own), device=texts.device), own] = False
    likeness = likeness.masked_fill(also_right[None], -1e4)
    exits = likeness.shape[0]
    return functional.cross_entropy(likeness.reshape(exits * len(own), -1), own.repeat(exits), reduction="none").view(exits, -1).mean(1)


def train(network: PairEncoder, lists: Lists, chosen: NDArray[np.int64], seconds: float, settings: PairSettings) -> dict[str, Any]:
    """Train on the chosen lists; returns what was done."""
    sampler = Sampler(lists, chosen, settings)
    judges = [parameter for name, parameter in network.named_parameters() if name.startswith("judges.")]
    others = [parameter for name, parameter in network.named_parameters() if not name.startswith("judges.")]
    groups = [{"params": others, "lr": 1.0}, {"params": judges, "lr": 4.0}]
    optimiser = torch.optim.AdamW(groups, weight_decay=settings.weight_decay, betas=(0.9, 0.98), fused=lists.device.type == "cuda")
    weights = torch.tensor([EXIT_WEIGHTS.get(number, 1.0) for number in network.exits], device=lists.device)
    last = settings.most_epochs * sampler.epoch_length()
    network.train()
    began, step, progress = time.monotonic(), 0, 0.0
    losses: list[Tensor] = []
    tokens = 0
    while progress < 1.0:
        for batch in sampler.epoch():
            progress = max((time.monotonic() - began) / seconds, step / last)
            if progress >= 1.0:
                break
            factor = min(1.0, progress / settings.warm_up, (1.0 - progress) / (1.0 - settings.warm_up)) if step else 1e-3
            for group, times in zip(optimiser.param_groups, (1.0, 4.0), strict=True):
                group["lr"] = settings.rate * factor * times
            shape = batch.name.shape
            with mixed_precision(lists.device):
                ids, kinds, mask = lists.pairs(batch.row.reshape(-1), batch.name.reshape(-1), batch.width)
                masked = torch.rand(len(batch.whole), 1, 1, device=lists.device) < settings.masked_lists
                hidden = torch.rand(len(batch.whole), 1, batch.width, device=lists.device) < settings.masked_characters
                hidden = (masked & hidden).expand(-1, shape[1], -1).reshape(ids.shape) & (kinds == 0) & mask
                hidden &= (ids != lists.cls) & (ids != lists.sep)
                ids = torch.where(hidden, torch.full_like(ids, lists.mask), ids)
                logits = network.logits(network.states(ids, kinds, mask)).view(-1, *shape)
                texts = vectors(network.states(*lists.alone(lists.rows, lists.row_length, batch.whole, batch.whole_width)))
                names = network.states(*lists.alone(lists.names, lists.name_length, batch.in_vectors.reshape(-1), batch.name_width))
            pair = list_loss(logits, batch.right, batch.valid)
            both = pair + settings.vector_weight * vector_loss(texts, vectors(names), batch, settings.temperature)
            loss = (both * weights).sum()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            tokens += ids.numel() + batch.whole_width * len(batch.whole) + batch.name_width * batch.in_vectors.numel()
            losses.append(pair[-1].detach())
            step += 1
            if step % 100 == 0:
                recent = torch.stack(losses[-100:]).mean().item()
                log.info(
                    "step %d, %.0f %%, list loss %.3f, %.0f tokens/s", step, 100 * progress, recent, tokens / (time.monotonic() - began)
                )
    spent = time.monotonic() - began
    ended = torch.stack(losses[-100:]).mean().item() if losses else 0.0
    epochs = step / sampler.epoch_length()
    return {"steps": step, "epochs": round(epochs, 2), "seconds": round(spent, 1), "list_loss": round(ended, 4)}


@torch.no_grad()
def judged(network: PairEncoder, lists: Lists, row: NDArray[np.int64], name: NDArray[np.int64], at_once: int) -> NDArray[np.float16]:
    """Logits ``(exits, pairs)``."""
    network.eval()
    widths = lists.row_lengths[row] + lists.name_lengths[name] + 3
    order = np.argsort(widths, kind="stable")
    found = torch.empty((len(network.exits), len(row)), dtype=torch.float32, device=lists.device)
    for start in range(0, len(order), at_once):
        part = order[start : start + at_once]
        at = torch.from_numpy(part).to(lists.device)
        rows, names = torch.from_numpy(row[part]).to(lists.device), torch.from_numpy(name[part]).to(lists.device)
        with mixed_precision(lists.device):
            found[:, at] = network.logits(network.states(*lists.pairs(rows, names, rounded(int(widths[part].max())))))
    return found.cpu().numpy().astype(np.float16)


@torch.no_grad()
def embedded(network: PairEncoder, lists: Lists, kind: str, chosen: NDArray[np.int64], at_once: int) -> Tensor:
    """Vectors ``(texts, hidden)`` of rows or names, from the last exit."""
    network.eval()
    table, lengths, here = (
        (lists.rows, lists.row_length, lists.row_lengths) if kind == "row" else (lists.names, lists.name_length, lists.name_lengths)
    )
    order = np.argsort(here[chosen], kind="stable")
    found = torch.empty((len(chosen), network.words.weight.shape[1]), device=lists.device)
    for start in range(0, len(order), at_once):
        part = order[start : start + at_once]
        at = torch.from_numpy(part).to(lists.device)
        wanted = torch.from_numpy(chosen[part]).to(lists.device)
        with mixed_precision(lists.device):
            found[at] = vectors(network.states(*lists.alone(table, lengths, wanted, rounded(int(here[chosen[part]].max()) + 2))))[-1]
    return found


@dataclass
class Judgements:
    """What the networks say of every coded text, each judged by a network that did not learn it."""

    logits: NDArray[np.float16]
    """``(exits, candidates)`` of the prepared lists."""
    cosine: NDArray[np.float16]
    """``(candidates,)`` of the text's and the name's vectors."""
    part_cosine: NDArray[np.float16]
    near_name: NDArray[np.uint16]
    """``(dense rows, NEAREST)`` nearest names of each text and part."""
    near_cosine: NDArray[np.float16]
    near_logits: NDArray[np.float16]
    """``(exits, dense rows, NEAREST)``"""

    @classmethod
    def empty(cls, exits: int, candidates: int, dense: int) -> Judgements:
        """Not a number everywhere."""
        return cls(
            np.full((exits, candidates), np.nan, np.float16),
            np.full(candidates, np.nan, np.float16),
            np.full(candidates, np.nan, np.float16),
            np.zeros((dense, NEAREST), np.uint16),
            np.full((dense, NEAREST), np.nan, np.float16),
            np.full((exits, dense, NEAREST), np.nan, np.float16),
        )

    def fill(self, network: PairEncoder, lists: Lists, chosen: NDArray[np.int64], at_once: int) -> None:
        """Judge the candidates and the nearest names of the chosen lists."""
        arrays = lists.arrays
        is_chosen = np.zeros(len(lists.fold), dtype=bool)
        is_chosen[chosen] = True
        owner = np.repeat(np.arange(len(lists.fold)), np.diff(lists.pointers))
        flat = np.flatnonzero(is_chosen[owner])
        self.logits[:, flat] = judged(network, lists, lists.row[flat], lists.name[flat], at_once)
        names = embedded(network, lists, "name", np.arange(len(lists.name_lengths)), at_once)
        rows = np.unique(np.concatenate((arrays["whole"][chosen], arrays["dense_row"])))
        of_rows = embedded(network, lists, "row", rows.astype(np.int64), at_once)
        for start in range(0, len(flat), 65536):
            part = flat[start : start + 65536]
            wanted = names[torch.from_numpy(lists.name[part]).to(lists.device)]
            for kept, row in ((self.cosine, arrays["whole"][owner[part]]), (self.part_cosine, arrays["part_row"][part])):
                mine = of_rows[torch.from_numpy(np.searchsorted(rows, row)).to(lists.device)]
                kept[part] = (mine * wanted).sum(1).cpu().numpy()
        dense = np.flatnonzero(is_chosen[arrays["dense_list"]])
        for system in (0, 1):
            low, high = arrays["borders"][system : system + 2].tolist()
            here = dense[arrays["system"][arrays["dense_list"][dense]] == system]
            for start in range(0, len(here), 1024):
                part = here[start : start + 1024]
                mine = of_rows[torch.from_numpy(np.searchsorted(rows, arrays["dense_row"][part])).to(lists.device)]
                likeness, place = (mine @ names[low:high].T).topk(NEAREST, dim=1)
                self.near_cosine[part] = likeness.cpu().numpy()
                self.near_name[part] = place.cpu().numpy() + low
        row = np.repeat(arrays["dense_pair"][dense].astype(np.int64), NEAREST)
        near = judged(network, lists, row, self.near_name[dense].astype(np.int64).ravel(), at_once)
        self.near_logits[:, dense] = near.reshape(-1, len(dense), NEAREST)

    def write(self, out: Path, exits: tuple[int, ...]) -> None:
        """Two files: candidates of the lists, and nearest names."""
        near = {name: value for name, value in vars(self).items() if name.startswith("near_")}
        others = {name: value for name, value in vars(self).items() if name not in near}
        np.savez_compressed(out / "judgements.npz", exits=np.array(exits), **others)
        np.savez_compressed(out / "nearest.npz", **near)


def first_right(judgements: Judgements, lists: Lists, chosen: NDArray[np.int64]) -> dict[str, float]:
    """Share of lists whose candidate of highest logit is right, at each exit, and of gold names among candidates and nearest names."""
    hits = np.zeros(len(judgements.logits))
    gold = retrieved = widened = 0
    dense_of: dict[int, list[int]] = {}
    for place, owner in enumerate(lists.arrays["dense_list"].tolist()):
        dense_of.setdefault(owner, []).append(place)
    for number in chosen.tolist():
        inside = slice(lists.pointers[number], lists.pointers[number + 1])
        right = lists.arrays["right"][inside] & lists.arrays["retrieved"][inside]
        if not len(right):
            continue
        hits += right[judgements.logits[:, inside].argmax(1)]
        wanted = {name for name in lists.arrays["gold"][number].tolist() if name >= 0}
        known = set(lists.name[inside][right].tolist())
        near = {name for place in dense_of[number] for name in judgements.near_name[place].tolist()}
        gold, retrieved, widened = gold + len(wanted), retrieved + len(wanted & known), widened + len(wanted & (known | near))
    first = {f"first_right_exit_{place}": round(float(hit) / len(chosen), 4) for place, hit in enumerate(hits)}
    return {**first, "retrieved": round(retrieved / max(gold, 1), 4), "retrieved_or_near": round(widened / max(gold, 1), 4)}


def write_weights(network: PairEncoder, out: Path) -> list[str]:
    """The weights in float16, in files of at most ``SHARD`` bytes."""
    files: list[str] = []
    shard: dict[str, Tensor] = {}
    size = 0

    def close() -> None:
        files.append(f"weights_{len(files)}.safetensors")
        save_file(shard, str(out / files[-1]))

    for name, value in network.state_dict().items():
        half = value.detach().cpu().half().contiguous()
        if shard and size + half.numel() * 2 > SHARD:
            close()
            shard, size = {}, 0
        shard[name] = half
        size += half.numel() * 2
    close()
    return files


def new_network(lists: Lists, weights: Path | None, seed: int) -> PairEncoder:
    """The pretrained network, or (no weights) a small random one for a trial."""
    torch.manual_seed(seed)
    rows = torch.from_numpy(lists.arrays["vocabulary_rows"].astype(np.int64))
    network = PairEncoder.pretrained(weights, rows) if weights is not None else PairEncoder(len(rows), 32, 2, 2, 64)
    return network.to(lists.device)


def run(data: Path, out: Path, weights: Path | None, settings: PairSettings) -> dict[str, Any]:
    """Train all networks; write the full one's weights and the judgements; returns figures."""
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lists = Lists(data, device)
    out.mkdir(parents=True, exist_ok=True)
    folds = int(lists.fold.max()) + 1
    at_once = 4096 if device.type == "cuda" else 256
    shares = 1.0 + folds * (folds - 1) / folds
    report: dict[str, Any] = {"device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu", "folds": {}}
    judgements: Judgements | None = None
    for fold_number in [DEV, *range(folds)]:
        learned = np.flatnonzero((lists.fold != DEV) & (lists.fold != fold_number))
        network = new_network(lists, weights, settings.seed)
        seconds = settings.seconds / shares * (1.0 if fold_number == DEV else (folds - 1) / folds)
        done = train(network, lists, learned, seconds, settings)
        if fold_number == DEV:
            report |= {"weights": write_weights(network, out), "heads": network.layers[0].heads}
        if judgements is None:
            judgements = Judgements.empty(len(network.exits), len(lists.name), len(lists.arrays["dense_row"]))
        began = time.monotonic()
        held = np.flatnonzero(lists.fold == fold_number)
        judgements.fill(network, lists, held, at_once)
        done["judging_seconds"] = round(time.monotonic() - began, 1)
        for system, name in ((0, "icd10"), (1, "icd9cm3")):
            done[name] = first_right(judgements, lists, held[lists.arrays["system"][held] == system])
        report["folds"]["all" if fold_number == DEV else str(fold_number)] = done
        log.info("%s %s", "all" if fold_number == DEV else fold_number, done)
        judgements.write(out, network.exits)
        (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="folder of the pretrained encoder; a small random network without it")
    parser.add_argument("--seconds", type=float, default=PairSettings.seconds)
    parser.add_argument("--most-epochs", type=float, default=PairSettings.most_epochs)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = PairSettings(seconds=arguments.seconds, most_epochs=arguments.most_epochs)
    report = run(arguments.data, arguments.out, arguments.weights, settings)
    print(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
