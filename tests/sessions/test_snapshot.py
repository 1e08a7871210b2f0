"""A snapshot goes on with the model it came from, and with no other."""

from __future__ import annotations

import numpy as np
import pytest
from snapshots import FINGERPRINT, SPECS, a_snapshot

from service.domain.signature import StateSpec
from service.errors import InvalidSnapshot, SnapshotMismatch
from service.sessions.snapshot import check_fits, fingerprint_of


def test_the_same_graph_and_states_have_the_same_fingerprint_under_any_version():
    assert fingerprint_of("ab" * 32, SPECS) == a_snapshot(version="4").fingerprint
    check_fits(a_snapshot(version="4"), FINGERPRINT, SPECS)


@pytest.mark.parametrize(
    ("onnx_sha256", "states"),
    [
        ("cd" * 32, SPECS),
        ("ab" * 32, SPECS[::-1]),
        ("ab" * 32, SPECS[:1]),
        ("ab" * 32, (SPECS[0], StateSpec("c_in", "c_out", (3, 2)))),
        ("ab" * 32, (StateSpec("h_in", "c_out", (2, 3)), StateSpec("c_in", "h_out", (2, 3)))),
    ],
)
def test_other_weights_or_states_have_another(onnx_sha256, states):
    assert fingerprint_of(onnx_sha256, states) != FINGERPRINT


def test_a_snapshot_of_another_model_is_refused_with_both_fingerprints():
    with pytest.raises(SnapshotMismatch, match=f"gait version 3 .*{FINGERPRINT[:12]}.*has 000000000000"):
        check_fits(a_snapshot(), "0" * 64, SPECS)


@pytest.mark.parametrize(
    "states",
    [
        {"h_in": np.zeros((2, 2, 3), np.float32)},
        {"h_in": np.zeros((2, 2, 3), np.float32), "c_in": np.zeros((2, 3, 2), np.float32)},
        {"h_in": np.zeros((2, 2, 3), np.float32), "other": np.zeros((2, 2, 3), np.float32)},
    ],
)
def test_states_that_are_not_the_models_are_refused_though_the_fingerprint_says_so(states):
    with pytest.raises(InvalidSnapshot, match="has the states"):
        check_fits(a_snapshot(states=states), FINGERPRINT, SPECS)


@pytest.mark.parametrize(("idle_limit_s", "ttl_s", "expires_s"), [(60, 3600, 1560), (3600, 3600, 4600)])
def test_it_expires_by_whichever_limit_comes_first(idle_limit_s, ttl_s, expires_s):
    assert a_snapshot(idle_limit_s=idle_limit_s, ttl_s=ttl_s).expires_s == expires_s
