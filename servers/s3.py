"""What the S3 servers share: who may log in, and when they are ready."""

import urllib.error
import urllib.request
from datetime import UTC, datetime

ACCESS_KEY = "AKIDOFLOADGENSTESTS"
SECRET_KEY = "secret/of+the+tests"
REGION = "us-east-1"


def lists_buckets(port: int) -> bool:
    """Whether a signed ListBuckets is answered: some servers take connections before they can do anything."""
    from loadgen.targets.s3.sigv4 import EMPTY_SHA256, Credentials, Signer  # installing needs no loadgen

    host = f"127.0.0.1:{port}"
    signer = Signer(Credentials(ACCESS_KEY, SECRET_KEY, REGION), datetime.now(UTC))
    request = urllib.request.Request(f"http://{host}/", headers=signer.headers("GET", host, "/", "", EMPTY_SHA256))
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
