"""How much the served reading costs beside a bare ONNX pass of the same tokens, in one run on one core.

Run: ``python -m benchmarks.reading``. The record is written here; no corpus is needed. CPU time is compared, since wall
time on shared cores says little.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np

from inference.engine import Engine
from inference.reading.span_reader import BUCKET, SpanReader
from inference.reading.tokens import CharacterTokeniser
from inference.reading.windows import cut_windows
from models.bundle import RELEASED, Bundle

RECORD = (
    "主诉：反复咳嗽、咳痰10年，加重伴气促3天。现病史：患者10年前受凉后出现咳嗽，咳白色泡沫痰，每年冬春季节发作，持续3个月以上，"
    "曾在乡镇卫生院诊断为慢性支气管炎，予以阿莫西林、氨溴索口服后好转。3天前再次受凉，咳嗽加重，咳黄脓痰，量多，活动后气促，"
    "夜间不能平卧，伴发热，体温最高38.6℃，无胸痛、咯血，无盗汗、消瘦，无双下肢水肿。既往史：高血压病8年，最高血压170/100mmHg，"
    "口服硝苯地平缓释片，血压控制可；否认糖尿病、冠心病史；否认肝炎、结核病史；5年前行胆囊切除术。吸烟40年，每日20支，已戒2年。"
    "父亲死于肺癌。体格检查：T38.2℃，P102次/分，R24次/分，BP152/88mmHg，口唇轻度发绀，桶状胸，双肺呼吸音低，可闻及湿性啰音及"
    "少量哮鸣音，心率102次/分，律齐，未闻及杂音，腹软，无压痛，双下肢无水肿。辅助检查：血常规白细胞12.6×10^9/L，中性粒细胞百分比"
    "86%，C反应蛋白48mg/L；胸部X线片示双肺纹理增多、右下肺斑片状影；心电图示窦性心动过速。初步诊断：1.慢性阻塞性肺疾病急性加重期 "
    "2.社区获得性肺炎 3.高血压病2级。"
)[:500]


def cpu_seconds(work: Callable[[], object], rounds: int) -> float:
    """Least CPU time of a call."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def measure(rounds: int = 15) -> dict[str, float]:
    """CPU milliseconds of the bare passes, of the trained reading and of the whole `structure` answer, and their ratios."""
    bundle = Bundle.open(RELEASED / "reader")
    reader = SpanReader(bundle)
    session = bundle.session("model.onnx")
    tokeniser = CharacterTokeniser.from_file(bundle.file("tokenizer.json"))
    never = np.full(len(reader.labels), 1e9, dtype=np.float32)
    feeds = []
    for window in cut_windows(RECORD, int(bundle.manifest["window"]), int(bundle.manifest["overlap"])):
        tokens = tokeniser.encode(RECORD[window.start : window.end])
        ids = np.full((1, -(-len(tokens) // BUCKET) * BUCKET), tokeniser.pad, dtype=np.int64)
        ids[0, : len(tokens)] = tokens
        feeds.append({"ids": ids, "length": np.array([len(tokens)], dtype=np.int64), "thresholds": never})

    def bare() -> None:
        for feed in feeds:
            session.run(None, feed)

    engine = Engine()
    item = {"id": "benchmark", "text": RECORD}
    bare_seconds, whole_seconds = cpu_seconds(bare, rounds), cpu_seconds(lambda: reader.predict([RECORD]), rounds)
    structure_seconds = cpu_seconds(lambda: engine.structure([item]), rounds)
    return {
        "characters": float(len(RECORD)),
        "windows": float(len(feeds)),
        "bare_pass_ms": round(bare_seconds * 1000, 1),
        "reading_ms": round(whole_seconds * 1000, 1),
        "ratio": round(whole_seconds / bare_seconds, 3),
        "structure_ms": round(structure_seconds * 1000, 1),
        "structure_ratio": round(structure_seconds / bare_seconds, 3),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
