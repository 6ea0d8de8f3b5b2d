"""Signatures, held against those that AWS published.

Sources: AWS, "Signature Calculations for the Authorization Header" (Amazon S3 API reference, examples), and the
Signature Version 4 test suite (aws-sig-v4-test-suite).
"""

from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest

from loadgen.targets.s3.sigv4 import EMPTY_SHA256, Credentials, Signer, canonical_query, encoded_path

S3 = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
S3_HOST = "examplebucket.s3.amazonaws.com"
SUITE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", service="service")
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def s3_signer() -> Signer:
    return Signer(S3, datetime(2013, 5, 24, tzinfo=UTC))


def signature_of(authorization: str) -> str:
    return authorization.rpartition("Signature=")[2]


def test_get_object_with_a_range() -> None:
    signer = s3_signer()
    headers = {
        "Host": S3_HOST,
        "Range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY_SHA256,
        "x-amz-date": "20130524T000000Z",
    }
    assert signer.authorization("GET", "/test.txt", "", headers, EMPTY_SHA256) == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_put_object_with_a_key_that_must_be_encoded() -> None:
    signer, digest = s3_signer(), sha256(b"Welcome to Amazon S3.").hexdigest()
    headers = {
        "Host": S3_HOST,
        "Date": "Fri, 24 May 2013 00:00:00 GMT",
        "x-amz-content-sha256": digest,
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
    }
    said = signer.authorization("PUT", encoded_path("/test$file.text"), "", headers, digest)
    assert signature_of(said) == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"


@pytest.mark.parametrize(
    ("parameters", "signature"),
    [
        ({"lifecycle": ""}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ({"prefix": "J", "max-keys": "2"}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_requests_about_a_bucket(parameters: dict[str, str], signature: str) -> None:
    headers = s3_signer().headers("GET", S3_HOST, "/", canonical_query(parameters), EMPTY_SHA256)
    assert signature_of(headers["Authorization"]) == signature
    assert {name: headers[name] for name in headers if name != "Authorization"} == {
        "x-amz-content-sha256": EMPTY_SHA256,
        "x-amz-date": "20130524T000000Z",
    }


@pytest.mark.parametrize(
    ("path", "parameters", "signature"),
    [
        ("/", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (f"/{UNRESERVED}", {}, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        ("/ሴ", {}, "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ("/example space/", {}, "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        ("/", {"Param1": "value1"}, "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        ("/", {UNRESERVED: UNRESERVED}, "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
        ("/", {"ሴ": "bar"}, "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        (
            "/",
            {"Param2": "value2", "Param1": "value1"},
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ],
)
def test_the_test_suites_paths_and_queries(path: str, parameters: dict[str, str], signature: str) -> None:
    signer = Signer(SUITE, datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z"}
    said = signer.authorization("GET", encoded_path(path), canonical_query(parameters), headers, EMPTY_SHA256)
    assert signature_of(said) == signature


def test_the_test_suites_headers_lose_their_outer_and_double_blanks() -> None:
    signer = Signer(SUITE, datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    headers = {
        "Host": "example.amazonaws.com",
        "My-Header1": " value1",
        "My-Header2": ' "a   b   c"',
        "X-Amz-Date": "20150830T123600Z",
    }
    said = signer.authorization("GET", "/", "", headers, EMPTY_SHA256)
    assert signature_of(said) == "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"


def test_a_session_token_is_sent_and_signed() -> None:
    token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
    headers = {
        "Host": "example.amazonaws.com",
        "X-Amz-Date": "20150830T123600Z",
        "X-Amz-Security-Token": token,
    }
    said = Signer(SUITE, datetime(2015, 8, 30, 12, 36, tzinfo=UTC)).authorization("GET", "/", "", headers, EMPTY_SHA256)
    assert signature_of(said) == "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    temporary = Signer(Credentials("AKID", "secret", "us-east-1", token), datetime.now(UTC))
    headers = temporary.headers("GET", "127.0.0.1:9000", "/bucket/key", "", EMPTY_SHA256)
    assert headers["x-amz-security-token"] == token
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token," in headers["Authorization"]


def test_the_date_is_that_of_greenwich() -> None:
    there = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=5)))
    assert Signer(S3, there).stamp == "20251231T203000Z"


def test_reserved_characters_of_keys_and_values_are_encoded() -> None:
    assert encoded_path("/a b+c/d?e=f&g%20h") == "/a%20b%2Bc/d%3Fe%3Df%26g%2520h"
    assert canonical_query({"start-after": "a/b c+d", "empty": ""}) == "empty=&start-after=a%2Fb%20c%2Bd"


def test_parameters_are_sorted_after_they_are_encoded() -> None:
    assert canonical_query({"b": "1", "B": "2", "ä": "3", "a-b": "4", "a": "5"}) == "%C3%A4=3&B=2&a=5&a-b=4&b=1"


def test_credentials_show_no_secret() -> None:
    shown = repr(Credentials("AKIDOFNOBODY", "the-secret", "us-east-1", "the-token"))
    assert "AKIDOFNOBODY" not in shown
    assert "the-" not in shown
