"""Stage `ranker_train`: the bi-encoder, contrastively over all disease views at once.

    python -m training.stages.ranker_train

Every step takes a batch of one kind: records with diseases, all sources mixed (softmax over every view of the knowledge base:
the positive's view, exam options and a differential's view encoded live, all others from a cached matrix that is refreshed;
and softmax over a learned centre of each disease, which draws a disease's own records together), records with one of a set's
class names (softmax over that set's names), or symptom lists with encyclopaedia names (in-batch). The centres are left behind:
a bundle holds views and what is taught over vectors. Resumable: weights, averaged weights and position are checkpointed.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from inference.ranking.names import NameIndex, normalise_name
from inference.ranking.profiles import all_views, name_view
from knowledge_base.compiled import KnowledgeBase, load
from training.datasets.diagnosis import corpora, encyclopaedia
from training.device import device_at_hand, mixed_precision
from training.networks.bi_encoder import BiEncoder, mended_tokenizer, of_released, of_weights, pretrained, small_tokenizer, tiny
from training.parameters import Parameters, load_block
from training.stages.ranker_corpora import OUT as QUERIES
from training.tracking import run_of

log = logging.getLogger("training.ranker")
FOLDER = Path("build/training/ranker")
WEIGHTS = Path("weights") / "bge-small-zh-v1.5"
ROWS_A_PASS = {"cpu": 16, "cuda": 128}
"""Texts encoded at once: few on a processor, where padding costs more than a pass."""
CLASS_SOURCES = ("triage", "mz10", "mz4", "dxy")


class RankerParameters(Parameters):
    """Settings of the bi-encoder's training."""

    minutes: float = 60.0
    learning_rate: float = 8e-5
    warmup_steps: int = 40
    temperature: float = 0.05
    token_budget: int = 3200
    """Tokens of a batch's records."""
    most_rows: int = 48
    """Records of a batch at most."""
    max_query_tokens: int = 160
    max_view_tokens: int = 64
    centres_weight: float = 1.0
    """Weight of the softmax over the diseases' centres."""
    further_share: float = 0.1
    """Share of a record's further diagnoses in that softmax; the main one has the rest."""
    stretch: float = 0.3
    """Share of records from which a stretch is left out."""
    probed: int = 200
    """Held-out authored records that are ranked by views alone at each refresh."""
    options_weight: float = 0.5
    """Weight of choosing the answer among an exam's options, or a disease among its differential."""
    refresh_steps: int = 200
    average_every: int = 5
    average_decay: float = 0.98
    threads: int = 1
    seed: int = 7
    tiny: bool = False
    warm_start: str | None = None
    """Folder of an earlier run (its averaged weights) or of a released bundle (its int8 graph) to start from, with its tokenizer."""
    shares: dict[str, float] = Field(
        default={
            "authored": 0.30,
            "presentation": 0.10,
            "synthesised": 0.12,
            "vignettes": 0.14,
            "ai_hospital": 0.08,
            "jmed": 0.07,
            "ccl": 0.02,
            "reports": 0.02,
            "triage": 0.14,
            "mz10": 0.02,
            "mz4": 0.01,
            "dxy": 0.01,
            "encyclopaedia": 0.07,
        }
    )


