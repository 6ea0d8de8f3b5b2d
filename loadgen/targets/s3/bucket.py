"""Whose a bucket is. One that loadgen made holds a marker; any other is never removed, nor written into unasked."""

import base64
import hashlib
import re
from collections.abc import Callable, Collection, Iterator
from enum import Enum
from xml.sax.saxutils import escape

from loadgen.errors import TargetError
from loadgen.targets.s3.requests import KEY_PREFIX
from loadgen.targets.s3.session import Reply, Session
from loadgen.targets.s3.sigv4 import Credentials

MARKER = ".loadgen"
MARKER_TEXT = b"This bucket was made by loadgen, which removes it after a run. Keep nothing else in it.\n"

BATCH = 1000
"""As many keys as a store lists, and removes, at once."""

_OUR_KEY = re.compile(re.escape(KEY_PREFIX) + r"[0-9]{12}")
_TOO_LATE = "this host's clock and the store's differ by more than 15 minutes, and signatures hold no longer"

Progress = Callable[[str, int, int], None]


class Owner(Enum):
    """Whose a bucket is."""

    NOBODY = "there is none"
    LOADGEN = "made by loadgen"
    OTHERS = "somebody else's"


def exists(reply: Reply, where: str, bucket: str, credentials: Credentials | None) -> bool:
    """Whether there is such a bucket. reply: to a list of it. Raises TargetError for all that stands in the way."""
    if reply.is_success and b"<ListBucketResult" in reply.body:
        return True
    if reply.code == "NoSuchBucket":
        return False
    if b"<ListAllMyBucketsResult" in reply.body:
        raise TargetError(f"{where}: takes the name of a bucket in the path alone: service.addressing: path")
    if not reply.code:
        raise TargetError(f"{where}: does not speak S3 (its answer to a list of a bucket has status {reply.status})")
    raise TargetError(f"{where}: {_why_refused(reply, bucket, credentials)}")


def _why_refused(reply: Reply, bucket: str, credentials: Credentials | None) -> str:
    code = reply.code
    if code == "RequestTimeTooSkewed" or "request time and the server" in reply.reason:
        return f"{_TOO_LATE} ({code})"
    if code == "SignatureDoesNotMatch":
        return f"service.secret_key is not the one that belongs to service.access_key ({code})"
    if code in ("InvalidToken", "InvalidTokenId", "ExpiredToken"):
        return f"service.session_token is not accepted ({code})"
    if code == "InvalidAccessKeyId":
        has_token = credentials is not None and credentials.session_token is not None
        fields = "service.access_key and service.session_token are" if has_token else "service.access_key is"
        return f"{fields} not known there ({code})"
    if credentials is None and 400 <= reply.status <= 403:
        return f"the bucket {bucket} may not be read without service.access_key and service.secret_key ({code})"
    if code == "AccessDenied":
        return f"no access to the bucket {bucket}: it may be somebody else's ({code})"
    if reply.element("Region"):
        return f"wants service.region: {reply.element('Region')} ({code})"
    if reply.element("Endpoint"):
        return f"the bucket {bucket} lies at {reply.element('Endpoint')}: write that in service.url ({code})"
    return f"the bucket {bucket} cannot be listed: {reply.reason}"


def owner_of(session: Session) -> Owner:
    """Of a bucket that exists. One without a marker is somebody's, even if it is empty."""
    return Owner.LOADGEN if session.ask("GET", MARKER).body == MARKER_TEXT else Owner.OTHERS


def make(session: Session, region: str) -> None:
    """Make the bucket and mark it. Raises TargetError, and leaves no bucket without a marker."""
    place = f"<LocationConstraint>{escape(region)}</LocationConstraint>"
    body = "" if region == "us-east-1" else f"<CreateBucketConfiguration>{place}</CreateBucketConfiguration>"
    made = session.ask("PUT", body=body.encode())
    if not made.is_success:
        raise TargetError(f"{session.name}: the bucket is not there, and cannot be made: {made.reason}")
    try:
        session.demand("PUT", MARKER, body=MARKER_TEXT)
    except TargetError:
        _remove_empty(session)
        raise


def our_keys(session: Session) -> Iterator[list[str]]:
    """The objects that are there and called like loadgen's, batch after batch. Raises TargetError."""
    parameters = {"list-type": "2", "max-keys": str(BATCH), "prefix": KEY_PREFIX}
    while True:
        keys = list(session.demand("GET", parameters=parameters).elements("Key"))
        yield [key for key in keys if _OUR_KEY.fullmatch(key)]
        if len(keys) < BATCH:
            return
        parameters["start-after"] = keys[-1]


def remove_objects(session: Session, spared: Collection[str], progress: Progress) -> None:
    """All that are called like loadgen's, but the spared ones. Raises TargetError."""
    n_removed = 0
    for keys in our_keys(session):
        doomed = [key for key in keys if key not in spared]
        _delete(session, doomed)
        n_removed += len(doomed)
        progress("removing objects", n_removed, n_removed)


def remove(session: Session, progress: Progress) -> None:
    """A bucket that loadgen made, and its objects. Raises TargetError where it holds anything else: then it stays.

    Some stores remove a bucket with all that is in it, so it is looked into first.
    """
    remove_objects(session, (), progress)
    left = session.demand("GET", parameters={"list-type": "2", "max-keys": "2"}).elements("Key")
    if any(key != MARKER for key in left):
        raise TargetError(f"{session.name}: the bucket stays: it holds objects that are not loadgen's")
    session.demand("DELETE", MARKER)
    _remove_empty(session)


def _remove_empty(session: Session) -> None:
    if not session.demand("GET", parameters={"list-type": "2", "max-keys": "1"}).element("Key"):
        session.demand("DELETE")


def _delete(session: Session, keys: list[str]) -> None:
    """All at once; one by one where the store does not know how."""
    if not keys:
        return
    listed = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    body = f"<Delete><Quiet>true</Quiet>{listed}</Delete>".encode()
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    digest = hashlib.sha256(body).hexdigest()
    done = session.ask("POST", parameters={"delete": ""}, body=body, headers={"Content-MD5": md5}, payload_hash=digest)
    if done.is_success and b"<Error>" in done.body:
        raise TargetError(f"{session.name}: objects cannot be removed: {done.reason}")
    if not done.is_success:
        for key in keys:
            session.demand("DELETE", key)
