"""What is watched beside the load: the host, its cards, what servers say of themselves, and the load generator.

watcher.py drives the sources, each a file of its own; summary.py says what their samples come to.
"""
