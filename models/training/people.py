"""Pictures grouped by whom they show."""

from __future__ import annotations

import numpy as np

from .crops import split
from .data import Pictures


def people(pictures: Pictures) -> list[np.ndarray]:
    """Indices of the pictures of each person, in the order of their first pictures."""
    keys = np.stack([pictures.truth.seed[:, 0], pictures.truth.person], axis=1)
    _, first, who = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    by_person = np.split(np.argsort(who, kind="stable"), np.cumsum(np.bincount(who))[:-1])
    return [by_person[k] for k in np.argsort(first)]


def split_people(pictures: Pictures) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """People for training and people held out; the held-out ones are those with a picture in the held-out part."""
    _, held_out = split(len(pictures))
    train, held = [], []
    for person in people(pictures):
        (held if np.isin(person, held_out).any() else train).append(person)
    if not train:
        raise ValueError("All people have a picture in the held-out part; render a set of more people.")
    return train, held


def draw(person: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) pictures of one person, none twice before all were taken once."""
    rounds = -(-count // len(person))
    return np.concatenate([rng.permutation(person) for _ in range(rounds)])[:count]
