"""Which output of the original is the answer; the others are states, and are given anew."""

from __future__ import annotations

import onnx

from model_export.onnx_import.refusal import ImportRefused
from model_export.onnx_import.source_graph import RECURRENT, SourceGraph

_MOVING = frozenset(
    {"Cast", "Concat", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}
)


def answer(graph: SourceGraph, wanted: str | None) -> str:
    """The output to import: the one named, or the only one that is no final state."""
    if wanted is not None:
        if wanted not in graph.outputs:
            raise ImportRefused(
                f"output {wanted}", f"is not among the model's outputs: {', '.join(graph.outputs)}"
            )
        return wanted
    producers = {name: node for node in graph.nodes for name in node.output}
    answers = [name for name in graph.outputs if not _is_final_state(name, producers)]
    if len(answers) > 1:
        reason = "the contract has one output beside the states; name the one to import"
        raise ImportRefused(f"outputs {', '.join(answers)}", reason)
    return answers[0] if answers else graph.outputs[0]


def _is_final_state(name: str, producers: dict[str, onnx.NodeProto]) -> bool:
    """Whether it is a recurrent node's Y_h or Y_c, at most moved and joined."""
    node = producers.get(name)
    if node is None:
        return False
    if node.op_type in RECURRENT:
        return name in node.output[1:]
    if node.op_type not in _MOVING:
        return False
    moved = node.input if node.op_type == "Concat" else node.input[:1]
    return all(_is_final_state(part, producers) for part in moved)
