"""The folder that a run leaves behind: written while it goes on, read by everything that comes after."""

from loadgen.bundle.environment import describe_client, describe_environment, git_state
from loadgen.bundle.layout import SCHEMA_VERSION
from loadgen.bundle.read import Bundle, list_ids, open_bundle
from loadgen.bundle.verify import verify
from loadgen.bundle.write import BundleWriter, RunDescription, create_bundle

__all__ = [
    "SCHEMA_VERSION",
    "Bundle",
    "BundleWriter",
    "RunDescription",
    "create_bundle",
    "describe_client",
    "describe_environment",
    "git_state",
    "list_ids",
    "open_bundle",
    "verify",
]
