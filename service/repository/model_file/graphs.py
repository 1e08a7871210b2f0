"""A graph and the graphs inside its nodes: operators, names, tensors, sizes, depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from service.errors import InvalidBundle
from service.repository.model_file.axes import check_axes
from service.repository.model_file.messages import Message
from service.repository.model_file.operators import check_operator
from service.repository.model_file.sizes import Numbers, check_shape_attribute, check_size
from service.repository.model_file.tensors import check_tensor, constant

# A Scan in a Loop in an If is three.
_MAX_DEPTH = 8
_MAX_NODES = 20_000


class GraphCheck:
    """Looks through one model's graphs; raises InvalidBundle naming the node or tensor."""

    def __init__(self, opset: int) -> None:
        self._opset = opset
        self._nodes_left = _MAX_NODES

    def check(self, graph: Message, outer: Mapping[str, Numbers] | None = None, depth: int = 0) -> None:
        """`outer` are the constants that the graphs around this one have."""
        title = f"graph {graph.one('name', '')!r}"
        if depth > _MAX_DEPTH:
            raise InvalidBundle(f"{title}: lies {depth} graphs deep: expected {_MAX_DEPTH} at most")
        if "sparse_initializer" in graph:
            raise InvalidBundle(f"{title}: has sparse initializers: expected dense ones")
        self._nodes_left -= len(graph.all("node"))
        if self._nodes_left < 0:
            raise InvalidBundle(f"{title}: the model has more than {_MAX_NODES:,} nodes: expected fewer")
        _refuse_twins(title, _names(graph))
        for tensor in graph.all("initializer"):
            check_tensor(tensor)
        constants = {**(outer or {}), **_constants(graph)}
        for node in graph.all("node"):
            self._check_node(node, constants, depth)

    def _check_node(self, node: Message, constants: Mapping[str, Numbers], depth: int) -> None:
        outputs = node.all("output")
        name = node.one("name") or (outputs[0] if outputs else "")
        title = f"node {name!r} ({node.one('op_type', '')})"
        check_operator(node, title, self._opset)
        attributes = node.all("attribute")
        _refuse_twins(f"{title}: attributes", (attribute.one("name", "") for attribute in attributes))
        for attribute in attributes:
            self._check_attribute(attribute, title, constants, depth)
        check_size(node, title, constants)
        check_shape_attribute(node, title)

    def _check_attribute(
        self, attribute: Message, title: str, constants: Mapping[str, Numbers], depth: int
    ) -> None:
        if attribute.one("ref_attr_name"):
            raise InvalidBundle(f"{title}: refers to a function's attribute: expected functions written out")
        if "sparse_tensor" in attribute or "sparse_tensors" in attribute:
            raise InvalidBundle(f"{title}: has a sparse tensor: expected a dense one")
        check_axes(attribute, title)
        for text in (*attribute.all("s"), *attribute.all("strings")):
            _refuse_other_than_utf8(text, f"{title}: {attribute.one('name', '')}")
        for tensor in (*attribute.all("t"), *attribute.all("tensors")):
            check_tensor(tensor)
        for graph in (*attribute.all("g"), *attribute.all("graphs")):
            self.check(graph, constants, depth + 1)


def _names(graph: Message) -> Iterator[str]:
    """Everything the graph itself gives a name to; an optional output that is left out has none."""
    for part in ("input", "initializer"):
        yield from (value.one("name", "") for value in graph.all(part))
    for node in graph.all("node"):
        yield from (output for output in node.all("output") if output)


def _refuse_other_than_utf8(text: memoryview, title: str) -> None:
    """ONNX says that attributes' strings are UTF-8, though they are bytes to protobuf."""
    try:
        str(text, "utf-8")
    except UnicodeDecodeError:
        raise InvalidBundle(f"{title}: {bytes(text[:40])!r} is not UTF-8") from None


def _refuse_twins(title: str, names: Iterator[str]) -> None:
    twins = [name for name, count in Counter(names).items() if count > 1]
    if twins:
        raise InvalidBundle(f"{title}: {twins[0]!r} is there twice: expected every name once")


def _constants(graph: Message) -> dict[str, Numbers]:
    """The small constants of a graph by name: initializers, Constant nodes, and what is identical to them."""
    found: dict[str, Numbers] = {}
    for tensor in graph.all("initializer"):
        _keep(found, tensor.one("name", ""), constant(tensor))
    for node in graph.all("node"):
        outputs = node.all("output")
        if not outputs:
            continue
        if node.one("op_type") == "Constant":
            _keep(found, outputs[0], _constant_of(node))
        elif node.one("op_type") == "Identity" and node.all("input"):
            _keep(found, outputs[0], found.get(node.all("input")[0]))
    return found


def _constant_of(node: Message) -> Numbers | None:
    """The numbers of a Constant, whose tensor is only checked with its node, which comes later."""
    numbers: Numbers | None = None
    for attribute in node.all("attribute"):
        match attribute.one("name"):
            case "value" if "t" in attribute:
                check_tensor(attribute.one("t"))
                numbers = constant(attribute.one("t"))
            case "value_int":
                numbers = attribute.all("i")
            case "value_ints":
                numbers = attribute.all("ints")
    return numbers


def _keep(found: dict[str, Numbers], name: str, numbers: Numbers | None) -> None:
    if numbers is not None:
        found[name] = numbers
