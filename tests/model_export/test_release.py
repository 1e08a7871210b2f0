"""From training to bundle: repeatable, verified, and all or nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_recipe import Slopes, TinyLstm

from model_export.checkpoint import NoCheckpoint, load_checkpoint, save_checkpoint
from model_export.parity import ParityFailed
from model_export.release import release
from model_export.training_run import run_training
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.repository.golden import read_golden
from service.repository.manifest import MANIFEST
from service.repository.scanner import read_bundle


def silent(step: int, steps: int, loss: float, note: str) -> None:
    """No progress bar."""


@pytest.fixture(scope="module")
def trained():
    return run_training(Slopes(), "cpu", 1, silent)


def test_training_twice_gives_the_same_weights_to_the_bit(trained):
    again, _ = run_training(Slopes(), "cpu", 1, silent)
    for name, weights in trained[0].state_dict().items():
        assert torch.equal(weights, again.state_dict()[name]), name


def test_training_learns(trained):
    _, training = trained
    untrained = Slopes().network().eval()
    with torch.no_grad():
        assert training.quality[0].value < Slopes().evaluate(untrained)[0].value


def test_a_checkpoint_gives_back_the_network_and_its_account(trained, tmp_path):
    network, training = trained
    save_checkpoint(tmp_path / "slopes", network, training)
    loaded = Slopes().network()
    assert load_checkpoint(tmp_path / "slopes", loaded) == training
    for name, weights in network.state_dict().items():
        assert torch.equal(weights, loaded.state_dict()[name]), name


def test_a_missing_checkpoint_says_how_to_get_one(tmp_path):
    with pytest.raises(NoCheckpoint, match="carousel train slopes"):
        load_checkpoint(tmp_path / "slopes", Slopes().network())


def test_a_released_bundle_passes_the_server_s_own_checks(trained, tmp_path):
    network, training = trained
    manifest, report = release(Slopes(), network, training.quality, OnnxRuntimeBackend(), tmp_path)
    bundle = read_bundle(tmp_path / "slopes" / "1")
    assert bundle.manifest == manifest
    assert [(state.input, state.output) for state in manifest.states] == [
        ("h_in", "h_out"),
        ("c_in", "c_out"),
    ]
    assert report.sequences > 20
    assert report.cuts > report.sequences
    assert report.reference <= manifest.tolerance.reference
    golden = read_golden(bundle.folder)
    assert [len(sequence) for sequence in golden.sequences] == sorted(len(s) for s in golden.sequences)


def test_releasing_twice_gives_the_same_bytes(trained, tmp_path):
    network, training = trained
    for folder in ("a", "b"):
        release(Slopes(), network, training.quality, OnnxRuntimeBackend(), tmp_path / folder)
    manifests = [(tmp_path / folder / "slopes" / "1" / MANIFEST).read_bytes() for folder in ("a", "b")]
    assert manifests[0] == manifests[1]


class SwappedStates(TinyLstm):
    """Exports h as c and c as h: same shapes, no error anywhere, wrong after the first cut."""

    def write(self, graph):
        publish = graph.new_state
        graph.new_state = lambda name, tensor: publish({"h": "c", "c": "h"}[name], tensor)
        super().write(graph)


class ForgetsLengths(TinyLstm):
    """Reads the padding."""

    def write(self, graph):
        time = graph.node("Shape", graph.sequence, start=0, end=1)
        rows = graph.node("Shape", graph.sequence, start=1, end=2)
        longest = graph.node("Cast", time, to=6)
        graph.lengths = graph.node("Expand", longest, rows)
        super().write(graph)


class SlightlyOff(TinyLstm):
    """One weight of the artefact is not the network's."""

    def write(self, graph):
        self.head.bias.data += 1e-3
        super().write(graph)
        self.head.bias.data -= 1e-3


@pytest.mark.parametrize(
    ("fault", "comparison"),
    [(SwappedStates, "chunked"), (ForgetsLengths, "batched"), (SlightlyOff, "reference")],
)
def test_an_artefact_that_is_not_exact_is_not_published(fault, comparison, trained, tmp_path):
    sound, training = trained
    release(Slopes(), sound, training.quality, OnnxRuntimeBackend(), tmp_path)
    before = (tmp_path / "slopes" / "1" / MANIFEST).read_bytes()
    network = fault(2, 8, 1)
    network.load_state_dict(sound.state_dict())
    with pytest.raises(ParityFailed, match=f"^{comparison}: differs by"):
        release(Slopes(), network.eval(), training.quality, OnnxRuntimeBackend(), tmp_path)
    assert (tmp_path / "slopes" / "1" / MANIFEST).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["slopes"]


def test_golden_vectors_are_what_the_network_answers(trained, tmp_path):
    network, training = trained
    release(Slopes(), network, training.quality, OnnxRuntimeBackend(), tmp_path)
    golden = read_golden(tmp_path / "slopes" / "1")
    for sequence, output in zip(golden.sequences, golden.outputs, strict=True):
        with torch.no_grad():
            due, _ = network(torch.from_numpy(sequence[:, None]), torch.tensor([len(sequence)]))
        np.testing.assert_allclose(output, due[0].numpy(), atol=1e-6)
