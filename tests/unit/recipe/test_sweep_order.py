"""In which order the points of a sweep are run, and the recipes of a search's loads."""

from collections import Counter
from typing import Any

import pytest

from loadgen.recipe import Recipe, recipe_from_dict

LOADS = [1, 2, 4, 8, 16]


def swept(**fields: Any) -> Recipe:
    return recipe_from_dict({"service": {"kind": "simulator"}, "sweep": {"load.concurrency": LOADS}, **fields})


def loads_of(recipe: Recipe) -> list[int]:
    return [axes["load.concurrency"] for axes, _ in recipe.points()]


def test_ascending_repeats_each_point_before_the_next() -> None:
    assert loads_of(swept(repeat=2)) == [1, 1, 2, 2, 4, 4, 8, 8, 16, 16]


def test_interleaved_runs_all_points_and_then_all_again() -> None:
    assert loads_of(swept(repeat=3, order="interleaved")) == LOADS * 3


def test_random_is_a_shuffle_that_the_seed_decides() -> None:
    first = loads_of(swept(repeat=3, order="random", seed=7))
    assert Counter(first) == Counter(LOADS * 3)
    assert first != LOADS * 3
    assert first == loads_of(swept(repeat=3, order="random", seed=7))
    assert first != loads_of(swept(repeat=3, order="random", seed=8))


def test_a_shuffle_prefers_no_place() -> None:
    """Over many seeds each point comes first about equally often."""
    firsts = Counter(loads_of(swept(order="random", seed=seed))[0] for seed in range(100))
    assert min(firsts[load] for load in LOADS) >= 8


SEARCHED = {
    "service": {"kind": "simulator"},
    "slo": ["p99 < 1 s"],
    "search": {"field": "load.concurrency", "from": 1, "to": 1e3, "precision": "10 %"},
}


def test_a_search_makes_the_recipe_of_each_load() -> None:
    recipe = recipe_from_dict(SEARCHED)
    assert recipe.search is not None
    assert (recipe.search.from_, recipe.search.to, recipe.search.precision) == (1, 1000, 0.1)
    axes, point = recipe.point_at(17)
    assert (axes, point.load.concurrency, point.search) == ({"load.concurrency": 17}, 17, None)
    assert point.slo == recipe.slo
    assert point.hash != recipe.point_at(18)[1].hash


def test_before_it_begins_only_the_first_load_of_a_search_is_known() -> None:
    assert [axes for axes, _ in recipe_from_dict(SEARCHED).points()] == [{"load.concurrency": 1}]


def test_a_search_survives_its_canonical_form() -> None:
    recipe = recipe_from_dict(SEARCHED)
    again = recipe_from_dict(recipe.canonical())
    assert again.search == recipe.search
    assert again.hash == recipe.hash


def test_the_load_of_one_of_several_services_can_be_searched() -> None:
    services = {"a": {"kind": "simulator"}, "b": {"kind": "simulator"}}
    search = {"field": "loads.b.rate_per_s", "from": 0.5, "to": 20}
    recipe = recipe_from_dict(
        {"services": services, "loads": {"b": {"mode": "open"}}, "slo": ["p99 < 1 s"], "search": search}
    )
    assert [part.load.rate_per_s for _, part in recipe.point_at(7.5)[1].parts()] == [None, 7.5]


def test_a_load_that_is_set_is_no_longer_searched() -> None:
    recipe = recipe_from_dict(SEARCHED, {"load.concurrency": "8"})
    assert (recipe.search, recipe.load.concurrency) == (None, 8)


def test_only_a_search_can_be_asked_for_a_load() -> None:
    with pytest.raises(ValueError, match="no search"):
        swept().point_at(3)
