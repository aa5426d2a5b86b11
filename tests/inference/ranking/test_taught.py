"""The taught part: served as trained, sealed without loss that matters, and open to entries it never saw."""

from pathlib import Path

import numpy as np
import torch

from inference.ranking.taught import Taught, TaughtNetwork, read, write
from training.networks.taught import TaughtModule

DIMENSION = 16
FINDINGS = ("-fever", "cough", "fever")


def unit(rows: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, DIMENSION)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def module_and_network(ids: tuple[str, ...]) -> tuple[TaughtModule, TaughtNetwork]:
    torch.manual_seed(1)
    module = TaughtModule(torch.from_numpy(unit(len(ids), 2)), len(FINDINGS), 32, 0.1, 20.0).eval()
    with torch.no_grad():
        module.outer.weight.normal_(0, 0.1)
        module.bias.normal_(0, 0.5)
        module.marks.weight.normal_(0, 1.0)
        module.danger.weight.normal_(0, 0.1)
        module.danger.bias.fill_(-0.05)
    return module, module.sealed(ids, FINDINGS)


def test_served_as_trained(tmp_path: Path) -> None:
    ids = ("a", "b", "c")
    module, network = module_and_network(ids)
    vectors = unit(5, 3)
    with torch.no_grad():
        logits, danger = module(torch.from_numpy(vectors), [[], [2], [0], [1, 2], [0, 1]])
        expected, expected_danger = torch.log_softmax(logits, dim=1).numpy(), torch.sigmoid(danger).numpy()
    write(tmp_path / "taught.npz", network)
    for part, tolerance in ((network, 1e-4), (read(tmp_path / "taught.npz"), 0.2)):
        taught = Taught(part, ids, np.zeros((0, DIMENSION), dtype=np.float32), np.zeros(0, dtype=np.int64))
        said = (((), ()), (("fever",), ()), ((), ("fever",)), (("fever", "cough", "unheard_of"), ()), (("cough",), ("fever", "pain")))
        scores = [taught.score(vector, *findings) for vector, findings in zip(vectors, said, strict=True)]
        assert np.abs(np.stack([score.likely for score in scores]) - expected).max() < tolerance
        assert np.abs(np.array([score.danger for score in scores]) - expected_danger).max() < tolerance


def test_an_entry_that_was_never_taught_is_judged_by_its_views() -> None:
    _, network = module_and_network(("a", "b", "c"))
    views = unit(8, 4)
    taught = Taught(network, ("a", "new", "b", "c"), views, np.array([0, 2, 5, 6]))
    scores = taught.score(views[3]).likely
    assert abs(float(np.exp(scores).sum()) - 1) < 1e-6
    assert int(scores.argmax()) == 1
    assert abs(np.linalg.norm(taught.rows[1]) - np.median(np.linalg.norm(network.rows, axis=1))) < 1e-3


def test_an_entry_that_left_the_knowledge_base_is_passed_over() -> None:
    _, network = module_and_network(("a", "gone", "c"))
    taught = Taught(network, ("a", "c"), unit(2, 5), np.array([0, 1]))
    assert len(taught.score(unit(1, 6)[0]).likely) == 2
