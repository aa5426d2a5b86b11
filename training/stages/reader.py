"""Stage ``reader``: train the span and assertion reader on all corpora at once.

Resumable: weights, averaged weights, optimiser state (safetensors) and position (JSON) are written every
``checkpoint_every`` steps, and a run goes on from there. Without corpora it trains on the knowledge base's annotated
sentences alone; without pretrained weights it starts from a small random encoder.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Subset

from inference.reading.tokens import CharacterTokeniser, assign_unused_slots
from training.datasets.extraction import ASSERTIONS, DIALOGUE_STATUSES, Document, load_corpus, load_sentences
from training.datasets.reader_batches import Batch, Plan, Share, missing_characters, plan_round
from training.device import device_at_hand, mixed_precision
from training.networks.span_reader import EncoderSize, SpanReader, span_loss

log = logging.getLogger("training.reader")

ENCODER_FOLDER = Path("weights") / "bge-small-zh-v1.5"
AVERAGE_EVERY = 5
"""Steps between two updates of the averaged weights."""
CLASSES = {True: DIALOGUE_STATUSES, False: ASSERTIONS}
"""Assertion classes of dialogue (True) and of records (False)."""


@dataclass(frozen=True)
class ReaderParameters:
    """The ``reader`` block of ``params.yaml``."""

    seed: int = 7
    window: int = 190
    """Code points in a training window."""
    token_budget: int = 1100
    """Padded tokens in a batch."""
    accumulate: int = 2
    """Batches in a step."""
    rounds: float = 4.0
    """Passes over the sampled corpora; the last may be a part of one."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Source name to the part of its documents read in a round (1.5: all once, half of them twice)."""
    swapped: float = 0.25
    """Part of the CCKS2019 documents read in the exchanged wording of the release."""
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    warm_up: float = 0.06
    decay_from: float = 0.45
    """Part of the run after which the rate falls, linearly, to a twentieth."""
    weight_decay: float = 0.01
    averaging: float = 0.998
    assertion_weight: float = 0.3
    checkpoint_every: int = 100
    class_power: float = 0.5
    """Assertion classes weigh their frequency to minus this power."""
    served: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Product label to the channels whose scores are averaged for it; its own product channel where left out."""
    adversarial: float = 0.0
    """Length of the step against the word embeddings (fast gradient method); 0: none."""
    adversarial_from: float = 0.6
    """Part of the run after which that step is taken; it doubles the time."""
    workers: int = 0
    """Processes that collate batches beside the training one."""
    random_encoder: bool = False
    """Start from a small random encoder (tests; machines without the pretrained weights)."""

    @classmethod
    def from_file(cls, path: Path) -> ReaderParameters:
        """Read the block; an unknown key is an error."""
        block = yaml.safe_load(path.read_text(encoding="utf-8"))["reader"]
        return cls(**{key: block[key] for key in block if key in cls.__dataclass_fields__ or _refuse(key)})


def _refuse(key: str) -> bool:
    raise ValueError(f"unknown parameter reader.{key}")


def patient_fold(document_id: str, folds: int = 12) -> int:
    """Fold of a CCKS2017 record by its patient (``ccks2017-train-001-病史特点`` → ``001``)."""
    return int(document_id.split("-")[2]) % folds


def training_documents(corpora: Path | None, sentences: Path, shares: Mapping[str, float]) -> dict[str, list[Document]]:
    """All training documents by source name. Every twelfth CCKS2017 patient is kept out for thresholds."""
    documents: dict[str, list[Document]] = {}
    if sentences.is_dir():
        found = [document for document in load_sentences(sentences) if not held_out_sentence(document.id)]
        if found:
            documents["sentences"] = found
    if corpora is not None:
        root = corpora / "extraction"
        for name in shares:
            if name == "sentences":
                continue
            found = load_corpus(root, name, "part" if name == "imcs_utt" else "train")
            if name == "ccks2017":
                found = [document for document in found if patient_fold(document.id) != 0]
            documents[name] = found
    return documents


def held_out_sentence(sentence_id: str) -> bool:
    """Every seventh annotated sentence, by a hash of its id, is kept for judging."""
    return sum(sentence_id.encode()) % 7 == 0


def start_tokeniser(encoder: Path | None, documents: Mapping[str, Sequence[Document]]) -> CharacterTokeniser:
    """The encoder's vocabulary with missing characters on unused rows, or a vocabulary of the texts' own characters."""
    texts = [document.text for group in documents.values() for document in group]
    if encoder is None:
        characters = sorted({character for text in texts for character in text})
        tokens = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", *characters]
        return CharacterTokeniser({token: row for row, token in enumerate(dict.fromkeys(tokens))})
    plain = CharacterTokeniser.from_file(encoder / "tokenizer.json")
    return CharacterTokeniser(assign_unused_slots(plain.vocabulary, missing_characters(texts, plain)))


def write_tokeniser(tokeniser: CharacterTokeniser, path: Path) -> None:
    """Write the vocabulary in the form that ``CharacterTokeniser.from_file`` reads."""
    model = {"type": "WordPiece", "unk_token": "[UNK]", "vocab": dict(tokeniser.vocabulary)}
    path.write_text(json.dumps({"version": "1.0", "model": model}, ensure_ascii=False), encoding="utf-8")


@contextmanager
def disturbed(embedding: Tensor, length: float) -> Iterator[None]:
    """Inside, the word embeddings stand a step of ``length`` along their gradient (Miyato et al. 2017, on the whole table)."""
    gradient = embedding.grad
    assert gradient is not None
    kept = embedding.detach().clone()
    with torch.no_grad():
        embedding.add_(length * gradient / gradient.norm().clamp_min(1e-12))
    try:
        yield
    finally:
        with torch.no_grad():
            embedding.copy_(kept)  # not a subtraction: that would leave its rounding in every row


def class_weights(documents: Sequence[Document], classes: Sequence[str], power: float) -> Tensor:
    """Weight of each assertion class, mean 1 over the spans."""
    counts = torch.tensor(
        [max(sum(span.status == name for document in documents for span in document.spans), 1) for name in classes]
    ).float()
    weights = counts**-power
    return weights * counts.sum() / (weights * counts).sum()


class Trainer:
    """Network, averaged network, optimiser and position of one run."""

    def __init__(self, network: SpanReader, parameters: ReaderParameters, folder: Path) -> None:
        self.network = network
        self.parameters = parameters
        self.folder = folder
        encoder: list[torch.nn.Parameter] = []
        heads: list[torch.nn.Parameter] = []
        for name, weight in network.named_parameters():
            (encoder if name.startswith("encoder.") else heads).append(weight)
        self.optimiser = torch.optim.AdamW(
            [{"params": encoder, "rate": parameters.encoder_rate}, {"params": heads, "rate": parameters.head_rate}],
            lr=0.0,
            weight_decay=parameters.weight_decay,
            fused=True,
        )
        self.average = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
        self.round = 0
        self.batch = 0
        self.step = 0
        self.seconds = 0.0
        self.history: list[dict[str, float]] = []

    def set_rates(self, progress: float) -> None:
        """Warm up, hold, then fall to a twentieth; ``progress`` runs from 0 to 1."""
        p = self.parameters
        if progress < p.warm_up:
            factor = progress / p.warm_up
        elif progress < p.decay_from:
            factor = 1.0
        else:
            factor = 1.0 - 0.95 * min((progress - p.decay_from) / (1.0 - p.decay_from), 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * factor

    def backward(self, batch: Batch, weights: Mapping[bool, Tensor], progress: float) -> dict[str, Tensor]:
        """Gradients of a batch, and late in the run those of its disturbed copy; the losses for the log by name."""
        p = self.parameters
        spans, assertion = self._add_gradients(batch, weights)
        if p.adversarial and progress >= p.adversarial_from:
            with disturbed(self.network.encoder.embeddings.word_embeddings.weight, p.adversarial):
                self._add_gradients(batch, weights)
        return {batch.corpus: spans} | ({} if assertion is None else {f"{batch.corpus} assertion": assertion})

    def _add_gradients(self, batch: Batch, weights: Mapping[bool, Tensor]) -> tuple[Tensor, Tensor | None]:
        p = self.parameters
        with mixed_precision(batch.ids.device):
            spans, assertion = batch_losses(self.network, batch, weights)
        loss = spans if assertion is None else spans + p.assertion_weight * assertion
        (loss / p.accumulate).backward()  # type: ignore[no-untyped-call]
        return spans.detach(), None if assertion is None else assertion.detach()

    def update(self) -> None:
        """One optimiser step, and one of the averaged weights (a short memory at first)."""
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0, foreach=True)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % AVERAGE_EVERY:
            return
        keep = min(self.parameters.averaging, (1 + self.step) / (10 + self.step)) ** AVERAGE_EVERY
        floats = [(self.average[name], weight) for name, weight in self.network.state_dict().items() if weight.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([mean for mean, _ in floats], [weight for _, weight in floats], 1.0 - keep)

    def save(self) -> None:
        """Write everything that a later run needs, each file under its final name only when whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state: dict[str, Tensor] = {}
        for index, entry in self.optimiser.state_dict()["state"].items():
            for key, value in entry.items():
                state[f"{index}.{key}"] = value.contiguous()
        for name, tensors in (("weights", self.network.state_dict()), ("average", self.average), ("optimiser", state)):
            temporary = self.folder / f"{name}.tmp"
            save_file({key: value.contiguous() for key, value in tensors.items()}, temporary)
            os.replace(temporary, self.folder / f"{name}.safetensors")
        position = {"round": self.round, "batch": self.batch, "step": self.step, "seconds": self.seconds, "history": self.history}
        temporary = self.folder / "position.tmp"
        temporary.write_text(json.dumps(position), encoding="utf-8")
        os.replace(temporary, self.folder / "position.json")

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, if there is one."""
        if not (self.folder / "position.json").is_file():
            return False
        self.network.load_state_dict(load_file(self.folder / "weights.safetensors"))
        self.average = load_file(self.folder / "average.safetensors", device=str(next(self.network.parameters()).device))
        flat = load_file(self.folder / "optimiser.safetensors")
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in flat.items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
        position = json.loads((self.folder / "position.json").read_text(encoding="utf-8"))
        self.round, self.batch, self.step = position["round"], position["batch"], position["step"]
        self.seconds, self.history = position["seconds"], position["history"]
        return True


def batch_losses(network: SpanReader, batch: Batch, weights: Mapping[bool, Tensor]) -> tuple[Tensor, Tensor | None]:
    """The span loss of a batch and, where it has judged spans, their assertion loss."""
    states = network.encode(batch.ids, batch.mask)
    spans = span_loss(network.score_band(states, batch.channels), batch.positive, batch.valid)
    if not len(batch.statuses):
        return spans, None
    vectors = network.span_vectors(states, batch.span_rows, batch.span_starts, batch.span_ends)
    return spans, functional.cross_entropy(network.assess(vectors, batch.dialogue), batch.statuses, weight=weights[batch.dialogue])


def train(parameters: ReaderParameters, corpora: Path | None, sentences: Path, encoder: Path | None, folder: Path) -> Trainer:
    """Run the stage; returns the finished trainer."""
    torch.manual_seed(parameters.seed)
    random.seed(parameters.seed)
    documents = training_documents(corpora, sentences, parameters.shares)
    if not documents:
        raise ValueError("neither corpora nor annotated sentences to train on")
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "tokenizer.json").is_file():
        tokeniser = CharacterTokeniser.from_file(folder / "tokenizer.json")
    else:
        tokeniser = start_tokeniser(encoder, documents)
        write_tokeniser(tokeniser, folder / "tokenizer.json")
    if encoder is None:
        network = SpanReader.random(EncoderSize(), max(tokeniser.vocabulary.values()) + 1)
    else:
        network = SpanReader.pretrained(encoder)
    device = device_at_hand()
    network.to(device)
    (folder / "encoder.json").write_text(network.encoder.config.to_json_string(), encoding="utf-8")
    trainer = Trainer(network, parameters, folder)
    if trainer.resume():
        log.info("resumed at round %d batch %d", trainer.round, trainer.batch)
    (folder / "parameters.json").write_text(json.dumps(asdict(parameters), indent=1), encoding="utf-8")
    shares = {name: Share(parameters.shares.get(name, 1.0), parameters.swapped if name == "ccks2019" else 0.0) for name in documents}
    weights = {
        dialogue: class_weights([d for d in documents.get(name, [])], CLASSES[dialogue], parameters.class_power).to(device)
        for dialogue, name in ((True, "cmdd"), (False, "sentences"))
    }
    network.train()
    while trainer.round < parameters.rounds:
        plan = plan_round(documents, shares, parameters.seed + trainer.round, parameters.window, parameters.token_budget)
        sums: dict[str, list[Tensor]] = {}
        tokens, began = 0, time.time()
        rest = Subset(Plan(plan, tokeniser), range(trainer.batch, len(plan)))
        batches = iter(DataLoader(rest, batch_size=None, num_workers=parameters.workers, prefetch_factor=8 if parameters.workers else None))
        while trainer.batch < len(plan) and trainer.round + trainer.batch / len(plan) < parameters.rounds:
            progress = (trainer.round + trainer.batch / len(plan)) / parameters.rounds
            trainer.set_rates(progress)
            clock = time.time()
            for batch in (batch.to(device) for batch in islice(batches, parameters.accumulate)):
                for name, value in trainer.backward(batch, weights, progress).items():
                    sums.setdefault(name, []).append(value)
                tokens += batch.ids.numel()
            trainer.update()
            trainer.batch += parameters.accumulate
            trainer.seconds += time.time() - clock
            if trainer.step % parameters.checkpoint_every == 0:
                means = {name: float(torch.stack(values).mean()) for name, values in sums.items()}
                trainer.history.append({"step": float(trainer.step), **means})
                log.info(
                    "round %d batch %d/%d step %d %.0f tokens/s %s", trainer.round, trainer.batch, len(plan), trainer.step,
                    tokens / (time.time() - began), " ".join(f"{k}={v:.3f}" for k, v in sorted(means.items())),
                )  # fmt: skip
                sums, tokens, began = {}, 0, time.time()
                trainer.save()
        trainer.round += 1
        trainer.batch = 0
        trainer.save()
        save_file(trainer.average, folder / f"round{trainer.round}.safetensors")
    return trainer


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--sentences", type=Path, default=Path("knowledge_base/sentences"))
    parser.add_argument("--out", type=Path, default=Path("artifacts/reader"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    parameters = ReaderParameters.from_file(arguments.params)
    corpora = Path(os.environ["XINGLIN_CORPORA"]) if os.environ.get("XINGLIN_CORPORA") else None
    encoder = corpora / ENCODER_FOLDER if corpora and not parameters.random_encoder else None
    train(parameters, corpora, arguments.sentences, encoder, arguments.out)


if __name__ == "__main__":
    main()
