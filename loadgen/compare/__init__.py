"""Two runs, or two sweeps, held against each other: what differs, by how much, and whether that is real."""
