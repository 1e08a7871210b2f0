"""A thousand malformed requests to a real server: refused, its memory as it was, others answered."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from plain_http import NO_TLS

from service.api.grpc.messages import SERVICE, ModelInferRequest

# What the allocator keeps for later; the messages that are sent come to a quarter of a gigabyte.
MOST_GROWTH_BYTES = 12 << 20
DEEP = b"[" * 200_000
WIDE = json.dumps({"sequence": [[0.5] * 11] * 2000}).encode()
INFER = {"name": "sequence", "datatype": "FP32", "shape": [1, 9, 12]}
LENGTH = "inference-header-content-length"
BODIES = [
    ("/predict/vowels", b"", {}),
    ("/predict/vowels", DEEP, {}),
    ("/predict/vowels", b'{"sequence": ' + DEEP, {}),
    ("/predict/vowels", WIDE, {}),
    ("/predict/vowels", b'{"sequence": [[1, NaN]]}', {}),
    ("/predict/vowels", b'{"sequence": "\xff"}', {}),
    ("/predict/vowels", b'{"%s": 1}' % (b"x" * 100_000), {}),
    ("/predict/vowels", gzip.compress(WIDE)[:-9], {"content-encoding": "gzip"}),
    ("/predict/vowels", gzip.compress(b" " * (16 << 20)), {"content-encoding": "gzip"}),
    ("/predict/nobody", WIDE, {}),
    ("/v2/models/vowels/infer", json.dumps({"inputs": [INFER | {"shape": [1 << 62] * 3}]}).encode(), {}),
    ("/v2/models/vowels/infer", json.dumps({"inputs": [INFER] * 5000}).encode(), {}),
    ("/v2/models/vowels/infer", json.dumps({"inputs": [INFER], "id": "x" * 100_000}).encode(), {}),
    ("/v2/models/vowels/infer", b"\xff" * 480_000, {LENGTH: "0"}),
    ("/v2/models/vowels/infer", b"{}" + b"\0" * 400_000, {LENGTH: "2"}),
    ("/v2/models/vowels/infer", b"{}", {LENGTH: "9" * 17}),
]
NOT_A_NUMBER = np.full((1, 9000, 12), np.nan, np.float32).tobytes()
MESSAGES = [
    b"\xff" * 100_000,
    ModelInferRequest(model_name="x" * 100_000).SerializeToString(),
    ModelInferRequest(
        model_name="vowels", inputs=[INFER | {"shape": [1, 9000, 12]}], raw_input_contents=[NOT_A_NUMBER]
    ).SerializeToString(),
]


def resident_bytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def send(client: httpx.Client, infer, count: int) -> None:
    for path, body, headers in itertools.islice(itertools.cycle(BODIES), count):
        refused = client.post(path, content=body, headers=headers)
        assert refused.status_code in {400, 404, 413}, refused.text
        assert refused.json()["error"].split(":")[0]
    for message in itertools.islice(itertools.cycle(MESSAGES), count // 3):
        with pytest.raises(grpc.RpcError) as refusal:
            infer(message, timeout=20)
        assert refusal.value.code().name in {"INVALID_ARGUMENT", "NOT_FOUND"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_stays_flat_and_others_are_answered(server):
    with (
        httpx.Client(base_url=f"http://{server.http}", timeout=20, verify=NO_TLS) as client,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        send(client, infer, 160)
        before = resident_bytes(server.process)
        send(client, infer, 720)
        assert resident_bytes(server.process) - before < MOST_GROWTH_BYTES
        fine = client.post("/predict/vowels", json={"sequence": [[0.5] * 12] * 9})
        assert fine.status_code == 200
