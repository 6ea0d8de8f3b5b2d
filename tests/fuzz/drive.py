"""Fuzz the wire parsers: drive.py FOLDER_OF_THE_MODULE SECONDS. Exit code 1 where one breaks its invariant."""

import sys
import time
from pathlib import Path

from seeds import BY_TARGET, words_of

MUTANTS_PER_CALL = 200


def main(module_folder: str, seconds: float) -> int:
    sys.path.insert(0, module_folder)
    import wire_fuzz

    n_tried = 0
    ends_at_s = time.monotonic() + seconds
    seed = 1
    while time.monotonic() < ends_at_s:
        for target in wire_fuzz.TARGETS:
            for origin in BY_TARGET[target]:
                seed += 2
                found = wire_fuzz.try_mutants(origin, words_of(target), target, seed, MUTANTS_PER_CALL)
                n_tried += MUTANTS_PER_CALL
                if found is not None:
                    kept = Path(module_folder) / "broken_input"
                    kept.write_bytes(found)
                    print(f"{target}: the invariant is broken by {found!r}, kept in {kept}", file=sys.stderr)
                    return 1
    print(f"{n_tried} inputs in {seconds:g} s, none breaks an invariant")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
