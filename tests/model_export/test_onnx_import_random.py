"""Random stacks of recurrent layers: whatever is accepted is exact, row by row and chunk by chunk."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from onnx_import_graphs import weights, write
from onnx_import_running import check_against_the_original_alone

from model_export.onnx_import import import_model

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
AXES = {name: np.array([value]) for name, value in {"zero": 0, "one": 1, "last": -1, "far": 1 << 40}.items()}
LAYERS = st.tuples(
    st.sampled_from(sorted(GATES)),
    st.sampled_from(["forward", "forward", "reverse", "bidirectional"]),
    st.integers(1, 4),
    st.sampled_from(["", "Tanh", "Softmax <axis=2>", "Sigmoid"]),
)
# From the upper layer's steps `z` to the answer `y`, on axis {time} of three.
READOUTS = {
    "every step": "y = Identity (z)",
    "last": "y = Gather <axis={time}> (z, minus)",
    "last slice": "y = Slice (z, last, far, {name})",
    "first": "y = Gather <axis={time}> (z, begin)",
    "mean": "y = ReduceMean <axes=[{time}], keepdims=0> (z)",
    "largest": "y = ReduceMax <axes=[{time}], keepdims=1> (z)",
    "weighed": "s = Softmax <axis={time}> (z)  p = Mul (s, z)  y = ReduceSum <keepdims=0> (p, {name})",
    "residual of the mean": "m = ReduceMean <axes=[{time}], keepdims=1> (z)  y = Sub (z, m)",
}


def stack(layers, readout, is_batch_first):
    """Nodes and weights."""
    constants = AXES | {"minus": np.array(-1), "begin": np.array(0), "merged": np.array([0, 0, -1])}
    nodes, below, features = (
        ["z0 = Transpose <perm=[1, 0, 2]> (x)" if is_batch_first else "z0 = Identity (x)"],
        "z0",
        4,
    )
    for place, (operator, direction, hidden, after) in enumerate(layers):
        directions = 2 if direction == "bidirectional" else 1
        given_weights = weights(GATES[operator], directions, hidden, features)
        constants |= {f"{name}{place}": array for name, array in given_weights.items()}
        outputs = f"r{place}, h{place}" + (f", c{place}" if operator == "LSTM" else "")
        attributes = f'hidden_size={hidden}, direction="{direction}"'
        nodes.append(f"{outputs} = {operator} <{attributes}> ({below}, W{place}, R{place}, B{place})")
        nodes.append(
            f"t{place} = Transpose <perm=[0, 2, 1, 3]> (r{place})  u{place} = Reshape (t{place}, merged)"
        )
        nodes.append(f"v{place} = {after} (u{place})" if after else f"v{place} = Identity (u{place})")
        below, features = f"v{place}", hidden * directions
    nodes.append(f"z = Transpose <perm=[1, 0, 2]> ({below})" if is_batch_first else f"z = Identity ({below})")
    time = int(is_batch_first)
    nodes.append(READOUTS[readout].format(time=time, name="one" if time else "zero"))
    return " ".join(nodes), constants


@examples(50)
@given(st.lists(LAYERS, min_size=1, max_size=3), st.sampled_from(sorted(READOUTS)), st.booleans())
def test_a_random_stack_is_imported_exactly(layers, readout, is_batch_first):
    nodes, constants = stack(layers, readout, is_batch_first)
    inputs = "float[batch, time, 4] x" if is_batch_first else "float[time, batch, 4] x"
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "model.onnx", nodes, constants, inputs=inputs, outputs="float[] y")
        imported = import_model(path)
        check_against_the_original_alone(path, imported, Path(folder))
    looks_ahead = any(direction != "forward" for _, direction, _, _ in layers)
    assert imported.causal is (not looks_ahead and readout in ("every step", "last", "last slice"))
    assert len(imported.states) == (
        sum(1 + (layer[0] == "LSTM") for layer in layers) if imported.causal else 0
    )
