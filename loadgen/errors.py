"""Errors by blame: the recipe, the service, or this host and program. Each carries its exit code."""


class LoadgenError(Exception):
    """One line for a person; `exit_code` is what the command line ends with."""

    exit_code = 4


class RecipeError(LoadgenError):
    """The recipe or the command line is wrong. The text names file, line and field, and what would be right."""

    exit_code = 2


class TargetError(LoadgenError):
    """The service cannot be reached, refuses, or is not what the recipe says."""

    exit_code = 3


class EngineError(LoadgenError):
    """This host or this program: no descriptors, no space on the disk, a bug."""

    exit_code = 4
