"""A person at rclone's command line: a client of S3 that is nothing of loadgen's."""

import subprocess

from servers import rclone
from servers.process import Server
from servers.s3 import ACCESS_KEY, SECRET_KEY


class Person:
    """Looks after buckets. Paths are bucket/key."""

    def __init__(self, server: Server) -> None:
        settings = {
            "type": "s3",
            "provider": "Other",
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            "endpoint": server.url,
            "force_path_style": "true",
        }
        self._environment = {f"RCLONE_CONFIG_STORE_{name.upper()}": value for name, value in settings.items()}

    def make_bucket(self, bucket: str) -> None:
        self._say("mkdir", f"store:{bucket}")

    def buckets(self) -> set[str]:
        return {name.rstrip("/") for name in self._say("lsf", "store:").decode().split()}

    def names(self, bucket: str) -> set[str]:
        return set(self._say("lsf", f"store:{bucket}").decode().split())

    def put(self, path: str, content: bytes) -> None:
        self._say("rcat", f"store:{path}", content)

    def content(self, path: str) -> bytes:
        return self._say("cat", f"store:{path}")

    def _say(self, verb: str, place: str, content: bytes = b"") -> bytes:
        program = rclone.find()
        assert program is not None
        done = subprocess.run(
            [program, verb, place, "--config", "", "--retries", "1", "--quiet"],
            input=content,
            capture_output=True,
            env=self._environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout
