"""Two recipes run slot by slot beside each other, so that whatever befalls the host befalls both."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen.bundle import Bundle
from loadgen.errors import LoadgenError, RecipeError
from loadgen.recipe import Recipe, load_recipe
from loadgen.run import Place, Watch, error_of, run_once

COMPLETE = "complete"


@dataclass
class Duet:
    """What was run. a, b: the bundles of whole pairs only, side by side. error: what ended it early."""

    a: list[Bundle] = field(default_factory=list)
    b: list[Bundle] = field(default_factory=list)
    error: LoadgenError | None = None
    interrupted: bool = False


def slot_recipes(path: str, overrides: Mapping[str, str], slots: int, slot_s: float) -> list[Recipe]:
    """A recipe once a slot: as it stands, but for the length of its window and its seed, which rises slot by slot.

    overrides: fields that are set, on both sides. Both sides of a pair draw from the same seed where their recipes have
    the same. Raises RecipeError.
    """
    whole = load_recipe(path, overrides)
    if whole.sweep is not None or whole.search is not None:
        raise RecipeError(f"{path}: a duet needs a recipe without a sweep or a search")
    return [load_recipe(path, {**overrides, **_of_slot(whole, path, number, slot_s)}) for number in range(slots)]


def _of_slot(whole: Recipe, path: str, number: int, slot_s: float) -> dict[str, str]:
    sections = {f"loads.{name}": load for name, load in whole.loads.items()} if whole.loads else {"load": whole.load}
    for section, load in sections.items():
        if load.stages is not None:
            raise RecipeError(f"{path}: {section}.stages: a duet needs a load that stays the same")
    lengths = {f"{section}.duration_s": repr(slot_s) for section in sections}
    ends = {f"{section}.requests": "null" for section, load in sections.items() if load.requests is not None}
    return {**lengths, **ends, "seed": str(whole.seed + number)}


def order(n_slots: int) -> Iterator[tuple[int, int]]:
    """(slot, side) as they are run: A B, B A, A B, … : neither side is always the first of a pair."""
    for slot in range(n_slots):
        yield from ((slot, side) for side in ((0, 1) if slot % 2 == 0 else (1, 0)))


async def run_duet(recipes: tuple[list[Recipe], list[Recipe]], results: Path, folder: Path, watch: Watch) -> Duet:
    """Run all slots, until one cannot be run, fails, or a stop is asked for.

    recipes: of each side, one a slot. folder: whose commit is recorded. What cannot be run at all raises its error.
    """
    duet, slots = Duet(), [dict[int, Bundle](), dict[int, Bundle]()]
    first_id: str | None = None
    for place, (slot, side) in enumerate(order(len(recipes[0]))):
        if watch.stop_asked:
            break
        about = _membership(recipes[side][slot], place, 2 * len(recipes[0]), first_id, "AB"[side], slot)
        try:
            bundle = (await run_once(recipes[side][slot], Place(results, folder, sweep=about), watch)).bundle
        except LoadgenError as error:
            duet.error = error
            break
        first_id = first_id or bundle.id
        duet.error = error_of(bundle)
        if bundle.status != COMPLETE:
            break
        slots[side][slot] = bundle
    whole = sorted(slots[0].keys() & slots[1].keys())
    duet.a, duet.b = ([side[slot] for slot in whole] for side in slots)
    duet.interrupted = watch.stop_asked
    return duet


def _membership(recipe: Recipe, place: int, n: int, first_id: str | None, side: str, slot: int) -> dict[str, Any]:
    """run.json's `sweep`: the slots of a duet belong together as the points of a sweep do."""
    axes = {"side": side, "slot": slot + 1}
    return {"name": recipe.name, "point": place, "n_points": n, "first_id": first_id, "axes": axes}
