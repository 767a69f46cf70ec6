"""What a store has done, counted exactly: costs can be asserted in tests without a clock."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """`reads`: one per read method. `statements`: inside transitions, without BEGIN, SAVEPOINT and COMMIT."""

    reads: int = 0
    transitions: int = 0
    statements: int = 0
    commits: int = 0
