"""The simulator by itself: a streaming server that speaks OpenAI's and Ollama's API. Prints its URL once it listens."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from loadgen.errors import LoadgenError, RecipeError
from loadgen.simulator.server import announce_on_stdout, serve
from loadgen.simulator.settings import SimulatorSettings


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        serve(
            _settings(options),
            options.port,
            options.log,
            announce=announce_on_stdout,
            stops_with_fd=sys.stdin.fileno() if options.stop_with_stdin else None,
        )
    except LoadgenError as error:
        print(f"loadgen: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loadgen simulate", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default): one that is free")
    parser.add_argument("--log", type=Path, help="JSONL, a line a request")
    parser.add_argument(
        "--ttft-ms", type=_number_or_json, help='a number, or {"dist": "lognormal", "mean": …, "std": …}'
    )
    parser.add_argument("--itl-ms", type=_number_or_json, help="the same")
    parser.add_argument(
        "--output-tokens", type=_number_or_json, help='a number, or {"mean": …, "std": …, "min": …, "max": …}'
    )
    parser.add_argument("--slots", type=int, help="how many it serves at once; the rest queue")
    parser.add_argument("--error-ratio", type=float, help="share of the requests that are answered with a 500")
    parser.add_argument("--faults", type=json.loads, help='weights: {"500": 1, "stall": 1}')
    parser.add_argument("--seed", type=int, help="every draw comes from it")
    parser.add_argument("--settings", type=json.loads, default={}, help="all of these as one JSON object")
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when stdin is closed")
    return parser


def _number_or_json(text: str) -> Any:
    value = json.loads(text)
    if not isinstance(value, int | float | dict):
        raise ValueError(text)
    return value


def _settings(options: argparse.Namespace) -> SimulatorSettings:
    names = ("ttft_ms", "itl_ms", "output_tokens", "slots", "error_ratio", "faults", "seed")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    try:
        return SimulatorSettings.from_dict({**options.settings, **given})
    except (TypeError, ValueError) as error:
        raise RecipeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
