"""What must never be written: by the name of the field that holds it, and by its place in an address."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

MASK = "***"

_SECRET_NAME = re.compile(r"authorization|api[-_]?key|access[-_]?key|secret|passw|cookie|(^|[-_])token$", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=//)(?P<value>[^/?#@\s]+)(?=@)")
_QUERY_VALUE = re.compile(
    r"(?i)(?<=[?&])(?P<name>(?:[a-z_-]*(?:key|token|password|secret|signature|credential)|sig)=)(?P<value>[^&#\s]+)"
)


def is_secret_name(name: str) -> bool:
    """Whether a header or an option of this name is likely to hold a secret."""
    return _SECRET_NAME.search(name) is not None


def masked_url(url: str) -> str:
    """An address without its user and password, and without the values of query parameters that are named like secrets.

    What stands as `${NAME}` is no secret yet and stays.
    """
    url = _USER_INFO.sub(lambda found: _unless_reference(found, MASK), url)
    return _QUERY_VALUE.sub(lambda found: _unless_reference(found, found["name"] + MASK), url)


def _unless_reference(found: re.Match[str], mask: str) -> str:
    return found[0] if "${" in found["value"] else mask


def masked(value: Any) -> Any:
    """The same value with everything masked that stands under a secret's name, at any depth."""
    if isinstance(value, Mapping):
        return {
            name: MASK if is_secret_name(name) and isinstance(item, str) else masked(item)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    return value


def secrets_of_url(url: str) -> Iterator[str]:
    """The password, and what secret query parameters hold."""
    for found in _USER_INFO.finditer(url):
        yield found["value"]
        password = found["value"].partition(":")[2]
        if password:
            yield password
    for found in _QUERY_VALUE.finditer(url):
        yield found["value"]


def secrets_of(value: Any) -> Iterator[str]:
    """Every text that masked() would hide."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if is_secret_name(name) and isinstance(item, str):
                yield item
            else:
                yield from secrets_of(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from secrets_of(item)
