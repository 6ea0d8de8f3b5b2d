"""What must never be written: by the name of the field that holds it, and by its place in an address."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from pydantic import BaseModel, SecretStr

MASK = "***"

_SECRET_NAME = re.compile(r"authorization|api[-_]?key|access[-_]?key|secret|passw|cookie|(^|[-_])token$", re.IGNORECASE)
_USER_INFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:)?//(?P<user>[^/?#@:\s]*)(?P<password>:[^/?#@\s]*)?(?=@)")
_WEB = (None, "http:", "https:")
_QUERY_VALUE = re.compile(
    r"(?i)(?<=[?&])(?P<name>(?:[a-z_-]*(?:key|token|password|secret|signature|credential)|sig)=)(?P<value>[^&#\s]+)"
)

_ADDRESSES = ("url", "path")
"""Fields of sections whose text may hold a password."""


def is_secret_name(name: str) -> bool:
    """Whether a header or an option of this name is likely to hold a secret."""
    return _SECRET_NAME.search(name) is not None


def masked_url(url: str) -> str:
    """An address without its password, and without the values of query parameters that are named like secrets.

    Of a web address the user is hidden too: it may be a token. What stands as `${NAME}` is no secret yet and stays.
    """
    url = _USER_INFO.sub(_without_password, url)
    return _QUERY_VALUE.sub(lambda found: found[0] if "${" in found["value"] else found["name"] + MASK, url)


def _without_password(found: re.Match[str]) -> str:
    secret = _secret_of(found)
    if not secret or "${" in secret:
        return found[0]
    shown = "" if found["scheme"] in _WEB else f"{found['user']}:"
    return f"{found['scheme'] or ''}//{shown}{MASK}"


def _secret_of(found: re.Match[str]) -> str:
    """What must be hidden of what stands before the @."""
    password = found["password"] or ""
    return found["user"] + password if found["scheme"] in _WEB else password[1:]


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
    """The password, and what secret query parameters hold: as they are written, and decoded."""
    for found in _USER_INFO.finditer(url):
        password = (found["password"] or "")[1:]
        yield from (_secret_of(found), password, unquote(password))
    for found in _QUERY_VALUE.finditer(url):
        yield from (found["value"], unquote_plus(found["value"]))


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


def secrets_in(section: BaseModel) -> Iterator[str]:
    """All that a section holds and that must not be written: what is secret by its type, by its field's name, by its
    place in an address, and what the section itself calls so, in a method `secrets()`.
    """
    own = getattr(section, "secrets", None)
    if callable(own):
        yield from own()
    for name in type(section).model_fields:
        yield from _secrets_at(name, getattr(section, name))


def _secrets_at(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from secrets_in(value)
    elif isinstance(value, str):
        if is_secret_name(name):
            yield value
        elif name in _ADDRESSES:
            yield from secrets_of_url(value)
    elif isinstance(value, Mapping):
        for below, item in value.items():
            yield from secrets_in(item) if isinstance(item, BaseModel) else secrets_of({below: item})
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _secrets_at(name, item)
