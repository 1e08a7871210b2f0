"""What the tests of real builds share."""

from __future__ import annotations

import pytest
from plan_records import NO_GPU

from service.plans.flavour import Flavour, NoTensorRt, load_flavour
from service.repository.scanner import Bundle, read_bundle


@pytest.fixture(scope="session")
def flavour() -> Flavour:
    """TensorRT-RTX, which builds without a GPU."""
    try:
        return load_flavour(NO_GPU)
    except NoTensorRt as failure:
        pytest.skip(f"TensorRT-RTX is not installed: {failure.message}")


@pytest.fixture
def gait(published) -> Bundle:
    """A small causal classifier, two numbers a step."""
    return read_bundle(published / "gait" / "1")


@pytest.fixture
def letters(published) -> Bundle:
    """A small causal model of symbols, two layers, an output at every step."""
    return read_bundle(published / "letters" / "1")
