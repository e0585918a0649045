"""Random draws that several parts of the simulation need, all on arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from op25b.synth.parameters import Mail
from op25b.synth.world import DAY

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def lognormal(rng: np.random.Generator, median: float | Floats, sigma: float, n: int) -> Floats:
    """`n` lognormal values."""
    return np.asarray(np.exp(np.log(median) + sigma * rng.standard_normal(n)), dtype=np.float64)


def times(rng: np.random.Generator, weights: tuple[float, ...], n: int) -> Floats:
    """`n` moments of a day (seconds from midnight), in each hour as many as its weight says."""
    share = np.cumsum(np.asarray(weights, dtype=np.float64))
    hour = np.minimum(np.searchsorted(share, rng.random(n) * share[-1], side="right"), 23)
    at: Floats = (hour + rng.random(n)) * (DAY / 24)
    return at


def repeat(rng: np.random.Generator, mean: Floats) -> Ints:
    """The number of each element, as often as a Poisson draw with its mean says."""
    return np.repeat(np.arange(len(mean)), rng.poisson(mean))


def message_bytes(rng: np.random.Generator, mail: Mail, n: int) -> Ints:
    """Sizes of people's messages, some with attachments."""
    text = lognormal(rng, mail.text_median, mail.text_sigma, n)
    attached = rng.random(n) < mail.attachment_share
    size = text + np.where(attached, lognormal(rng, mail.attachment_median, mail.attachment_sigma, n), 0)
    return np.clip(size, 300, mail.largest_bytes).astype(np.int64)


def spam_bytes(rng: np.random.Generator, mail: Mail, n: int) -> Ints:
    """Sizes of spam messages."""
    return np.clip(lognormal(rng, mail.spam_median, mail.spam_sigma, n), 300, mail.largest_bytes).astype(np.int64)


def hashed(*parts: Ints | npt.NDArray[np.uint32] | int) -> npt.NDArray[np.uint64]:
    """A fixed pseudo-random number of some integers (splitmix64), so that a fact needs no memory.

    Such facts are which organisations a mail server writes to.
    """
    value: npt.NDArray[np.uint64] = np.array(0x9E3779B97F4A7C15, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            value = value + np.asarray(part).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            value = value ^ (value >> np.uint64(31))
    return np.asarray(value, dtype=np.uint64)
