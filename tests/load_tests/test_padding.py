"""The scheduler's comparison, on few sequences: every way gives every caller its own answer."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
import uvloop
from typer.testing import CliRunner

from load_tests.__main__ import app
from load_tests.padding.bare_carousel import BareCarousel
from load_tests.padding.comparison import arrival_steps
from load_tests.padding.contenders import Direct
from load_tests.padding.served import served
from load_tests.padding.two_layer_bundle import FEATURES, write_two_layer_bundle
from service.repository.scanner import read_bundle


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory):
    return write_two_layer_bundle(tmp_path_factory.mktemp("models"))


async def _all_answers(folder, sequences):
    bundle = read_bundle(folder)
    direct, bare = Direct(bundle), BareCarousel(bundle)
    async with served(folder) as carousel, served(folder, is_whole=True) as whole:
        ways = (
            direct.in_arrival_order,
            direct.sorted_by_length,
            bare.all_at_once,
            whole.all_at_once,
            whole.closed_loop,
            carousel.all_at_once,
            carousel.closed_loop,
        )
        return await direct.one_by_one(sequences), [await way(sequences) for way in ways]


def test_however_sequences_are_batched_each_gets_the_answer_it_gets_alone(bundle_folder):
    random = np.random.default_rng(5)
    sequences = [
        random.standard_normal((steps, FEATURES)).astype(np.float32) for steps in (9, 1, 40, 3, 40, 17) * 12
    ]
    alone, others = uvloop.run(_all_answers(bundle_folder, sequences))
    assert len({answer.tobytes() for answer in alone}) == len(sequences)
    for answers in others:
        for expected, given in zip(alone, answers, strict=True):
            assert np.allclose(expected, given, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("lengths", "ratio"), [([7], 1.0), ([1, 3], 1.5), ([4] * 64 + [8], 1.0), ([1] * 63 + [65], 64 * 65 / 128)]
)
def test_arrival_order_pads_each_batch_to_its_own_longest(lengths, ratio):
    assert arrival_steps(lengths) == ratio


def test_the_command_prints_every_trace_and_writes_its_figures_where_asked(tmp_path):
    path = tmp_path / "padding.json"
    ran = CliRunner().invoke(app, ["padding", "--sequences", "12", "--rounds", "1", "--json", str(path)])
    assert ran.exit_code == 0, ran.output
    report = orjson.loads(path.read_bytes())
    assert [result["trace"] for result in report["results"]] == ["uniform 1-256", "exponential", "lognormal"]
    assert all(cost > 0 for result in report["results"] for cost in result["cpu_ms"].values())
    assert report["machine"]["cores"] >= 1
