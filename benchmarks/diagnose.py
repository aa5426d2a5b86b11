"""What `diagnose` costs beside the bare ONNX passes of the same tokens, and beside eager PyTorch, in one run on one core.

Run: ``python -m benchmarks.diagnose``. No corpus is needed: one record of 500 characters, and authored cases for the mixed
lengths. CPU time is compared, since wall time on shared cores says little; A and B alternate.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reading import RECORD
from inference.engine import Engine

CASES = Path("knowledge_base/cases")
MODELS = ("reader", "ranker")
LONG = (RECORD + "处理：住院，吸氧，抗感染，解痉平喘。")[:500]


class Recorded:
    """A session that keeps what it was fed, so that the same passes can be run bare."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.calls: list[tuple[list[str] | None, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, outputs: list[str] | None, feed: dict[str, Any]) -> Any:
        """Run, and keep the feed."""
        self.calls.append((outputs, feed))
        return self._session.run(outputs, feed)

    def bare(self) -> None:
        """The kept passes and nothing else."""
        for outputs, feed in self.calls:
            self._session.run(outputs, feed)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def authored(count: int) -> list[dict[str, Any]]:
    """Authored records, evenly taken over all departments."""
    lines = [line for path in sorted(CASES.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    step = max(len(lines) // count, 1)
    return [json.loads(line)["record"] for line in lines[::step][:count]]


def _passes(engine: Engine, recorders: dict[str, Recorded], item: dict[str, Any]) -> None:
    for recorder in recorders.values():
        recorder.calls.clear()
    engine.diagnose([item])


def _eager(feeds: list[dict[str, Any]]) -> Callable[[], None] | None:
    """The ranker's passes in eager PyTorch (fp32, one thread), or None without PyTorch.

    The weights are random: speed depends on the shapes alone (4 layers of 512, as trained).
    """
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        return None
    import torch
    from transformers import BertConfig, BertModel

    torch.set_num_threads(1)
    config = BertConfig(vocab_size=21128, hidden_size=512, num_hidden_layers=4, num_attention_heads=8, intermediate_size=2048)
    model = BertModel(config, add_pooling_layer=False).eval()
    inputs = [{name: torch.from_numpy(value) for name, value in feed.items()} for feed in feeds]

    def run() -> None:
        with torch.inference_mode():
            for feed in inputs:
                model(**feed)

    return run


def _rounds(a: Callable[[], object], b: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median CPU seconds of A and of B, taken in turn."""
    pairs = [(cpu(a), cpu(b)) for _ in range(rounds)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def _bare(recorders: dict[str, Recorded]) -> None:
    for recorder in recorders.values():
        recorder.bare()


def _mixed(engine: Engine, recorders: dict[str, Recorded], count: int) -> Iterator[float]:
    """Ratio of every authored record, each once warm."""
    for item in authored(count):
        engine.diagnose([item])
        whole = cpu(lambda item=item: _passes(engine, recorders, item))  # type: ignore[misc]
        yield whole / cpu(lambda: _bare(recorders))


def measure(rounds: int = 15, mixed: int = 100) -> dict[str, float]:
    """CPU milliseconds and ratios."""
    engine = Engine()
    recorders: dict[str, Recorded] = {}
    for task in MODELS:
        bundle = engine.bundle(task)
        if bundle is None:
            raise SystemExit(f"no bundle is released for {task}")
        bundle.session()
        recorders[task] = Recorded(bundle.session())
        bundle._sessions["model.onnx"] = recorders[task]  # type: ignore[assignment]
    engine.warm()
    item = {"id": "a", "text": LONG}
    _passes(engine, recorders, item)
    fixed = {name: Recorded(recorder._session) for name, recorder in recorders.items()}
    for name, recorder in fixed.items():
        recorder.calls = list(recorders[name].calls)
    feeds = [feed for recorder in fixed.values() for _, feed in recorder.calls]
    tokens = sum(int(np.size(feed.get("ids", feed.get("input_ids")))) for feed in feeds)
    whole_s, bare_s = _rounds(lambda: _passes(engine, recorders, item), lambda: _bare(fixed), rounds)
    ratios = list(_mixed(engine, recorders, mixed))
    found = {
        "characters": float(len(LONG)),
        "tokens_with_padding": float(tokens),
        "diagnose_ms": round(1000 * whole_s, 1),
        "bare_passes_ms": round(1000 * bare_s, 1),
        "ratio": round(whole_s / bare_s, 3),
        "authored_records": float(len(ratios)),
        "ratio_authored_median": round(statistics.median(ratios), 3),
        "ratio_authored_p95": round(float(np.quantile(ratios, 0.95)), 3),
    }
    eager = _eager([feed for _, feed in fixed["ranker"].calls])
    if eager is not None:
        eager()
        eager_s, encoder_s = _rounds(eager, fixed["ranker"].bare, max(rounds // 2, 3))
        found |= {
            "ranker_pass_ms": round(1000 * encoder_s, 1),
            "eager_pytorch_ms": round(1000 * eager_s, 1),
            "eager_over_served": round(eager_s / encoder_s, 2),
        }
    return found


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
