"""Whose fault an error is that comes up while a bundle is read: the bundle's, where verify finds it damaged."""

from collections.abc import Iterator
from contextlib import contextmanager

from loadgen.bundle.read import Bundle
from loadgen.bundle.verify import STILL_RUNNING, verify
from loadgen.errors import LoadgenError, RecipeError


@contextmanager
def blamed_on(bundle: Bundle) -> Iterator[None]:
    """Turn an error of any kind into one line that names the damage. Where the bundle is right, it stays: a bug."""
    try:
        yield
    except (LoadgenError, OSError):
        raise
    except Exception as error:
        problems = [problem for problem in verify(bundle) if problem != STILL_RUNNING]
        if not problems:
            raise
        more = f" ({len(problems) - 1} more: loadgen verify)" if len(problems) > 1 else ""
        raise RecipeError(f"{bundle.id}: damaged: {problems[0]}{more}") from error
