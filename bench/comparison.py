"""How often `loadgen compare` is right: pairs of runs whose truth is known, against the simulator.

Pairs of the same thing must hardly ever be called different; pairs of which the second answers 5 % later must mostly be
found. Each run sends a few hundred requests; nothing is written but the runs themselves, in a folder that is removed.

    python bench/comparison.py                 100 pairs of each, some 15 minutes
    python bench/comparison.py --pairs 10
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loadgen.bundle import Bundle
from loadgen.compare.comparison import Comparison, compare
from loadgen.compare.figures import Difference, Word
from loadgen.recipe import recipe_from_dict
from loadgen.run import Place, Watch, run_once

N_PAIRS = 100
N_REQUESTS = 400
TTFT_MS, SPREAD = 100.0, 0.08
SHIFT = 1.05
SHIFTED_METRIC = "ttft"


def recipe_text(ttft_ms: float, seed: int, n_requests: int) -> dict[str, Any]:
    """A modest load: 32 clients, first tokens in a lognormal time, a few tokens after them."""
    return {
        "seed": seed,
        "service": {
            "kind": "simulator",
            "ttft_ms": {"dist": "lognormal", "mean": ttft_ms, "std": SPREAD * ttft_ms},
            "itl_ms": {"dist": "lognormal", "mean": 20.0, "std": 4.0},
        },
        "workload": {"output_tokens": 4, "prompts": {"input_tokens": 8}},
        "load": {"concurrency": 32, "requests": n_requests, "warmup_requests": 32},
    }


async def one_pair(results: Path, shift: float, seeds: Iterator[int], n_requests: int) -> Comparison:
    """Two runs, one after the other, and what they are found to differ in. Every run has a seed of its own."""
    bundles: list[Bundle] = []
    for ttft_ms in (TTFT_MS, TTFT_MS * shift):
        recipe = recipe_from_dict(recipe_text(ttft_ms, next(seeds), n_requests))
        bundles.append((await run_once(recipe, Place(results), Watch())).bundle)
    return await asyncio.to_thread(compare, bundles[:1], bundles[1:])


def real_ones(comparison: Comparison) -> list[Difference]:
    return [one for _, one in comparison.told if one.is_real]


def is_found(comparison: Comparison) -> bool:
    """Whether the shifted median is called different, and in its direction."""
    return any(one.is_worse for one in real_ones(comparison) if one.figure.name == f"p50_{SHIFTED_METRIC}")


async def many(n_pairs: int, n_requests: int) -> dict[str, Any]:
    seeds = itertools.count(1)
    same: list[Comparison] = []
    shifted: list[Comparison] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(n_pairs):
            same.append(await one_pair(Path(folder), 1.0, seeds, n_requests))
            shifted.append(await one_pair(Path(folder), SHIFT, seeds, n_requests))
            print(f"{number + 1}/{n_pairs}: {_so_far(same, shifted)}", file=sys.stderr, flush=True)
    return figures_of(same, shifted)


def _so_far(same: list[Comparison], shifted: list[Comparison]) -> str:
    called = [",".join(one.figure.name for one in real_ones(pair)) for pair in same[-1:]]
    return f"{sum(map(bool, map(real_ones, same)))} called different, {sum(map(is_found, shifted))} found {called}"


def figures_of(same: list[Comparison], shifted: list[Comparison]) -> dict[str, Any]:
    told = [one for pair in shifted for _, one in pair.told if one.figure.name == f"p50_{SHIFTED_METRIC}"]
    known = [one for one in told if one.low is not None and one.high is not None]
    n_inside = sum(1 for one in known if (one.low or 0) <= SHIFT - 1 <= (one.high or 0))
    return {
        "n_pairs": len(same),
        "same_called_different": sum(1 for pair in same if real_ones(pair)),
        "same_called_different_by_the_threshold": sum(
            1 for pair in same if pair.having(Word.WORSE) or pair.having(Word.BETTER)
        ),
        "wrongly_real": dict(Counter(one.figure.name for pair in same for one in real_ones(pair))),
        "shift_pct": 100 * (SHIFT - 1),
        "shifted_found": sum(map(is_found, shifted)),
        "interval_has_the_shift": f"{n_inside} of {len(known)}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=N_PAIRS)
    parser.add_argument("--requests", type=int, default=N_REQUESTS)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(many(options.pairs, options.requests)), indent=2))


if __name__ == "__main__":
    main()
