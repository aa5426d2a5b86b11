"""The coder from tiny made-up corpora to sealed bundle to answers."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from data_contracts.coding import CodeRequest
from inference.coding.coder import Coder
from inference.coding.features import FEATURES, CandidateFinder, Candidates
from inference.coding.memory import CodingMemory
from inference.coding.pairs import PairJudge, PairTokens, pair_inputs
from inference.coding.ranker import choose
from inference.coding.tables import build_table, import_table
from inference.coding.text import Part, fold, split
from models.bundle import Bundle
from training.datasets.coding_pairs import EXTRA, ListSettings, prepare
from training.metrics.coding import CodingCounts, best_threshold, chosen_pairs
from training.networks.pair_encoder import PairEncoder
from training.networks.pair_encoder_serving import ServingPairs, restored
from training.stages.coding import Boosting, CoderParameters, run
from training.stages.coding_evaluate import evaluate
from training.stages.coding_pairs import Lists, PairSettings
from training.stages.coding_pairs import run as run_pairs

PLACES = ["肺", "胃", "肝", "肾", "胰腺", "甲状腺", "膝关节", "心肌", "胆囊", "阑尾", "皮肤", "结膜"]
KINDS = [("炎", "发炎"), ("恶性肿瘤", "癌"), ("结石", "石头"), ("损伤", "外伤"), ("囊肿", "水泡")]
ROWS = [(f"{chr(65 + p)}{k}0.{p}", f"{place}{kind}") for p, place in enumerate(PLACES) for k, (kind, _) in enumerate(KINDS)]
BOOSTING = Boosting(30, 0.2, 7, 3, 1.0)
PARAMETERS = CoderParameters(first=BOOSTING, paired=BOOSTING, second=BOOSTING, depth=2)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.write(text)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpora")
    buffer = io.StringIO()
    csv.writer(buffer).writerows([("code", "name"), *ROWS])
    for name in ("icd10_beijing_v601", "icd10_chsdrg", "icd9cm3_xiehe2017", "icd9cm3_chsdrg"):
        write(root / "extraction" / "code_tables" / f"{name}.csv.gz", buffer.getvalue())
    rng = random.Random(0)

    def texts(count: int, prefix: str) -> str:
        lines = []
        for number in range(count):
            chosen = [(rng.randrange(len(PLACES)), rng.randrange(len(KINDS))) for _ in range(rng.choice((1, 1, 2)))]
            text = rng.choice(("、", "，", "伴")).join(PLACES[p] + KINDS[k][rng.randrange(2)] for p, k in chosen)
            gold = [{"name": PLACES[p] + KINDS[k][0], "code": ""} for p, k in dict.fromkeys(chosen)]
            lines.append(json.dumps({"id": f"{prefix}-{number}", "text": text, "gold": gold, "meta": {}}, ensure_ascii=False))
        return "\n".join(lines) + "\n"

    for folder in ("chip_cdn", "proc_norm"):
        write(root / "extraction" / folder / "train.jsonl.gz", texts(160, "train"))
        write(root / "extraction" / folder / "dev.jsonl.gz", texts(60, "dev"))
    write(root / "extraction" / "proc_norm" / "extra.jsonl.gz", texts(20, "extra"))
    return root


@pytest.fixture(scope="module")
def prepared(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    characters = sorted({character for _, name in ROWS for character in name} - {"胰"} | set("发癌石头外伤水泡、，伴"))
    tokens = ["[PAD]", "[unused1]", "[unused2]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "##炎", *characters]
    tokenizer = {"model": {"vocab": {token: row for row, token in enumerate(tokens)}}}
    (out / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    aliases = {"icd10": [("肺部发炎", "肺炎"), ("肺炎", "肺炎"), ("某病", "表中没有")]}
    counts = prepare(corpora, out / "tokenizer.json", out, aliases, ListSettings(folds=2, disturbed_names=(10, 5)))
    assert counts["lists"] == 2 * (160 + 60) + 20 + 1 + 15
    assert counts["vocabulary"] == 6 + len(characters) + 1, "single characters, the missing one in an unused row"
    run_pairs(out, out / "pairs", None, PairSettings(seconds=30.0, most_epochs=3.0, lists=16))
    return out


@pytest.fixture(scope="module")
def bundle(corpora: Path, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "coder"
    run(PARAMETERS, corpora, prepared, out, "0.0.1")
    return out


def test_every_coded_text_is_judged_by_a_network_that_did_not_learn_it(prepared: Path) -> None:
    with np.load(prepared / "lists.npz") as lists, np.load(prepared / "pairs" / "judgements.npz") as said:
        coded = np.repeat(lists["fold"] != EXTRA, np.diff(lists["pointers"]))
        assert np.isfinite(said["logits"][:, coded]).all() and np.isnan(said["logits"][:, ~coded]).all()
    report = json.loads((prepared / "pairs" / "report.json").read_text(encoding="utf-8"))
    assert set(report["folds"]) == {"all", "0", "1"} and report["folds"]["all"]["steps"] > 0


def test_the_served_network_says_what_the_trained_one_says(prepared: Path, bundle: Path) -> None:
    """The same pairs through training's assembly on the trained network and through serving's on the sealed one."""
    opened = Bundle.open(bundle)
    judge = PairJudge.of(opened)
    text = "肺发炎、胃石头"
    parts = split(text, lambda name: False)
    pairs = [(0, "肺炎"), (1, "胃结石"), (0, "胰腺炎")]
    served = judge.logits(text, parts, pairs)
    tokens = PairTokens({token: row for row, token in enumerate(opened.json("vocabulary.json"))})
    inputs = pair_inputs(tokens, [(tokens.window(text, parts[part]), tokens.name(name)) for part, name in pairs])
    with torch.no_grad():
        trained = ServingPairs(restored(prepared / "pairs"), 2)(*(torch.from_numpy(inputs[key]) for key in ("ids", "kinds", "mask")))
    assert np.abs(served - trained.numpy()).max() < 0.05
    alone = [judge.logits(text, parts, [pair])[0] for pair in pairs]
    assert np.abs(served - alone).max() < 0.05, "only the scale of int8 ties pairs together"


def test_assembly_of_pairs_is_the_same_in_training_and_serving(prepared: Path) -> None:
    lists = Lists(prepared, torch.device("cpu"))
    tokens = PairTokens({token: row for row, token in enumerate(json.loads((prepared / "vocabulary.json").read_text(encoding="utf-8")))})
    chosen = [0, 1, len(lists.name) - 1]
    row, name = lists.row[chosen], lists.name[chosen]
    pairs = [
        (lists.rows[r, : lists.row_lengths[r]].tolist(), lists.names[n, : lists.name_lengths[n]].tolist())
        for r, n in zip(row.tolist(), name.tolist(), strict=True)
    ]
    served = pair_inputs(tokens, pairs)
    trained = lists.pairs(torch.from_numpy(row), torch.from_numpy(name), served["ids"].shape[1])
    for key, value in zip(("ids", "kinds", "mask"), trained, strict=True):
        assert (served[key] == value.numpy()).all(), key


def test_depth_and_the_first_token_alone_change_nothing() -> None:
    torch.manual_seed(0)
    network = PairEncoder(40, 32, 4, 2, 64).eval()
    ids, mask = torch.randint(0, 40, (3, 9)), torch.arange(9)[None, :] < torch.tensor([[9], [5], [7]])
    with torch.no_grad():
        whole, cut = network.states(ids, ids % 2, mask), network.states(ids, ids % 2, mask, 3)
        padded = network.states(ids[1:2, :5], ids[1:2, :5] % 2, mask[1:2, :5])
    assert len(whole) == 3 and len(cut) == 2
    assert torch.allclose(whole[1], cut[1], atol=1e-5) and torch.allclose(whole[2][1:2], padded[2], atol=1e-5)


def test_a_long_text_is_judged_around_its_part() -> None:
    tokens = PairTokens({token: row for row, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[unused1]", *"甲乙丙肺炎"])})
    text = "甲" * 40 + "肺炎" + "乙" * 40
    window = tokens.window(text, Part(40, 42, "肺炎"))
    assert len(window) == 34 and tokens.ids("肺炎", 2) == window[16:18]
    assert tokens.window("肺炎", Part(0, 2, "肺炎")) == tokens.ids("肺炎", 9)
    assert len(tokens.name("丙" * 99)) == 27


def test_bundle_replays_and_holds_no_text(bundle: Path) -> None:
    opened = Bundle.open(bundle)
    assert opened.replay() == 8
    assert opened.manifest["features"] == list(FEATURES)
    for path in bundle.iterdir():
        data = path.read_bytes()
        assert "胰腺".encode() not in data and "胰腺".encode("utf-16-le") not in data


def test_evaluation_through_the_product_path(bundle: Path, corpora: Path, tmp_path: Path) -> None:
    report = evaluate(bundle, corpora, tmp_path)
    assert report["icd10"]["dev"]["f1"] > 0.9 and report["icd9cm3"]["dev"]["gold_in_top_5"] > 0.9
    assert report["icd10"]["other_edition"]["answered"] == report["icd10"]["other_edition"]["texts"]


def test_answers(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("编码,名称\n" + "\n".join(",".join(row) for row in ROWS), encoding="utf-8")
    own = {"icd10": [("J18", "肺炎")]}
    coder = Coder(Bundle.open(bundle), tmp_path, own, {"icd10": [("J18", "肺部感染")]}, "k1")

    before = coder.code([CodeRequest(id="a", text="肺部感染")])[0]
    assert [(part.code, part.table.edition) for part in before.codes] == [("J18", "k1")]
    assert coder.code([CodeRequest(id="b", text="阑尾炎", system="icd9cm3")])[0].codes == ()

    import_table(path, "icd10", "县医院", "2026", tmp_path)
    items = [CodeRequest(id=str(n), text=text) for n, text in enumerate(("胃癌、肺炎", "1.胆囊结石 2.肝囊肿", "？！", "肾" * 900))]
    answers = coder.code(items)
    assert [answer.id for answer in answers] == ["0", "1", "2", "3"]
    assert answers == [coder.code([item])[0] for item in items], "a batch and single calls give the same"
    assert {part.name for part in answers[0].codes} == {"胃恶性肿瘤", "肺炎"}
    assert {part.name for part in answers[1].codes} == {"胆囊结石", "肝囊肿"}
    assert answers[2].codes == ()
    for item, answer in zip(items, answers, strict=True):
        for part in answer.codes:
            assert part.table.name == "县医院" and part.span is not None
            assert item.text[part.span.start : part.span.end] == part.part == part.span.text
            assert 1 <= len(part.alternatives) <= 10 and part.alternatives[0].code == part.code
            others = [choice.probability for choice in part.alternatives[1:]]
            assert others == sorted(others, reverse=True)


def test_a_text_does_not_vote_for_itself() -> None:
    table = build_table("icd10", "t", "e", ROWS)
    memory = CodingMemory.build([("肺发炎", ("肺炎",)), ("胃发炎", ("胃炎",))]).bind(table)
    finder = CandidateFinder(table, memory)
    vote, frequency = FEATURES.index("vote"), FEATURES.index("log_frequency")
    row = table.names.index("肺炎")
    for leave_out, expected in ((None, True), (0, False)):
        found = finder.find("肺发炎", split("肺发炎", table.is_name), leave_out)
        place = found.targets.tolist().index(row)
        assert bool(found.features[place, vote] > 0.9) is expected
        assert bool(found.features[place, frequency] > 0) is expected


def test_choosing_serves_every_part() -> None:
    parts = [Part(0, 1, "甲"), Part(2, 3, "乙")]
    candidates = Candidates(np.array([5, 6, 7]), np.zeros((3, len(FEATURES)), np.float32), np.array([0, 0, 1]), parts)
    probabilities = np.array([0.9, 0.5, 0.2])
    assert [c.candidate for c in choose(candidates, probabilities, 0.6, 0.1)] == [0, 2]
    assert [c.candidate for c in choose(candidates, probabilities, 0.6, 0.3)] == [0]
    assert [c.alternatives for c in choose(candidates, probabilities, 0.95, 0.3)] == [(0, 1)]


def test_counts_and_threshold() -> None:
    counts = CodingCounts()
    counts.add(frozenset({"a", "b"}), frozenset({"a"}), ["c", "a"])
    assert counts.report()["precision"] == 1.0 and counts.report()["recall"] == 0.5
    assert counts.report()["gold_in_top_1"] == 0 and counts.report()["gold_in_top_5"] == 1
    probabilities, owner = np.array([0.9, 0.4, 0.1, 0.05]), np.array([0, 0, 1, 1])
    assert chosen_pairs(probabilities, owner, 0.5).tolist() == [True, False, True, False]
    at, f1 = best_threshold(probabilities, np.array([True, False, True, False]), owner, 2, (0.2, 0.5))
    assert at == 0.5 and f1 == 1.0
    assert fold("Ａ 型") == "a型"
