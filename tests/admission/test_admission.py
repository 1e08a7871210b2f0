"""The decision: who is let in, who is told what, and how keys are renewed."""

from __future__ import annotations

import os

import pytest
from api_keys import KEYS, entry, key_file
from exhausted import no_more_files
from fakes import ManualClock
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from service.admission.admission import Admission
from service.admission.roles import Role
from service.errors import Forbidden, InvalidSettings, RateLimited, TooManyConcurrent, Unauthenticated
from service.settings import Settings
from service.telemetry.metrics import Metrics


def admission_of(clock=None, wall_s=2e9, **settings) -> Admission:
    metrics = Metrics(CollectorRegistry())
    now = (clock or ManualClock()).now
    return Admission(Settings(**settings), metrics.admitted, now, lambda: wall_s)


@pytest.fixture
def keys(tmp_path):
    return key_file(tmp_path)


def test_without_keys_all_may_ask_but_nobody_may_control_the_models():
    admission = admission_of()
    assert admission.guarding(Role.INFER) is None
    with pytest.raises(Forbidden, match=r"model control: is closed.* CAROUSEL_MODEL_CONTROL=open"):
        admission.admit(None, Role.ADMIN)
    assert admission_of(model_control="open").guarding(Role.ADMIN) is None


@pytest.mark.parametrize(
    ("shown", "role", "refusal", "words"),
    [
        (None, Role.INFER, Unauthenticated, "api key: is missing, send Authorization: Bearer KEY or"),
        (b"", Role.INFER, Unauthenticated, "api key: is not known here"),
        (b"nonsense", Role.ADMIN, Unauthenticated, "api key: is not known here"),
        (b"expired-key", Role.INFER, Unauthenticated, "api key: late expired at 2020-01-01 00:00 UTC"),
        (b"infer-key", Role.ADMIN, Forbidden, "api key: user may not do this"),
    ],
)
def test_with_keys_whoever_has_none_that_fits_is_told_why(keys, shown, role, refusal, words):
    with pytest.raises(refusal, match=words):
        admission_of(api_keys_file=keys).admit(shown, role)


def test_with_keys_each_may_do_what_its_role_says(keys):
    admission = admission_of(api_keys_file=keys)
    admission.admit(b"infer-key", Role.INFER)
    admission.admit(b"admin-key", Role.INFER)
    admission.admit(b"admin-key", Role.ADMIN)
    admission_of(api_keys_file=keys, model_control="open").admit(b"infer-key", Role.ADMIN)


def test_a_key_holds_until_the_second_it_expires(keys):
    end_of_2019 = 1_577_836_800
    admission_of(api_keys_file=keys, wall_s=end_of_2019 - 1).admit(b"expired-key", Role.ADMIN)
    with pytest.raises(Unauthenticated):
        admission_of(api_keys_file=keys, wall_s=end_of_2019).admit(b"expired-key", Role.ADMIN)


def test_one_caller_at_its_limit_does_not_hold_up_another(keys):
    admission = admission_of(api_keys_file=keys, concurrent_requests=1)
    place = admission.admit(b"infer-key", Role.INFER)
    with pytest.raises(TooManyConcurrent):
        admission.admit(b"infer-key", Role.INFER)
    admission.admit(b"admin-key", Role.INFER)
    place.release()
    admission.admit(b"infer-key", Role.INFER)


def test_all_without_a_key_share_one_allowance_and_it_fills_again():
    clock = ManualClock()
    admission = admission_of(clock, requests_per_s=1)
    admission.admit(None, Role.INFER)
    with pytest.raises(RateLimited) as refusal:
        admission.admit(b"whatever", Role.INFER)
    clock.advance(refusal.value.retry_after_s)
    admission.admit(None, Role.INFER)


def test_a_file_is_read_again_when_it_has_changed_and_not_within_the_second(keys):
    clock = ManualClock()
    admission = admission_of(clock, api_keys_file=keys)
    keys.write_text(entry("newcomer", "new-key"))
    with pytest.raises(Unauthenticated):
        admission.admit(b"new-key", Role.INFER)
    clock.advance(1)
    admission.admit(b"new-key", Role.INFER)
    with pytest.raises(Unauthenticated, match="is not known"):
        admission.admit(b"infer-key", Role.INFER)


def test_a_file_put_in_place_of_another_is_seen_though_its_time_and_size_are_the_same(keys):
    clock = ManualClock()
    admission = admission_of(clock, api_keys_file=keys)
    before = keys.stat()
    fresh = keys.with_name("fresh")
    fresh.write_text(keys.read_text().replace("keys.user", "keys.resu"))
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.rename(keys)
    clock.advance(1)
    assert admission.caller(b"infer-key", Role.INFER).name == "resu"


@pytest.mark.parametrize("spoil", ["unlink", "nonsense", "empty"])
def test_a_file_that_is_spoilt_keeps_the_keys_from_before_and_says_so_once(keys, spoil):
    clock = ManualClock()
    admission = admission_of(clock, api_keys_file=keys)
    if spoil == "unlink":
        keys.unlink()
    else:
        keys.write_text({"nonsense": "[[", "empty": ""}[spoil])
    with capture_logs() as logs:
        for _ in range(3):
            clock.advance(1)
            admission.admit(b"infer-key", Role.INFER)
    assert [line["event"] for line in logs] == ["API keys not renewed, those from before hold"]
    keys.write_text(entry("newcomer", "new-key"))
    clock.advance(1)
    admission.admit(b"new-key", Role.INFER)


def test_a_key_that_was_taken_out_while_no_more_files_could_be_opened_holds_no_longer_than_that(keys):
    clock = ManualClock()
    admission = admission_of(clock, api_keys_file=keys)
    keys.write_text(entry("boss", KEYS["boss"], "admin"))
    clock.advance(1)
    with no_more_files():
        admission.admit(b"infer-key", Role.INFER)
    clock.advance(1)
    with pytest.raises(Unauthenticated):
        admission.admit(b"infer-key", Role.INFER)


def test_what_runs_and_what_was_used_up_outlasts_a_renewal(tmp_path):
    clock, path = ManualClock(), tmp_path / "keys.toml"
    path.write_text(entry("alice", "a-key", "infer", "concurrent = 2"))
    admission = admission_of(clock, api_keys_file=path)
    admission.admit(b"a-key", Role.INFER)
    path.write_text(entry("alice", "b-key", "infer", "concurrent = 1"))
    clock.advance(1)
    with pytest.raises(TooManyConcurrent):
        admission.admit(b"b-key", Role.INFER)


def test_a_server_with_a_wrong_file_or_a_name_twice_does_not_start(keys, tmp_path):
    with pytest.raises(InvalidSettings, match="cannot be read"):
        admission_of(api_keys_file=tmp_path / "none.toml")
    with pytest.raises(InvalidSettings, match="user is there twice"):
        admission_of(api_keys_file=keys, api_keys="user:infer:" + "0" * 64)


def test_keys_are_shown_by_no_setting_and_counted_by_name(keys):
    settings = Settings(api_keys="alice:infer:" + "ab" * 32)
    assert "abab" not in f"{settings!r}{settings.model_dump_json()}"
    metrics = Metrics(CollectorRegistry())
    admission = Admission(Settings(api_keys_file=keys), metrics.admitted)
    admission.admit(KEYS["user"].encode(), Role.INFER)
    assert metrics.registry.get_sample_value("carousel_admitted_total", {"key": "user"}) == 1
