"""The alerts ask for what the server measures, and pass their own tests."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client import CollectorRegistry

from service import errors
from service.telemetry.metrics import Metrics

_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}


@pytest.fixture(scope="module")
def rules(root):
    groups = yaml.safe_load((root / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_every_metric_asked_for_is_one_the_server_has(rules):
    families = Metrics(CollectorRegistry()).registry.collect()
    known = {family.name + suffix for family in families for suffix in _SUFFIXES[family.type]}
    asked = {name for rule in rules.values() for name in re.findall(r"carousel_\w+", rule["expr"])}
    assert {"carousel_rejected_total", "carousel_queue_seconds_bucket"} <= asked
    assert asked <= known


def test_requests_fail_by_every_reason_that_is_the_servers_and_by_no_other(rules):
    (pattern,) = re.findall(r'reason=~"([^"]+)"', rules["CarouselRequestsFail"]["expr"])
    exported = [value for value in vars(errors).values() if isinstance(value, type)]
    kinds = [kind for kind in exported if issubclass(kind, errors.CarouselError)]
    # What keeps a server from serving ends no request.
    refusals = [kind for kind in kinds if not issubclass(kind, errors.NotServable)]
    ours = {kind.reason for kind in refusals if kind.http_status >= 500 or kind.http_status == 429}
    # A caller at a limit that it was given is no fault of the server's.
    ours -= {kind.reason for kind in (errors.RateLimited, errors.TooManyConcurrent, errors.CreditsExceeded)}
    assert set(pattern.split("|")) == ours


def test_every_alert_has_a_severity_and_says_in_words_what_is_wrong(rules):
    for rule in rules.values():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]


def test_every_alert_has_a_test_in_which_it_fires(rules, root):
    tests = yaml.safe_load((root / "deploy" / "prometheus" / "alerts_test.yml").read_text())["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == set(rules)
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == set(rules)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "--syntax-only", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=" ".join,
)
def test_promtool_passes(root, arguments):
    folder = root / "deploy" / "prometheus"
    ran = subprocess.run([shutil.which("promtool"), *arguments], cwd=folder, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stdout.decode() + ran.stderr.decode()
