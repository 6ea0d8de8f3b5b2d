"""A service's address, taken apart."""

import pytest

from loadgen.targets.url import parse_url


@pytest.mark.parametrize(
    ("url", "host_header", "port", "path"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", 8000, ""),
        ("http://example.org", "example.org", 80, ""),
        ("http://example.org:80/v1/", "example.org", 80, "/v1"),
        ("https://example.org", "example.org", 443, ""),
        ("https://example.org:80/a/b", "example.org:80", 80, "/a/b"),
        ("http://[::1]:9000", "[::1]:9000", 9000, ""),
        ("http://[2001:db8::1]", "[2001:db8::1]", 80, ""),
        ("http://bücher.example", "xn--bcher-kva.example", 80, ""),
    ],
)
def test_an_address_gives_host_port_and_path(url: str, host_header: str, port: int, path: str) -> None:
    parsed = parse_url(url)
    assert (parsed.host_header, parsed.port, parsed.path) == (host_header, port, path)
    assert parsed.tls == url.startswith("https")


def test_a_password_in_an_address_becomes_credentials_and_shows_nowhere_else() -> None:
    parsed = parse_url("http://me:p%40ss@example.org/v1")
    assert parsed.authorization == "Basic bWU6cEBzcw=="
    assert parsed.public == "http://example.org/v1"


def test_an_address_without_a_password_gives_no_credentials() -> None:
    assert parse_url("http://example.org").authorization is None


@pytest.mark.parametrize(
    ("url", "port", "tls", "database", "public"),
    [
        ("redis://h", 6379, False, "", "redis://h"),
        ("redis://u:p@h:7000/5", 7000, False, "5", "redis://h:7000/5"),
        ("rediss://h/0", 6379, True, "0", "rediss://h/0"),
        ("postgresql://u:p@h/my%20shop?sslmode=require", 5432, False, "my shop", "postgresql://h/my%20shop"),
        ("unix:///run/redis.sock", 0, False, "", "unix:///run/redis.sock"),
        ("other://h", 0, False, "", "other://h:0"),
    ],
)
def test_addresses_of_other_schemes_have_their_own_usual_ports(
    url: str, port: int, tls: bool, database: str, public: str
) -> None:
    parsed = parse_url(url)
    assert (parsed.port, parsed.tls, parsed.database, parsed.public) == (port, tls, database, public)
    assert parsed.is_socket == url.startswith("unix:")


def test_user_password_and_query_are_decoded_and_shown_nowhere() -> None:
    parsed = parse_url("postgresql://me:p%40ss@h/db?sslmode=require&application_name=a%20b")
    assert (parsed.user, parsed.password) == ("me", "p@ss")
    assert parsed.query == {"sslmode": "require", "application_name": "a b"}
    assert "p@ss" not in repr(parsed)
    assert (parse_url("redis://:p@h").user, parse_url("redis://:p@h").password) == (None, "p")
