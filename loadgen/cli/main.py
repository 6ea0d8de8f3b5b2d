"""`loadgen`: the commands and their options. What one needs is imported when it runs: --help is there at once."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from loadgen.cli.ending import ended

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""numpy starts a thread a core for linear algebra, which is not done here; they would spin beside the load."""

DIRECTORY = click.Path(file_okay=False, path_type=Path)

EXPORT_FORMATS = ("vllm", "aiperf", "guidellm", "csv", "parquet", "hdr")

Command = Callable[..., Any]


class Commands(click.Group):
    """A recipe in the place of a command is run, and `--rerun ID` is a command too."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(context, as_command(args, list(self.commands)) if args else ["--help"])

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)  # in the order in which they are told, not of the alphabet


def as_command(args: list[str], commands: list[str]) -> list[str]:
    """`recipe.yaml --json` is `run recipe.yaml --json`; `--rerun BM-1` is `rerun BM-1`."""
    for place, arg in enumerate(args):
        if arg == "--rerun":
            return ["rerun", *args[:place], *args[place + 1 :]]
        if arg.startswith("--rerun="):
            return ["rerun", arg.removeprefix("--rerun="), *args[:place], *args[place + 1 :]]
    if args[0] in (*commands, "--help", "-h", "--version"):
        return args
    if args[0].isalpha() and not Path(args[0]).exists():
        refuse_misspelt(args[0], commands)
    return ["run", *args]


def refuse_misspelt(word: str, commands: list[str]) -> None:
    """Raises UsageError for what is no file, but almost a command."""
    from difflib import get_close_matches

    near = get_close_matches(word, commands, n=1)
    if near:
        raise click.UsageError(f"{word}: no such file, and no such command; did you mean {near[0]}?")


def overrides_of(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`--set a.b=1` as {a.b: 1}."""
    overrides = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"must read FIELD=VALUE, such as load.concurrency=8, got {text!r}")
        overrides[name.strip()] = value
    return overrides


