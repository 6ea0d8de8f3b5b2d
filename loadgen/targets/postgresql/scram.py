"""How a password is proved without being shown: md5 (PostgreSQL's own) and SCRAM-SHA-256 (RFC 5802, RFC 7677)."""

import base64
import hashlib
import hmac
import stringprep
import unicodedata

from loadgen.errors import TargetError

MECHANISM = "SCRAM-SHA-256"
MAX_ITERATIONS = 10_000_000
"""More of them would keep this host busy for many seconds a connection."""

_FORBIDDEN = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def md5_answer(user: str, password: str, salt: bytes) -> bytes:
    """What AuthenticationMD5Password is answered with, its final zero left out."""
    inner = hashlib.md5(f"{password}{user}".encode(), usedforsecurity=False).hexdigest()
    return b"md5" + hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest().encode()


class Salter:
    """The costly part of SCRAM, done once for all connections of a run: a server gives each of them the same salt."""

    def __init__(self, password: str) -> None:
        self._password = prepared(password).encode()
        self._salted: dict[tuple[bytes, int], bytes] = {}

    def salted(self, salt: bytes, iterations: int) -> bytes:
        if (salt, iterations) not in self._salted:
            self._salted[salt, iterations] = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        return self._salted[salt, iterations]


class Scram:
    """One exchange: first(), final(of the server's first), then accept(the server's final).

    user: "" for PostgreSQL, which knows it from the start-up message. nonce: printable ASCII without a comma.
    """

    def __init__(self, salter: Salter, nonce: str, user: str = "") -> None:
        self._salter, self._nonce = salter, nonce
        self._first = f"n={user},r={nonce}"
        self._server_signature = b""

    def first(self) -> bytes:
        return f"n,,{self._first}".encode()

    def final(self, server_first: bytes) -> bytes:
        """Raises TargetError for what is no SCRAM, or a server that answers to somebody else."""
        nonce, salt, iterations = self._read_first(server_first)
        salted = self._salter.salted(salt, iterations)
        without_proof = f"c={base64.b64encode(b'n,,').decode()},r={nonce}"
        signed = b",".join([self._first.encode(), server_first, without_proof.encode()])
        self._server_signature = _hmac(_hmac(salted, b"Server Key"), signed)
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def accept(self, server_final: bytes) -> None:
        """Raises TargetError where the server does not know the password either."""
        signature = _attributes(server_final).get("v", "")
        if not hmac.compare_digest(_decoded(signature), self._server_signature):
            raise TargetError("the server cannot prove that it knows the password: is it the right server?")

    def _read_first(self, server_first: bytes) -> tuple[str, bytes, int]:
        said = _attributes(server_first)
        nonce, salt, iterations = said.get("r", ""), _decoded(said.get("s", "")), said.get("i", "")
        if not nonce.startswith(self._nonce) or nonce == self._nonce or not salt or not iterations.isdecimal():
            raise TargetError(f"the server's part of {MECHANISM} is not right")
        if not 1 <= int(iterations) <= MAX_ITERATIONS:
            raise TargetError(f"the server asks for {iterations} iterations of {MECHANISM}: at most {MAX_ITERATIONS}")
        return nonce, salt, int(iterations)


def prepared(password: str) -> str:
    """SASLprep, RFC 4013; a password that it does not allow is taken as it stands, as PostgreSQL does."""
    if password.isascii():
        return password
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    normal = unicodedata.normalize("NFKC", mapped)
    return normal if normal and _is_allowed(normal) else password


def _is_allowed(text: str) -> bool:
    if any(is_forbidden(c) for c in text for is_forbidden in _FORBIDDEN):
        return False
    if not any(stringprep.in_table_d1(c) for c in text):
        return True
    ends_right_to_left = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends_right_to_left and not any(stringprep.in_table_d2(c) for c in text)


def _attributes(said: bytes) -> dict[str, str]:
    parts = said.decode("ascii", "replace").split(",")
    return {part[0]: part[2:] for part in parts if part[1:2] == "="}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")
