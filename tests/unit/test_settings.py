"""Wrong settings refuse to start, and name themselves."""

import pytest

from adapters.settings import read_settings
from exchange.errors import ConfigurationError


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"database": "mysql://x"}, "database must be"),
        ({"broker": "http://x"}, "broker must be"),
        ({"public_url": "ftp://x"}, "public_url must be"),
        ({"role": "everything"}, "BHX_ROLE"),
        ({"workers": 0}, "BHX_WORKERS"),
        ({"workers": 2}, "workers share a broker's queue"),
        ({"role": "worker"}, "role worker takes messages from a broker"),
        ({"listen": "8080"}, "BHX_LISTEN"),
        ({"listen": "h:99999"}, "a port is at most 65535"),
        ({"batch_size": 5_000}, "BHX_BATCH_SIZE"),
    ],
)
def test_a_wrong_setting_is_named(wrong, named):
    with pytest.raises(ConfigurationError, match="setting") as refused:
        read_settings(**wrong)

    assert named in str(refused.value)


def test_the_environment_counts_and_options_win(monkeypatch):
    monkeypatch.setenv("BHX_LISTEN", "0.0.0.0:9000")
    monkeypatch.setenv("BHX_WORKERS", "many")

    assert read_settings(workers=1).listen == "0.0.0.0:9000"
    assert read_settings(workers=1, listen="127.0.0.1:1").listen == "127.0.0.1:1"
    with pytest.raises(ConfigurationError, match="BHX_WORKERS"):
        read_settings()


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"listen": "host.example:81"}, "http://host.example:81"),
        # Logins name this URL: nobody would log in at an address that stands for all of them.
        ({"listen": "0.0.0.0:9000"}, "http://127.0.0.1:9000"),
        ({"listen": "0.0.0.0:9000", "public_url": "https://x.example/"}, "https://x.example"),
    ],
)
def test_the_public_url_is_one_that_somebody_can_be_at(given, url):
    assert read_settings(**given).base_url == url


def test_a_wrong_value_is_not_echoed():
    with pytest.raises(ConfigurationError) as refused:
        read_settings(broker="http://user:secret@host")

    assert "secret" not in str(refused.value)