def say_version(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        import loadgen as package

        click.echo(f"loadgen {package.__version__}")
        context.exit()


def places(command: Command) -> Command:
    """Where runs and reports lie."""
    reports = click.option(
        "--reports", type=DIRECTORY, default="reports", help="Folder of the reports.", show_default=True
    )
    results = click.option(
        "--results", type=DIRECTORY, default="results", help="Folder of the runs.", show_default=True
    )
    return results(reports(command))


def setting(command: Command) -> Command:
    return click.option(
        *("--set", "overrides"), multiple=True, callback=overrides_of, metavar="FIELD=VALUE",
        help="Any field of the recipe by its dotted name; may be given several times.",
    )(command)  # fmt: skip


def running(command: Command) -> Command:
    """What run and rerun have in common."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="The summary on stdout, all else on stderr."),
        click.option("--quiet", is_flag=True, help="Only the verdict at the end."),
        click.option("--yes", is_flag=True, help="Ask nothing."),
        click.option("--name", help="Another name for the run than the recipe's."),
        places,
        setting,
    ):
        command = option(command)
    return command


@click.group(
    cls=Commands,
    subcommand_metavar="RECIPE | COMMAND …",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="--traceback, anywhere, or LOADGEN_TRACEBACK=1 shows where an error comes from.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=say_version, help="Say it and exit."
)
def loadgen() -> None:
    """How much load can a service take before it breaks its promises?

    `loadgen RECIPE` runs a recipe, `loadgen --rerun BM-ID` runs one again.
    """


@loadgen.command()
@click.argument("recipe")
@running
def run(recipe: str, **options: Any) -> int:
    """Run a recipe: one run, or one a point of its sweep."""
    from loadgen.cli.running import run_recipe

    return run_recipe(recipe, **options)


@loadgen.command()
@click.argument("which", metavar="ID")
@click.option("--strict", is_flag=True, help="Refuse if anything differs: commit, host, service version.")
@running
def rerun(which: str, **options: Any) -> int:
    """Run the recipe of a finished run again, and compare the two."""
    from loadgen.cli.rerun import rerun_bundle

    return rerun_bundle(which, **options)


@loadgen.command()
@click.argument("recipe")
@setting
def check(recipe: str, overrides: dict[str, str]) -> int:
    """Validate a recipe and show its plan. Sends nothing."""
    from loadgen.cli.check import check_recipe

    return check_recipe(recipe, overrides)


@loadgen.command()
@click.argument("which", metavar="ID…", nargs=-1, required=True)
@places
def report(which: tuple[str, ...], results: Path, reports: Path) -> int:
    """Make a report again. Several IDs make a sweep's."""
    from loadgen.cli.kept import report_bundles

    return report_bundles(which, results, reports)


@loadgen.command()
@click.argument("which", metavar='ID… "p99_ttft < 300 ms"…', nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a run.")
@places
def slo(which: tuple[str, ...], as_json: bool, results: Path, reports: Path) -> int:
    """Hold finished runs, or a sweep, against other promises."""
    from loadgen.cli.slo import hold_runs

    return hold_runs(which, as_json, results, reports)


@loadgen.command()
@click.argument("which", metavar="A B", nargs=-1)
@click.option("--a", multiple=True, metavar="ID", help="A repeat of the first side; may be given several times.")
@click.option("--b", multiple=True, metavar="ID", help="A repeat of the second side.")
@click.option("--threshold", default="3 %", show_default=True, help="A real difference below it is called small.")
@click.option("--fail-on-regression", is_flag=True, help="Exit with 1 if a figure of B is really worse by more.")
@click.option("--duet", is_flag=True, help="A and B are recipes: run them in turns, slot by slot, and compare.")
@click.option("--slots", type=click.IntRange(2, 1000), default=10, show_default=True, help="Of a duet: how many each.")
@click.option("--slot-s", type=click.FloatRange(0, min_open=True), default=5.0, show_default=True, help="Their length.")
@click.option("--json", "as_json", is_flag=True, help="compare.json on stdout, all else on stderr.")
@places
@setting
def compare(duet: bool, slots: int, slot_s: float, overrides: dict[str, str], **options: Any) -> int:
    """Two runs, or two sweeps, side by side: what differs, by how much, and whether it is real."""
    if duet:
        from loadgen.cli.duet import run_and_compare

        return run_and_compare(slots=slots, slot_s=slot_s, overrides=overrides, **options)
    if overrides:
        raise click.UsageError("--set is for a duet: runs that are over stay as they were")
    from loadgen.cli.compare import compare_runs

    return compare_runs(**options)


@loadgen.command("list")
@click.option("--where", metavar="CONDITION", help='Such as "service=ollama and load.concurrency>=4".')
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@places
def list_runs(where: str | None, as_json: bool, results: Path, reports: Path) -> int:
    """The runs there are, with their headline figures."""
    from loadgen.cli.listing import list_bundles

    return list_bundles(where, as_json, results, reports)


@loadgen.command()
@click.argument("which", metavar="ID…", nargs=-1, required=True)
@places
def verify(which: tuple[str, ...], results: Path, reports: Path) -> int:
    """Check runs: keys, hashes, and counts that must agree."""
    from loadgen.cli.kept import verify_bundles

    return verify_bundles(which, results, reports)


@loadgen.command()
@click.argument("which", metavar="ID")
@click.option("--format", "format", required=True, metavar="|".join(EXPORT_FORMATS), help="Whose shape.")
@click.option("--out", type=click.Path(path_type=Path), help="The file, or the folder. [default: ID.FORMAT here]")
@click.option("--include-warmup", is_flag=True, help="Count the requests of the warm-up too.")
@click.option("--service", help="Which of several services.")
@places
def export(which: str, **options: Any) -> int:
    """Write a run in another tool's shape and definitions."""
    from loadgen.cli.exporting import export_bundle

    del options["reports"]
    return export_bundle(which, **options)


@loadgen.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def simulate(options: tuple[str, ...]) -> int:
    """Run the simulator by itself; simulate --help tells its options."""
    from loadgen.simulator.__main__ import main as simulator

    return simulator(list(options))


@loadgen.command()
@click.option("--quick", is_flag=True, help="A quarter of a minute instead of one, and less exact.")
@click.option("--json", "as_json", is_flag=True, help="What is kept on stdout, all else on stderr.")
def calibrate(quick: bool, as_json: bool) -> int:
    """Find what this host can drive, against the simulator. Later runs are held against it."""
    from loadgen.cli.calibrating import calibrate_host

    return calibrate_host(quick, as_json)


@loadgen.command()
@click.argument("kind", required=False)
def services(kind: str | None) -> int:
    """List the kinds of service; with a KIND its fields."""
    from loadgen.cli.services import describe_service, list_services

    return list_services() if kind is None else describe_service(kind)


@loadgen.command()
def schema() -> int:
    """Print the recipe's JSON Schema, for editors."""
    import json

    from loadgen.recipe import recipe_schema

    click.echo(json.dumps(recipe_schema(), indent=2, ensure_ascii=False))
    return 0


def main(args: list[str] | None = None) -> None:
    """Run a command, say its error in one line, and exit with its code."""
    given = list(sys.argv[1:] if args is None else args)
    sys.exit(ended(lambda words: loadgen.main(words, prog_name="loadgen", standalone_mode=False), given))
