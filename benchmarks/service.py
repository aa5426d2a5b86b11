"""What the service costs: start to ready in a fresh process, resident memory under mixed requests, HTTP beside the bare call.

Run: ``python -m benchmarks.service [--requests 10000]``. The service runs in a process of its own, with every released bundle
open; its CPU time and memory are read from ``/proc``, since wall time on shared cores says little.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.diagnose import authored
from benchmarks.fundus import photograph
from inference.engine import Engine
from inference.settings import Settings

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
WARM = 100
LONGEST = 6000


@dataclass
class Served:
    """A service in a process of its own."""

    pid: int
    port: int
    ready_wall: float
    ready_cpu: float

    def cpu(self) -> float:
        """CPU seconds used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def megabytes(self) -> float:
        """Resident memory now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE / 2**20

    def peak_megabytes(self) -> float:
        """The highest resident memory so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def files(self) -> int:
        """Open file descriptors."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(state: Path) -> Iterator[Served]:
    """Start `xinglin serve` and wait until /readyz says ready."""
    port = _free_port()
    environment = os.environ | {"XINGLIN_STATE": str(state), "XINGLIN_RATE_PER_SECOND": "1000000", "XINGLIN_RATE_BURST": "1000000"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "inference.cli", "serve", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found = Served(process.pid, port, 0.0, 0.0)
    try:
        while not _ready(port):
            if process.poll() is not None or time.perf_counter() - began > 120:
                raise SystemExit("the service did not become ready")
            time.sleep(0.02)
        found.ready_wall, found.ready_cpu = time.perf_counter() - began, found.cpu()
        time.sleep(1.0)  # its own greeting asks one sample, which belongs to no measurement
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def mixed_requests(count: int, seed: int = 0) -> Iterator[tuple[str, Any]]:
    """Paths and bodies: every capability, lengths from a few characters to thousands, one in twenty wrong, some photographs."""
    rng = random.Random(seed)
    records = authored(400)
    small = io.BytesIO()
    Image.open(io.BytesIO(photograph())).resize((1344, 1008)).save(small, "JPEG", quality=90)
    photographs = [base64.b64encode(data).decode() for data in (small.getvalue(), photograph())]
    for number in range(count):
        record = dict(rng.choice(records))
        if number % 4 == 0:
            text = str(record.get("text", ""))
            while len(text) < rng.randrange(200, LONGEST):
                text += "\n" + str(rng.choice(records).get("text", ""))
            record["text"] = text[:LONGEST]
            record.pop("sections", None)
        if number % 20 == 19:
            yield "/v1/diagnose", {**record, "text": number}
        elif number % 50 == 25:
            yield "/v1/fundus/screen", {"id": "eye", "image": photographs[number % 100 > 50]}
        else:
            yield from [_text_request(number % 7, record)]


def _text_request(kind: int, record: dict[str, Any]) -> tuple[str, Any]:
    if kind == 0:
        return "/v1/structure", record
    if kind == 1:
        return "/v1/review", {**record, "diagnoses": [{"name": "高血压病"}, {"name": "慢性胃炎"}]}
    if kind == 2:
        return "/v1/code", {"id": "a", "text": "2型糖尿病伴周围神经病变、高血压3级 很高危", "system": "icd10"}
    if kind == 3:
        measures = [{"name": "systolic_bp", "value": 168, "unit": "mmHg"}, {"name": "diastolic_bp", "value": 96, "unit": "mmHg"}]
        patient = {"sex": "female", "age": {"value": 66, "unit": "year"}}
        return "/v1/risk/grade", {"id": "r", "patient": patient, "measurements": measures, "diagnoses": [{"name": "高血压病"}]}
    if kind == 4:
        return "/v1/medication/check", {**record, "medications": [{"name": "阿莫西林", "dose": "0.5g", "frequency": "tid"}]}
    return "/v1/diagnose", record


def post(connection: http.client.HTTPConnection, path: str, body: Any) -> int:
    """The status of one POST."""
    content = json.dumps(body, ensure_ascii=False).encode()
    try:
        connection.request("POST", path, content, {"Content-Type": "application/json"})
    except (BrokenPipeError, ConnectionResetError):
        # the service closes a connection after refusing a body early: once more on a fresh one
        connection.close()
        connection.request("POST", path, content, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response.status


def _direct(records: list[dict[str, Any]], state: Path) -> tuple[float, float]:
    """CPU and median wall seconds of the function call, a record."""
    engine = Engine(Settings(state=state))
    engine.warm()
    engine.diagnose(records[:5])
    began, walls = time.process_time(), []
    for record in records:
        started = time.perf_counter()
        engine.diagnose([record])
        walls.append(time.perf_counter() - started)
    return (time.process_time() - began) / len(records), statistics.median(walls)


def measure(requests: int = 1000, starts: int = 3, overhead_records: int = 100) -> dict[str, float]:
    """Start, memory, descriptors, HTTP overhead."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with served(state):
            pass  # a first start writes the vectors of entries edited since the bundle was sealed; `make run` does it once
        ready: list[tuple[float, float]] = []
        for _ in range(starts - 1):
            with served(state) as one:
                ready.append((one.ready_cpu, one.ready_wall))
        with served(state) as one:
            ready.append((one.ready_cpu, one.ready_wall))
            at_start = one.megabytes()
            connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=120)
            records = authored(overhead_records)
            for record in records[:5]:
                post(connection, "/v1/diagnose", record)
            before, walls = one.cpu(), []
            for record in records:
                started = time.perf_counter()
                post(connection, "/v1/diagnose", record)
                walls.append(time.perf_counter() - started)
            served_cpu, served_wall = (one.cpu() - before) / len(records), statistics.median(walls)
            statuses: dict[int, int] = {}
            after_warm, files = 0.0, 0
            for number, (path, body) in enumerate(mixed_requests(requests + WARM), start=1):
                status = post(connection, path, body)
                statuses[status] = statuses.get(status, 0) + 1
                if number == WARM:
                    after_warm, files = one.megabytes(), one.files()
            at_end, peak, files_end = one.megabytes(), one.peak_megabytes(), one.files()
        direct_cpu, direct_wall = _direct(records, state)
    return {
        "start_to_ready_cpu_s": round(statistics.median(cpu for cpu, _ in ready), 2),
        "start_to_ready_wall_s": round(statistics.median(wall for _, wall in ready), 2),
        "memory_at_start_mb": round(at_start),
        "memory_after_100_mb": round(after_warm),
        "requests": float(requests),
        "memory_after_all_mb": round(at_end),
        "memory_peak_mb": round(peak),
        "memory_growth": round(at_end / after_warm, 3),
        "descriptors_growth": float(files_end - files),
        "answered": float(statuses.get(200, 0)),
        "refused": float(sum(n for status, n in statuses.items() if 400 <= status < 500)),
        "failed": float(sum(n for status, n in statuses.items() if status >= 500)),
        "http_cpu_ms": round(1000 * served_cpu, 1),
        "direct_cpu_ms": round(1000 * direct_cpu, 1),
        "http_over_direct_cpu": round(served_cpu / direct_cpu, 3),
        "http_over_direct_wall": round(served_wall / direct_wall, 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    print(json.dumps(measure(parser.parse_args().requests), indent=1))
