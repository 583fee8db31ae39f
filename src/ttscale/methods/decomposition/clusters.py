"""Groups of similar vectors: k-means with restarts, for choosing a few plans that stand for many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

_ROUNDS = 100


def representatives(
    vectors: Sequence[Sequence[float]], groups: int, *, seed: int = 42, restarts: int = 10
) -> list[tuple[int, int]]:
    """(index of the vector nearest to the centre, size) of each group, the largest first.

    Args:
        vectors: (items, dimensions); only their directions count.
        groups: how many; fewer come back where fewer vectors differ.
        seed: of the random starts.
        restarts: random starts, of which the tightest groups are taken.
    """
    import numpy as np

    given = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    points = given / np.where(lengths > 0, lengths, 1.0)
    distinct = len(np.unique(points.round(12), axis=0))
    rng = np.random.default_rng(seed)
    found = [_grouped(points, min(groups, distinct), rng) for _ in range(restarts)]
    centres, labels = min(found, key=lambda one: float(((points - one[0][one[1]]) ** 2).sum()))
    nearest = []
    for group in range(len(centres)):
        members = np.flatnonzero(labels == group)
        if len(members):
            distances = ((points[members] - centres[group]) ** 2).sum(axis=1)
            nearest.append((int(members[distances.argmin()]), len(members)))
    return sorted(nearest, key=lambda one: (-one[1], one[0]))


def _grouped(points: NDArray[Any], groups: int, rng: Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Centres, (groups, dimensions), and the group of every point, from one random start (k-means++)."""
    import numpy as np

    centres = points[[rng.integers(len(points))]]
    while len(centres) < groups:
        far = ((points[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1)
        centres = np.vstack([centres, points[rng.choice(len(points), p=far / far.sum())]])
    for _ in range(_ROUNDS):
        labels = ((points[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        moved = np.array(
            [
                points[labels == g].mean(axis=0) if (labels == g).any() else centres[g]
                for g in range(len(centres))
            ]
        )
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres, labels
