"""Stage `ranker_export`: the averaged encoder as int8 ONNX in an unfitted bundle, with view vectors, the case bank and centroids.

    python -m training.stages.ranker_export [--encoder released]

Index vectors are computed with the same int8 graph that will embed queries. The case bank holds vectors and labels of
training records, never their texts or ids. With `--encoder released` the graph of the released bundle is taken as it is, and only
what is made from knowledge and training texts is new: the way for new entries or cases without a new training of the encoder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from inference.ranking.encoder import Matrix, TextEncoder
from inference.ranking.fusion import unfitted
from inference.ranking.lexical import BITS, LEXICAL, buckets, centroid
from inference.ranking.lexical import write as write_lexical
from inference.ranking.profiles import all_views
from inference.ranking.ranker import FUSION
from inference.ranking.semantic import CASES
from inference.ranking.vectors import SEALED, encode_views, quantise, write_vectors
from knowledge_base.compiled import KnowledgeBase, load
from models.bundle import GOLDEN, RELEASED, Bundle, encode_array, golden_rows, seal
from training.datasets.entry_texts import BANKED, entry_texts
from training.networks.bi_encoder import BiEncoder
from training.parameters import load_block
from training.stages.ranker_corpora import OUT as QUERIES
from training.stages.ranker_train import FOLDER, WEIGHTS, RankerParameters, load_averaged

BUNDLE = FOLDER / "bundle"
MAX_CASES = 2600
"""Of some 24,000: with the taught part, votes of neighbours hardly move the ranking, and a bundle stays below 30 MB."""
NGRAMS_A_CENTROID = 800
GOLDEN_TEXTS = ("男 61岁 | 胸痛2小时 | 活动后胸骨后压榨样痛，大汗", "女 5岁 | 咳嗽发热3天", "右下腹痛1天，恶心，不想吃饭", "头晕")


def to_onnx(model: BiEncoder, out: Path) -> None:
    """Export (batch, tokens) → (batch, hidden) with dynamic axes."""
    ids = torch.randint(4, 100, (2, 16))
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        str(out),
        input_names=["input_ids", "attention_mask"],
        output_names=["vector"],
        dynamic_axes={"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}, "vector": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def quantised(source: Path, out: Path) -> None:
    """Dynamic int8, per channel, reduced range (processors without VNNI saturate otherwise)."""
    graph = onnx.load(str(source))
    del graph.graph.value_info[:]
    onnx.save(graph, str(source))
    quantize_dynamic(
        str(source), str(out), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True, op_types_to_quantize=["MatMul", "Gather"]
    )


def parity(model: BiEncoder, encoder: TextEncoder, texts: list[str]) -> dict[str, float]:
    """Least and mean cosine between torch float32 and the int8 graph."""
    cosines = []
    for text in texts:
        ids = torch.tensor([encoder.tokenizer.encode(text).ids])
        with torch.no_grad():
            reference = model(ids, torch.ones_like(ids))[0].numpy()
        cosines.append(float(reference @ encoder.encode_one(text)))
    return {"least": min(cosines), "mean": float(np.mean(cosines))}


def cost_of_int8(floating: Path, encoder: TextEncoder, kb: KnowledgeBase, rows: list[dict[str, Any]], most: int = 300) -> dict[str, float]:
    """Share of held-out records whose disease is among the first three by vectors alone, float32 against the int8 graph.

    The aim is a loss of one point at most.
    """
    texts, owners = all_views(kb)
    held = [row for row in rows if row["split"] == "authored_dev" and row["labels"]][:most]
    if not held:
        return {}
    session = onnxruntime.InferenceSession(str(floating), providers=["CPUExecutionProvider"])

    def floats(text: str) -> Matrix:
        ids = np.array([encoder.tokenizer.encode(text).ids], dtype=np.int64)
        return np.asarray(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])

    shares = {}
    for name, encode in (("float32", floats), ("int8", encoder.encode_one)):
        views = np.stack([encode(text) for text in texts])
        hits = 0
        for row in held:
            order = np.argsort(-(views @ encode(row["text"])))
            first = list(dict.fromkeys(owners[i] for i in order[:60].tolist()))[:3]
            hits += row["labels"][0] in first
        shares[name] = round(hits / len(held), 4)
    return {"records": len(held), **shares}


def case_bank(rows: list[dict[str, Any]], encoder: TextEncoder, out: Path) -> int:
    """Vectors and labels of training records that name a disease; the number of records."""
    kept = [row for row in rows if row["source"] in BANKED and any(not label.startswith("name:") for label in row["labels"])]
    if len(kept) > MAX_CASES:
        kept = [kept[i] for i in np.random.default_rng(0).permutation(len(kept))[:MAX_CASES]]
    if not kept:
        return 0
    vectors = encoder.encode([row["text"] for row in kept])
    pairs = [(i, label) for i, row in enumerate(kept) for label in row["labels"][:4] if not label.startswith("name:")]
    np.savez_compressed(
        out,
        vectors=quantise(vectors),
        rows=np.array([i for i, _ in pairs], dtype=np.int32),
        labels=np.array([label for _, label in pairs], dtype=np.str_),
    )
    return len(kept)


def without_unreachable(model: BiEncoder, tokenizer: Path, out: Path) -> int:
    """Drop the word pieces that no text can yield: inner pieces with a Chinese character, which always stands alone.

    Writes the smaller tokenizer and shortens the model's embedding in place; the number of dropped pieces.
    """
    sealed = json.loads(tokenizer.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = sealed["model"]["vocab"]
    kept = [t for t in sorted(vocabulary, key=vocabulary.__getitem__) if not (t.startswith("##") and any("㐀" <= ch <= "鿿" for ch in t))]
    numbers = {piece: number for number, piece in enumerate(kept)}
    moved = [token["content"] for token in sealed["added_tokens"] if numbers[token["content"]] != token["id"]]
    if moved:
        raise ValueError(f"special tokens would change their ids: {moved}")
    embedding = model.encoder.embeddings.word_embeddings
    rows = torch.tensor([vocabulary[piece] for piece in kept])
    embedding.weight = torch.nn.Parameter(embedding.weight.detach()[rows], requires_grad=False)
    embedding.num_embeddings = len(kept)
    sealed["model"]["vocab"] = numbers
    out.write_text(json.dumps(sealed, ensure_ascii=False), encoding="utf-8")
    return len(vocabulary) - len(kept)


def lexical_part(rows: list[dict[str, Any]], kb: KnowledgeBase, out: Path) -> int:
    """Inverse document frequencies and the centroid of each entry, full or thin, from training records and the entry's own views."""
    texts: dict[str, list[tuple[str, float]]] = {ident: [] for ident in (*kb.diseases, *kb.thin)}
    for found in entry_texts(rows, kb):
        for ident, weight in found.entries:
            texts[ident].append((found.text, weight * found.weight))
    frequency = np.zeros(1 << BITS, dtype=np.int64)
    documents = 0
    for members in texts.values():
        for text, _ in members:
            frequency[np.unique(buckets(text))] += 1
            documents += 1
    idf = np.where(frequency >= 2, np.log((1 + documents) / (1 + frequency)) + 1, 0).astype(np.float32)
    write_lexical(out, idf, {ident: centroid(members, idf, keep=NGRAMS_A_CENTROID) for ident, members in texts.items()})
    return documents


