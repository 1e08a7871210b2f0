"""`python tests/compile_proto.py`: compile service/api/grpc/open_inference.proto anew."""

from __future__ import annotations

import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
PROTO = ROOT / "service/api/grpc/open_inference.proto"
COMPILED = ROOT / "service/api/grpc/generated/open_inference.binpb"


def compiled() -> bytes:
    """The proto as a serialized FileDescriptorSet."""
    with tempfile.NamedTemporaryFile() as target:
        arguments = [f"--proto_path={PROTO.parent}", f"--descriptor_set_out={target.name}", PROTO.name]
        if protoc.main(["protoc", *arguments]) != 0:
            raise SystemExit(1)
        return Path(target.name).read_bytes()


if __name__ == "__main__":
    COMPILED.parent.mkdir(exist_ok=True)
    COMPILED.write_bytes(compiled())
