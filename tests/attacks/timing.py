"""What measured times tell apart."""

from __future__ import annotations


def area_under_curve(ones: list[float], others: list[float]) -> float:
    """The chance that one of the first is slower than one of the second; 0.5 when nothing can be told."""
    ranked = sorted([(value, 0) for value in ones] + [(value, 1) for value in others])
    ranks: dict[float, list[int]] = {}
    for rank, (value, _) in enumerate(ranked, 1):
        ranks.setdefault(value, []).append(rank)
    mean = {value: sum(found) / len(found) for value, found in ranks.items()}
    rank_sum = sum(mean[value] for value in ones)
    return (rank_sum - len(ones) * (len(ones) + 1) / 2) / (len(ones) * len(others))
