"""The operators that may be used: ONNX's own, where ONNX Runtime has them on the CPU."""

from __future__ import annotations

import json

from service.errors import InvalidBundle
from service.repository.model_file.messages import GENERATED, Message

# ONNX's own domain has two spellings.
ONNX_DOMAINS = ("", "ai.onnx")
# ONNX Runtime gives no promise below.
_OLDEST_OPSET, _OLDEST_IR = 7, 3

_TABLE = json.loads((GENERATED / "operators.json").read_text())
_OPERATORS: dict[str, tuple[int, int | None]] = _TABLE["operators"]


def check_versions(model: Message) -> int:
    """The opset of ONNX's own domain; raises InvalidBundle where it, or the IR's version, is not known."""
    version, newest = model.one("ir_version", 0), _TABLE["ir_version"]
    if not _OLDEST_IR <= version <= newest:
        raise InvalidBundle(f"ir_version: is {version}: expected {_OLDEST_IR} to {newest}")
    domains = [opset.one("domain", "") for opset in model.all("opset_import")]
    if len(domains) != len(set(domains)):
        raise InvalidBundle("opset_import: names a domain twice: expected once")
    own = [opset for opset in model.all("opset_import") if opset.one("domain", "") in ONNX_DOMAINS]
    opset: int = own[0].one("version", 0) if len(own) == 1 else 0
    if not _OLDEST_OPSET <= opset <= _TABLE["opset"]:
        known = f"{_OLDEST_OPSET} to {_TABLE['opset']}"
        raise InvalidBundle(f"opset_import: ai.onnx has version {opset}: expected one from {known}")
    return opset


def check_operator(node: Message, title: str, opset: int) -> None:
    """Raises InvalidBundle where the node is not of an operator that this opset has."""
    domain, operator = node.one("domain", ""), node.one("op_type", "")
    if domain not in ONNX_DOMAINS:
        raise InvalidBundle(f"{title}: is of the domain {domain!r}: expected ONNX's own operators only")
    if node.one("overload"):
        raise InvalidBundle(f"{title}: calls a function: expected it written out")
    first, deprecated = _OPERATORS.get(operator, (None, None))
    if first is None:
        raise InvalidBundle(f"{title}: {operator!r} is no operator of ONNX that is run here")
    if opset < first or (deprecated is not None and opset >= deprecated):
        until = f" to {deprecated - 1}" if deprecated is not None else ""
        raise InvalidBundle(f"{title}: the model's opset is {opset}, {operator} is in opsets {first}{until}")
