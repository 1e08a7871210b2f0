"""The streams of text, traffic and wind: shapes, parts that do not meet, and the baselines beside them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model_export.baselines.monthly_fields import fading_anomalies, month_means, root_mean_square
from model_export.baselines.usual_volume import mean_absolute_error, volume_forecasts
from model_export.baselines.witten_bell import WittenBell
from model_export.datasets.moby import load_moby
from model_export.datasets.traffic import HORIZON, load_traffic
from model_export.datasets.vendored_files import read_bytes
from model_export.datasets.winds import GRID, ROW_AREAS, load_winds


def test_a_vendored_file_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(FileNotFoundError, match=r"no-such\.xz: not found; the folder holds .*moby\.txt\.xz"):
        read_bytes("no-such.xz")


def test_the_parts_of_the_book_follow_each_other_and_are_all_of_it() -> None:
    book = load_moby()
    text = book.train + book.validation + book.test
    assert text == read_bytes("moby.txt.xz").decode("utf-8")
    assert len(text) == 1_190_317
    assert len(book.test) == pytest.approx(0.10 * len(text), abs=1)
    assert len(book.validation) == pytest.approx(0.05 * len(text), abs=1)


def test_every_character_of_the_book_is_a_symbol_and_was_met_in_training() -> None:
    book = load_moby()
    assert len(book.symbols) == 83
    assert set(book.train) == set(book.symbols)


def test_no_hour_is_a_target_of_two_parts() -> None:
    traffic = load_traffic()
    assert traffic.steps.shape == (len(traffic.targets), 2 + HORIZON)
    for earlier, later in ((traffic.train, traffic.validation), (traffic.validation, traffic.test)):
        assert earlier.stop - 1 + HORIZON < later.start
    assert traffic.test.stop == len(traffic.steps)


def test_the_targets_of_an_hour_are_the_volumes_of_the_hours_after_it() -> None:
    traffic = load_traffic()
    for hour in (0, 5_000, traffic.test.start):
        np.testing.assert_array_equal(traffic.targets[hour], traffic.steps[hour + 1 : hour + 1 + HORIZON, 0])


def test_the_usual_volume_is_the_mean_of_four_weeks_before_and_known_ahead() -> None:
    steps = load_traffic().steps
    hour = 9_000
    weeks_before = steps[[hour - 168 * weeks for weeks in (1, 2, 3, 4)], 0]
    assert steps[hour, 1] == pytest.approx(weeks_before.mean(), rel=1e-6)
    np.testing.assert_allclose(steps[hour, 2:], steps[hour + 1 : hour + 1 + HORIZON, 1])


def test_no_volume_is_missing() -> None:
    traffic = load_traffic()
    assert np.isfinite(traffic.steps).all()
    assert np.isfinite(traffic.targets).all()


def test_a_fading_share_of_the_deviation_forecasts_better_than_the_usual() -> None:
    traffic = load_traffic()
    hours = traffic.validation
    forecasts = volume_forecasts(traffic, hours)
    targets = traffic.targets[hours.start : hours.stop]
    errors = {name: mean_absolute_error(forecast, targets) for name, forecast in forecasts.items()}
    assert errors["usual and a fading share of it"] < errors["usual: mean of 4 weeks"]
    assert errors["usual: mean of 4 weeks"] < errors["same hour last week"]


def test_the_parts_of_the_winds_follow_each_other() -> None:
    winds = load_winds()
    assert winds.steps.shape == (132, 3, *GRID)
    assert winds.train.stop == winds.validation.start
    assert winds.validation.stop == winds.test.start
    assert winds.test == range(108, 132)


def test_the_month_runs_from_1_to_12_and_fills_its_plane() -> None:
    months = load_winds().steps[:, 2]
    assert (months == months[:, :1, :1]).all()
    assert months[:13, 0, 0].tolist() == [*range(1, 13), 1]


def test_the_westerlies_of_the_southern_ocean_lie_in_the_south() -> None:
    eastward = load_winds().steps[:, 0].mean(axis=(0, 2))
    assert eastward[9] > 5
    assert eastward[9] > eastward[::-1][9] + 2


def test_areas_have_mean_1_and_shrink_towards_the_poles() -> None:
    assert ROW_AREAS.mean() == pytest.approx(1)
    assert (np.diff(ROW_AREAS[:18]) > 0).all()
    np.testing.assert_allclose(ROW_AREAS, ROW_AREAS[::-1])
    assert root_mean_square(np.full((4, *GRID), -3.0), ROW_AREAS) == pytest.approx(3)


def test_month_means_know_only_the_months_they_are_given() -> None:
    fields = np.arange(36.0).reshape(36, 1)
    np.testing.assert_array_equal(month_means(fields, known=24)[30], fields[[6, 18]].mean(axis=0))


def test_an_anomaly_that_halves_every_month_is_forecast_exactly() -> None:
    usual = np.zeros((8, 2))
    fields = np.stack([[1.0, -4.0] * np.array(0.5**month) for month in range(8)])
    np.testing.assert_allclose(fading_anomalies(fields, usual, known=5)[1:], fields[1:])


def test_a_text_that_repeats_itself_costs_next_to_nothing() -> None:
    model = WittenBell("abc" * 400, order=3)
    assert model.bits_per_symbol("abc" * 50) < 0.05
    assert model.bits_per_symbol("cba" * 50) > math.log2(3)


def test_what_may_follow_has_probabilities_that_add_up_to_1() -> None:
    text = "the whale and the sea"
    model = WittenBell(text, order=3)
    total = sum(model._probability("th" + symbol, 2) for symbol in set(text))
    assert total == pytest.approx(1)
