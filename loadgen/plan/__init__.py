"""What is sent and when: every random draw of a run, from the recipe's seed."""

from loadgen.plan.plan import build_plan

__all__ = ["build_plan"]
