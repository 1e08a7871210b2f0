"""`python tests/onnx_mutants.py FOLDER`: load and run every file there, and say how it went.

In a process of its own, with bounded memory: what ONNX Runtime makes of damaged files that are accepted.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from random import Random

from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Artifact
from service.errors import CarouselError
from service.repository.manifest import read_manifest
from service.repository.proving import blank_batch

# Field keys, lengths and small numbers are where protobuf is read differently; the others are any byte.
_TELLING = (0x00, 0x01, 0x07, 0x08, 0x0A, 0x10, 0x12, 0x1A, 0x22, 0x2A, 0x3A, 0x4A, 0x7F, 0x80, 0xFF)
_MEMORY_BYTES = 3 << 30


def mutant(content: bytes, seed: int) -> bytes:
    """One to three places of a file changed: a byte, or a piece that is cut out, doubled or put elsewhere."""
    random, changed = Random(seed), bytearray(content)
    for _ in range(random.randint(1, 3)):
        start = random.randrange(len(changed))
        piece = changed[start : start + random.choice((1, 2, 4, 16, 64))]
        match random.randrange(5):
            case 0:
                changed[start] = random.choice(_TELLING)
            case 1:
                changed[start] = random.randrange(256)
            case 2:
                changed[start] = (changed[start] + random.choice((-1, 1))) % 256
            case 3:
                del changed[start : start + len(piece)]
            case _:
                place = random.randrange(len(changed))
                changed[place:place] = piece
    return bytes(changed)


def _outcome(path: Path, signature: object) -> str:
    backend = OnnxRuntimeBackend()
    try:
        backend.load(Artifact(path, signature))
        backend.run(blank_batch(signature, 2, 3))
    except CarouselError as failure:
        return type(failure).__name__
    finally:
        backend.close()
    return "ran"


def main(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    signature = read_manifest(folder).signature
    for path in sorted(folder.glob("*.onnx")):
        sys.stderr.write(f"{path.name}: begun\n")
        sys.stdout.write(json.dumps([path.name, _outcome(path, signature)]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
