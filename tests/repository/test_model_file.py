"""An ONNX file from anywhere: what is wrong with it is told before a runtime opens it."""

from __future__ import annotations

import json
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_changes import SIGNATURE, honest_model
from hostile_models import HOSTILE
from onnx_tables import GENERATED, operators, schema

from service.errors import InvalidBundle
from service.repository.manifest import ONNX
from service.repository.model_file import look_through
from service.repository.scanner import bundle_folders, read_bundle

PATH = Path("models/gait/1/model.onnx")
HONEST = honest_model().SerializeToString()


def check(content: bytes) -> None:
    look_through(content, SIGNATURE, PATH)


def varint(number: int) -> bytes:
    rest = number >> 7
    return bytes([number & 0x7F | 0x80]) + varint(rest) if rest else bytes([number])


def held(number: int, content: bytes) -> bytes:
    """A field of bytes, or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_an_honest_model_passes():
    check(HONEST)


def test_a_model_whose_output_has_no_shape_passes():
    model = honest_model()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    check(model.SerializeToString())


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_model_is_refused_with_the_file_and_the_reason(case):
    change, reason = HOSTILE[case]
    model = honest_model()
    change(model)
    with pytest.raises(InvalidBundle, match=f"^{re.escape(str(PATH))}: .*{reason}"):
        check(model.SerializeToString())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ir_version: is 0"),
        (HONEST[:-1], "a field ends behind its end"),
        (HONEST + b"\xff" * 11, "more than 64 bits"),
        (HONEST + b"\x08", "a number has no end"),
        (HONEST + b"\x0b", "wire type 3"),
        (HONEST + held(999, b"new"), "has a field 999, which ONNX does not know"),
        (HONEST + held(7, b""), "ModelProto.graph: is given twice"),
        (HONEST + held(2, b"\xff\xfe"), "producer_name: .* is not UTF-8"),
        (HONEST + b"\x10\x05", "producer_name: has wire type 0"),
        (held(1, b"\x08"), "ir_version: has wire type 2"),
        (held(7, held(5, b"\x10" + varint((1 << 32) + 1))), "data_type: is 4294967297: expected 32 bits"),
        (held(7, held(5, held(4, b"abc"))), "float_data: expected float numbers of 4 bytes"),
        (b"\x12\x08..ORTM12" + HONEST, "ONNX Runtime's own format"),
    ],
)
def test_bytes_that_are_no_strict_onnx_are_refused(content, reason):
    with pytest.raises(InvalidBundle, match=reason):
        check(content)


def test_a_million_empty_nodes_are_refused_before_they_fill_memory():
    with pytest.raises(InvalidBundle, match="more than 250,000 fields"):
        check(held(7, held(1, b"") * 1_000_000))


def test_more_nodes_than_are_looked_at_are_refused():
    content = held(7, held(1, b"") * 20_001)
    with pytest.raises(InvalidBundle, match="more than 20,000 nodes"):
        check(b"\x08\x08" + held(8, b"\x10\x11") + content)


def test_weights_are_not_copied():
    model = honest_model()
    weight = model.graph.initializer[0]
    weight.dims[:] = [1 << 22]
    weight.raw_data = bytes(1 << 24)
    content = model.SerializeToString()
    tracemalloc.start()
    check(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_manifest_whose_rows_no_memory_holds_is_refused():
    huge = replace(SIGNATURE, output_shape=(1 << 20, 1 << 20))
    with pytest.raises(InvalidBundle, match=r"output 'output': the manifest gives .*16,777,216 numbers"):
        look_through(HONEST, huge, PATH)


@pytest.mark.parametrize("folder", [*bundle_folders(Path("models"))], ids=lambda folder: folder.parent.name)
def test_every_released_bundle_passes(folder):
    assert read_bundle(folder).manifest.files[ONNX]


def test_a_file_that_changes_after_it_was_looked_through_is_not_opened(models_dir):
    artifact = read_bundle(models_dir / "gait" / "1").artifact
    artifact.onnx_path.write_bytes(HONEST)
    with pytest.raises(InvalidBundle, match="has changed since it was looked through"):
        artifact.content()


@pytest.mark.parametrize("table", ["onnx_schema.json", "operators.json"])
def test_what_is_committed_of_onnx_agrees_with_the_installed_packages(table):
    committed = json.loads((GENERATED / table).read_text())
    installed = schema() if table == "onnx_schema.json" else operators()
    if table == "operators.json":
        assert committed["opset"] <= installed["opset"]
        committed, installed = committed["operators"], installed["operators"]
    assert committed.keys() <= installed.keys(), "python tests/onnx_tables.py writes it anew"
    different = {name for name, known in committed.items() if known != installed[name]}
    assert not different, "python tests/onnx_tables.py writes it anew"