def new_encoder(
    kb: KnowledgeBase, parameters: RankerParameters, folder: Path, bundle_folder: Path, every: list[dict[str, Any]]
) -> dict[str, Any]:
    """Put the averaged encoder as int8 graph, and its tokenizer, into the bundle; parity and what int8 costs."""
    root = os.environ.get("XINGLIN_CORPORA")
    source = Path(root) / WEIGHTS if root and not parameters.tiny else None
    model = load_averaged(folder, source=source)
    dropped = without_unreachable(model, folder / "tokenizer.json", bundle_folder / "tokenizer.json")
    to_onnx(model, folder / "float32.onnx")
    quantised(folder / "float32.onnx", bundle_folder / "model.onnx")
    encoder = provisional(kb, parameters, bundle_folder)
    texts = [row["text"] for row in every if row["split"] == "train"]
    return {
        "parity": parity(model, encoder, texts[:: max(1, len(texts) // 100)][:100]),
        "first_three_by_vectors": cost_of_int8(folder / "float32.onnx", encoder, kb, every),
        "unreachable_pieces": dropped,
    }


def released_encoder(bundle_folder: Path) -> dict[str, Any]:
    """Put the released bundle's graph and tokenizer into the bundle; what its manifest says of them."""
    released = Bundle.open(RELEASED / "ranker", replay=0)
    for name in ("model.onnx", "tokenizer.json"):
        shutil.copyfile(released.file(name), bundle_folder / name)
    told = {name: released.manifest.get(name) for name in ("parity", "first_three_by_vectors", "encoder_of")}
    return {**told, "encoder_of": told["encoder_of"] or released.version}


def provisional(kb: KnowledgeBase, parameters: RankerParameters, bundle_folder: Path) -> TextEncoder:
    """The encoder of a bundle that holds nothing else yet."""
    (bundle_folder / FUSION).write_text(json.dumps(unfitted()), encoding="utf-8")
    fields = {"temperature": parameters.temperature, "max_tokens": 256, "knowledge_version": kb.version}
    seal(bundle_folder, task="ranker", version="unfitted", fields=fields)
    return TextEncoder(Bundle.open(bundle_folder, replay=0))


def run(
    kb: KnowledgeBase, parameters: RankerParameters, *, folder: Path = FOLDER, queries: Path = QUERIES, encoder_of_release: bool = False
) -> dict[str, Any]:
    """Build the unfitted bundle under `folder/bundle`; parity and sizes."""
    torch.set_num_threads(1)
    bundle_folder = folder / "bundle"
    shutil.rmtree(bundle_folder, ignore_errors=True)
    bundle_folder.mkdir(parents=True)
    every = [json.loads(line) for line in queries.read_text(encoding="utf-8").splitlines()]
    told = released_encoder(bundle_folder) if encoder_of_release else new_encoder(kb, parameters, folder, bundle_folder, every)
    encoder = provisional(kb, parameters, bundle_folder)
    rows = [row for row in every if row["split"] == "train"]
    texts, _ = all_views(kb)
    write_vectors(bundle_folder / SEALED, encode_views(texts, encoder))
    cases = case_bank(rows, encoder, bundle_folder / CASES)
    lexical = lexical_part(rows, kb, bundle_folder / LEXICAL)
    if encoder_of_release:
        golden = [json.loads(line) for line in (RELEASED / "ranker" / GOLDEN).read_text(encoding="utf-8").splitlines()]
    else:
        inputs = []
        for text in GOLDEN_TEXTS:
            ids = np.array([encoder.tokenizer.encode(text).ids], dtype=np.int64)
            inputs.append({"input_ids": encode_array(ids), "attention_mask": encode_array(np.ones_like(ids))})
        golden = golden_rows(encoder.bundle.session(), inputs)
    figures = {**told, "cases": cases, "lexical_documents": lexical}
    fields = {"temperature": parameters.temperature, "max_tokens": 256, "knowledge_version": kb.version, **figures}
    seal(bundle_folder, task="ranker", version="unfitted", fields=fields, golden=golden, golden_tolerance=0.02)
    return {**figures, "views": len(texts)}


def main() -> None:
    """Command of the stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", choices=("trained", "released"), default="trained")
    options = parser.parse_args()
    answer = run(load(), load_block(RankerParameters, "ranker"), encoder_of_release=options.encoder == "released")
    print(json.dumps(answer, ensure_ascii=False))


if __name__ == "__main__":
    main()
