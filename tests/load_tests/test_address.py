"""Only this machine is ever loaded."""

from __future__ import annotations

import pytest

from load_tests.address import Address, NotLoopback, free_address, loopback_address


@pytest.mark.parametrize(
    ("url", "host"), [("http://127.0.0.1:8000", "127.0.0.1"), ("http://[::1]:8000/", "::1")]
)
def test_loopback_is_taken(url, host):
    assert loopback_address(url) == Address(host, 8000)


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:8000", "http://0.0.0.0:8000", "https://127.0.0.1", "127.0.0.1:80"]
)
def test_everything_else_is_refused(url):
    with pytest.raises(NotLoopback, match="url:"):
        loopback_address(url)


def test_an_address_is_written_as_a_url_wants_it():
    assert Address("127.0.0.1", 80).url == "http://127.0.0.1:80"
    assert Address("::1", 80).host_header == "[::1]:80"


def test_a_free_address_is_loopback():
    assert loopback_address(free_address().url).port > 0