@dataclass
class Texts:
    """Token ids of texts, cut once."""

    ids: list[list[int]]

    @classmethod
    def of(cls, tokenizer: Tokenizer, texts: Sequence[str], limit: int) -> Texts:
        """Tokenise and truncate (the closing token kept)."""
        found = []
        for encoding in tokenizer.encode_batch(list(texts)):
            ids = encoding.ids
            found.append(ids if len(ids) <= limit else ids[: limit - 1] + ids[-1:])
        return cls(found)


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of ids as a padded matrix and its mask."""
    width = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids, (torch.arange(width)[None, :] < torch.tensor([len(row) for row in rows])[:, None]).long()


@dataclass
class DiseaseBatch:
    """Queries with their documents: which is a query's own, which is its answer's bare name, what counts as right."""

    rows: list[int] = field(default_factory=list)
    documents: list[list[int]] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    positives: list[set[int]] = field(default_factory=list)
    choices: list[tuple[int, list[int]]] = field(default_factory=list)

    def add_query(self, row: int, document: list[int], target: int, positives: set[int]) -> None:
        """A row with its own document."""
        self.rows.append(row)
        self.own.append(self.add_document(document, target))
        self.answers.append(-1)
        self.positives.append(positives)

    def add_document(self, document: list[int], target: int) -> int:
        """A document of a target (-1: none of the knowledge base); its place."""
        self.documents.append(document)
        self.targets.append(target)
        return len(self.documents) - 1


class Trainer:
    """Holds the data, the cached matrices and the model of one run."""

    def __init__(self, kb: KnowledgeBase, rows: list[dict[str, Any]], parameters: RankerParameters, folder: Path) -> None:
        self.kb, self.p, self.folder = kb, parameters, folder
        self.rng = random.Random(parameters.seed)
        torch.manual_seed(parameters.seed)
        folder.mkdir(parents=True, exist_ok=True)
        self.view_texts, self.view_targets = all_views(kb)
        self.names = NameIndex(kb)
        root = os.environ.get("XINGLIN_CORPORA")
        source = Path(root) / WEIGHTS if root and not parameters.tiny else None
        every, rows = rows, [row for row in rows if row["split"] == "train"]
        vocabulary_texts = [*self.view_texts, *(row["text"] for row in rows)]
        if parameters.warm_start is not None:
            earlier = Path(parameters.warm_start)
            shutil.copy(earlier / "tokenizer.json", folder / "tokenizer.json")
            graph = earlier / "model.onnx"
            self.model = (of_released(graph) if graph.is_file() else load_averaged(earlier, source=source)).train()
        elif source is not None:
            mended_tokenizer(source, vocabulary_texts, folder / "tokenizer.json")
            self.model = pretrained(source)
        else:
            log.warning("no pretrained encoder: starting from a small random one")
            self.model = tiny(small_tokenizer(vocabulary_texts, folder / "tokenizer.json"))
        self.device = device_at_hand()
        self.model.to(self.device)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.tokenizer = tokenizer
        self.views = Texts.of(tokenizer, self.view_texts, parameters.max_view_tokens)
        held = [row for row in every if row["split"] == "authored_dev" and row["labels"]]
        held = held[:: max(1, len(held) // max(1, parameters.probed))]
        self.probe_labels = [row["labels"][0] for row in held]
        self.probe_texts = Texts.of(tokenizer, [row["text"] for row in held], parameters.max_query_tokens)
        self.rows = rows
        self.queries = Texts.of(tokenizer, [row["text"] for row in rows], parameters.max_query_tokens)
        self.by_source: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            self.by_source.setdefault(row["source"], []).append(i)
        self.views_of: dict[str, list[int]] = {}
        for i, target in enumerate(self.view_targets):
            self.views_of.setdefault(target, []).append(i)
        self.target_number = {t: n for n, t in enumerate(self.views_of)}
        self.view_number = torch.tensor([self.target_number[t] for t in self.view_targets], device=self.device)
        self.categories = {d.id: set(d.categories) for d in kb.diseases.values()} | {t.id: {t.code} for t in kb.thin.values()}
        self.class_sets = {
            source: sorted({label for i in members for label in rows[i]["labels"] if label.startswith("name:")})
            for source, members in self.by_source.items()
            if source in CLASS_SOURCES
        }
        self.class_views = {s: Texts.of(tokenizer, [name_view((n[5:],)) for n in names], 32) for s, names in self.class_sets.items()}
        folder_corpora = corpora()
        self.encyclopaedia = encyclopaedia(folder_corpora) if folder_corpora is not None and not parameters.tiny else []
        self.centres = torch.nn.Parameter(torch.zeros(len(self.target_number), self.model.encoder.config.hidden_size, device=self.device))
        self.name_tokens: dict[str, list[int]] = {}
        self.cached: Tensor = torch.zeros(0)
        self.cached_classes: dict[str, Tensor] = {}
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.step = 0
        self.spent = 0.0

    # -- encoding --------------------------------------------------------------------------------------------------

    def encode(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Live vectors with gradients, encoded in order of length to spare padding."""
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        vectors: list[Tensor] = []
        size = ROWS_A_PASS[self.device.type]
        for start in range(0, len(order), size):
            ids, mask = padded([rows[i] for i in order[start : start + size]])
            with mixed_precision(self.device):
                vectors.append(self.model(ids.to(self.device), mask.to(self.device)))
        stacked = torch.cat(vectors)
        return stacked[torch.tensor(order).argsort().to(self.device)]

    @torch.no_grad()
    def encode_frozen(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Vectors without gradients."""
        self.model.eval()
        vectors = self.encode(rows)
        self.model.train()
        return vectors

    def refresh(self) -> None:
        """Encode every view and class name anew."""
        self.cached = self.encode_frozen(self.views.ids)
        self.cached_classes = {s: self.encode_frozen(t.ids) for s, t in self.class_views.items()}

    @torch.no_grad()
    def start_centres(self) -> None:
        """Each disease's centre begins where its views lie."""
        sums = torch.zeros_like(self.centres).index_add_(0, self.view_number, self.cached)
        self.centres.copy_(torch.nn.functional.normalize(sums, dim=1))

    def probe(self) -> dict[str, float]:
        """Share of probed records whose main disease is the first, or among three, by views alone."""
        if not self.probe_labels:
            return {}
        nearest = torch.full((len(self.probe_labels), len(self.target_number)), -2.0, device=self.device)
        cosines = self.encode_frozen(self.probe_texts.ids) @ self.cached.T
        nearest.scatter_reduce_(1, self.view_number[None].expand_as(cosines), cosines, "amax")
        own = torch.tensor([self.target_number.get(label, 0) for label in self.probe_labels], device=self.device)
        ranks = (nearest > nearest.gather(1, own[:, None])).sum(1)
        return {"probe_top1": float((ranks < 1).float().mean()), "probe_top3": float((ranks < 3).float().mean())}

    # -- batches ---------------------------------------------------------------------------------------------------

    def take(self, shares: dict[str, float]) -> list[int]:
        """Random rows, each of a source drawn by its share, within the token budget."""
        found: dict[int, None] = {}
        tokens = 0
        for source in self.rng.choices(list(shares), list(shares.values()), k=self.p.most_rows):
            row = self.rng.choice(self.by_source[source])
            tokens += 0 if row in found else len(self.queries.ids[row])
            if tokens > self.p.token_budget and len(found) >= 4:
                break
            found[row] = None
        return list(found)

    def _positive(self, row: dict[str, Any]) -> tuple[str, list[str]]:
        """One sampled positive target and all positive targets of a row."""
        labels: list[str] = []
        for label in row["labels"]:
            if label in self.target_number:
                labels.append(label)
            elif label.startswith("icd10:"):
                labels += [t for t in self.kb.by_category.get(label[6:], ())[:1] if t in self.target_number]
        weights = [1.0] + [0.4] * (len(labels) - 1)
        return (self.rng.choices(labels, weights[: len(labels)])[0], labels) if labels else ("", [])

    def disease_loss(self, members: Sequence[int]) -> Tensor | None:
        """Softmax over every view of the knowledge base, and over the options where a row has some."""
        batch = DiseaseBatch()
        for i in members:
            self._add_row(batch, i)
        if len(batch.rows) < 2:
            return None
        queries = self.encode([self._dropped(i) for i in batch.rows])
        live = self.encode(batch.documents)
        logits_live = queries @ live.T / self.p.temperature
        logits_cached = queries @ self.cached.T / self.p.temperature
        right = np.zeros((len(batch.rows), len(self.target_number) + 1), dtype=bool)
        for place, positives in enumerate(batch.positives):
            right[place, sorted(positives)] = True
        also_right = right[:, batch.targets]
        places = np.arange(len(batch.rows))
        answered = np.array(batch.answers) >= 0
        also_right[places[answered], np.array(batch.answers)[answered]] = True
        also_right[places, batch.own] = False
        mask_live = torch.from_numpy(also_right).to(self.device)
        mask_cached = torch.from_numpy(right).to(self.device)[:, self.view_number]
        logits = torch.cat([logits_live.masked_fill(mask_live, -1e4), logits_cached.masked_fill(mask_cached, -1e4)], dim=1)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(batch.own, device=self.device))
        if batch.choices:
            loss = loss + self.p.options_weight * self.choice_loss(logits_live, batch.choices)
        return loss + self.p.centres_weight * self.centres_loss(queries, batch.rows)

    def choice_loss(self, logits: Tensor, choices: Sequence[tuple[int, list[int]]]) -> Tensor:
        """Softmax over each query's options alone, the answer first; `logits` (queries, documents)."""
        most = max(len(places) for _, places in choices)
        columns = torch.tensor([places + places[:1] * (most - len(places)) for _, places in choices], device=self.device)
        absent = torch.tensor([[k >= len(places) for k in range(most)] for _, places in choices], device=self.device)
        rows = torch.tensor([query for query, _ in choices], device=self.device)
        among = logits[rows[:, None], columns].masked_fill(absent, -1e4)
        return torch.nn.functional.cross_entropy(among, torch.zeros(len(choices), dtype=torch.long, device=self.device))

    def centres_loss(self, queries: Tensor, rows: Sequence[int]) -> Tensor:
        """Softmax over the centres of all diseases, further diagnoses with a small share."""
        share = torch.zeros(len(rows), len(self.target_number))
        for place, i in enumerate(rows):
            labels = list(dict.fromkeys(self._positive(self.rows[i])[1]))
            for position, label in enumerate(labels):
                further = self.p.further_share / max(1, len(labels) - 1)
                share[place, self.target_number[label]] = further if position else 1.0 - self.p.further_share * (len(labels) > 1)
        share = share.to(self.device)
        logits = queries @ torch.nn.functional.normalize(self.centres, dim=1).T / self.p.temperature
        judged = share.sum(1)
        return -(torch.log_softmax(logits, dim=1) * share).sum() / judged.sum().clamp(min=1)

    def _add_row(self, batch: DiseaseBatch, i: int) -> None:
        """Add a row's query with its positive document, a rival of its differential, and options."""
        row = self.rows[i]
        target, labels = self._positive(row)
        if target:
            views = self.views_of[target]
            document = self.views.ids[views[0] if self.rng.random() < 0.4 else self.rng.choice(views)]
            categories = set().union(*(self.categories[label] for label in labels))
            related = [t for c in categories for t in self.kb.by_category.get(c, ())]
            positives = {self.target_number[t] for t in (*labels, *related) if t in self.target_number}
            batch.add_query(i, document, self.target_number[target], positives)
        elif row["labels"] and row["labels"][0].startswith("name:"):
            batch.add_query(i, self._name_ids(row["labels"][0][5:]), -1, set())
        else:
            return
        if target in self.kb.diseases and self.rng.random() < 0.5:
            rivals = [d for d in self.kb.diseases[target].entry["differential"] if d in self.views_of]
            if rivals:
                rival = self.rng.choice(rivals)
                batch.add_document(self.views.ids[self.rng.choice(self.views_of[rival])], self.target_number[rival])
        answer, wrong = self._options(row, target)
        if wrong:
            places = [
                batch.add_document(self._name_ids(name), self.target_number.get(self.names.find(name) or "", -1))
                for name in (answer, *wrong)
            ]
            batch.answers[-1] = places[0]
            batch.choices.append((len(batch.rows) - 1, places))

    def _options(self, row: dict[str, Any], target: str) -> tuple[str, list[str]]:
        """The answer's bare name and wrong names beside it: an exam's options, or a differential made into some."""
        if row["answer"] is not None:
            return row["answer"], [option for option in row["options"] if option != row["answer"]]
        if target in self.kb.diseases and self.rng.random() < 0.3:
            rivals = [self.kb.diseases[d].name for d in self.kb.diseases[target].entry["differential"] if d in self.kb.diseases]
            return self.kb.diseases[target].name, self.rng.sample(rivals, min(3, len(rivals)))
        return "", []

    def _name_ids(self, name: str) -> list[int]:
        if name not in self.name_tokens:
            self.name_tokens[name] = Texts.of(self.tokenizer, [name_view((name,))], 32).ids[0]
        return self.name_tokens[name]

    def _dropped(self, i: int) -> list[int]:
        """The query, a fifth of the time cut to its first 24–64 tokens, so that a complaint alone works; or without a stretch of it."""
        ids = self.queries.ids[i]
        if len(ids) > 40 and self.rng.random() < 0.2:
            return ids[: self.rng.randint(24, 64)] + ids[-1:]
        if len(ids) > 24 and self.rng.random() < self.p.stretch:
            size = int(len(ids) * self.rng.uniform(0.1, 0.4))
            start = self.rng.randint(1, len(ids) - 1 - size)
            return ids[:start] + ids[start + size :]
        return ids

    def class_loss(self, members: Sequence[int], source: str) -> Tensor:
        """Softmax over the class names of one set."""
        names = self.class_sets[source]
        labels = torch.tensor([names.index(self.rows[i]["labels"][0]) for i in members], device=self.device)
        used = sorted(set(labels.tolist()))
        queries = self.encode([self.queries.ids[i] for i in members])
        live = self.encode([self.class_views[source].ids[c] for c in used])
        table = self.cached_classes[source].clone()
        table[torch.tensor(used, device=self.device)] = live
        return torch.nn.functional.cross_entropy(queries @ table.T / self.p.temperature, labels)

    def encyclopaedia_loss(self) -> Tensor:
        """Symptom lists against names, in the batch and against the cached views."""
        entries = self.rng.sample(self.encyclopaedia, 28)
        queries, docs, masks = [], [], []
        for name, aliases, symptoms in entries:
            told = self.rng.sample(symptoms, min(len(symptoms), self.rng.randint(2, 7)))
            queries.append(self.rng.choice(("、", "，", "伴")).join(told))
            shown = self.rng.choice([name, *aliases[:2]]) if self.rng.random() < 0.3 else name
            docs.append(name_view((shown,)))
            target = self.names.find(name)
            masks.append(self.target_number.get(target or "", -1))
        q = self.encode(Texts.of(self.tokenizer, queries, 64).ids)
        d = self.encode(Texts.of(self.tokenizer, docs, 32).ids)
        keys = [normalise_name(e[0]) for e in entries]
        same = torch.tensor([[a == b and i != j for j, b in enumerate(keys)] for i, a in enumerate(keys)], device=self.device)
        cached = q @ self.cached.T / self.p.temperature
        cached = cached.masked_fill(torch.stack([self.view_number == m for m in masks]), -1e4)
        logits = torch.cat([(q @ d.T / self.p.temperature).masked_fill(same, -1e4), cached], dim=1)
        return torch.nn.functional.cross_entropy(logits, torch.arange(len(entries), device=self.device))

    # -- the run ---------------------------------------------------------------------------------------------------

    def train(self) -> float:
        """Train until the minutes are spent; the mean loss of the last 50 steps."""
        embedding = self.model.encoder.embeddings.word_embeddings
        embedding.sparse = True
        dense = [p for n, p in self.model.named_parameters() if "word_embeddings" not in n]
        optimiser = torch.optim.AdamW([*dense, self.centres], lr=self.p.learning_rate, weight_decay=0.01)
        sparse = torch.optim.SparseAdam([embedding.weight], lr=self.p.learning_rate)
        self._resume()
        self.model.train()
        shares = {s: w for s, w in self.p.shares.items() if s in self.by_source or (s == "encyclopaedia" and self.encyclopaedia)}
        records = {s: w for s, w in shares.items() if s != "encyclopaedia" and s not in self.class_sets}
        kinds = {s: w for s, w in shares.items() if s not in records} | {"records": sum(records.values())}
        losses: list[float] = []
        began = time.monotonic() - self.spent
        self.refresh()
        if not self.step:
            self.start_centres()
        while (elapsed := time.monotonic() - began) < self.p.minutes * 60:
            if self.step and self.step % self.p.refresh_steps == 0:
                self.refresh()
                self._save(elapsed)
                probed = self.probe()
                log.info("step %d, %s", self.step, probed)
                mlflow.log_metrics(probed, step=self.step)
            kind = self.rng.choices(list(kinds), list(kinds.values()))[0]
            if kind == "encyclopaedia":
                loss: Tensor | None = self.encyclopaedia_loss()
            elif kind == "records":
                loss = self.disease_loss(self.take(records))
            else:
                loss = self.class_loss(self.take({kind: 1.0}), kind)
            self.step += 1
            if loss is None:
                continue
            progress = elapsed / (self.p.minutes * 60)
            rate = (
                self.p.learning_rate
                * min(1.0, self.step / self.p.warmup_steps)
                * (1.0 if progress < 0.6 else max(0.1, (1 - progress) / 0.4))
            )
            for group in (*optimiser.param_groups, *sparse.param_groups):
                group["lr"] = rate
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(dense, 1.0)
            optimiser.step()
            sparse.step()
            optimiser.zero_grad(set_to_none=True)
            sparse.zero_grad(set_to_none=True)
            losses.append(loss.item())
            if self.step % self.p.average_every == 0:
                self._average(min(self.p.average_decay, self.step / (self.step + 50)))
            if self.step % 25 == 0:
                mean = float(np.mean(losses[-50:]))
                log.info("step %d, %.1f min, loss %.3f", self.step, elapsed / 60, mean)
                mlflow.log_metric("loss", mean, step=self.step)
        self._save(time.monotonic() - began)
        return float(np.mean(losses[-50:])) if losses else math.nan

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)

    def _save(self, elapsed: float) -> None:
        save_file({k: v.contiguous() for k, v in self.model.state_dict().items()}, str(self.folder / "weights.safetensors"))
        save_file({k: v.contiguous() for k, v in self.average.items()}, str(self.folder / "averaged.safetensors"))
        save_file({"centres": self.centres.detach()}, str(self.folder / "centres.safetensors"))
        (self.folder / "position.json").write_text(json.dumps({"step": self.step, "spent": elapsed}))

    def _resume(self) -> None:
        if not (self.folder / "position.json").is_file():
            return
        position = json.loads((self.folder / "position.json").read_text())
        self.model.load_state_dict(load_file(str(self.folder / "weights.safetensors")))
        self.average = load_file(str(self.folder / "averaged.safetensors"), device=str(self.device))
        with torch.no_grad():
            self.centres.copy_(load_file(str(self.folder / "centres.safetensors"))["centres"])
        self.step, self.spent = position["step"], position["spent"]
        log.info("resumed at step %d", self.step)


def load_averaged(folder: Path, *, source: Path | None) -> BiEncoder:
    """The averaged model of a run."""
    weights = load_file(str(folder / "averaged.safetensors"))
    if source is not None:
        return of_weights(weights).eval()
    model = tiny(weights["encoder.embeddings.word_embeddings.weight"].shape[0])
    model.load_state_dict(weights)
    return model.eval()


def run(kb: KnowledgeBase, parameters: RankerParameters, *, queries: Path = QUERIES, folder: Path = FOLDER) -> float:
    """Train, tracked in MLflow; the closing loss."""
    torch.set_num_threads(parameters.threads)
    kept = ("train", "authored_dev")
    rows = [row for line in queries.read_text(encoding="utf-8").splitlines() if (row := json.loads(line))["split"] in kept]
    with run_of("ranker", parameters.model_dump(), inputs={"queries": queries}):
        trainer = Trainer(kb, rows, parameters, folder)
        loss = trainer.train()
        mlflow.log_metrics({"final_loss": loss, "steps": trainer.step})
    return loss


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    print(f"loss {run(load(), load_block(RankerParameters, 'ranker')):.3f}")
