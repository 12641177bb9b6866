"""Times counted instead of kept: exact ones while they are few, HDR histograms (hdrhistogram.org) when they are not.

A histogram holds any number of times in 270 kB, each to three significant digits, so a run may be of any length.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

DIGITS: Final = 3
PRECISION: Final = 10.0**-DIGITS
"""The largest relative error of a time that comes out of a histogram."""
LONGEST: Final = 3_600_000_000_000
"""One hour in ns, far above any timeout; longer times count as this one."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Times in ns, ascending, the last ones perhaps +inf, and how many of the sample each and all before it make up."""

    values: NDArray[np.float64]
    ranks: NDArray[np.int64]

    @classmethod
    def of(cls, sample: NDArray[np.float64]) -> Self:
        """The exact distribution of a sample in any order."""
        return cls(np.sort(sample), np.arange(1, len(sample) + 1))

    @property
    def n(self) -> int:
        """Size of the sample."""
        return int(self.ranks[-1]) if len(self.ranks) else 0

    def quantile(self, q: float) -> float:
        """The smallest time that a share of at least `q` of the sample does not exceed. ValueError without a sample."""
        if not self.n:
            raise ValueError("a quantile needs a sample, found none")
        # The product may fall a rounding error above a whole number.
        rank = max(1, math.ceil(q * self.n - 1e-9))
        return float(self.values[np.searchsorted(self.ranks, rank)])


class Histogram:
    """An HDR histogram of times in ns, filled by whole arrays, beside a count of infinite ones."""

    def __init__(self, counts: Any = None, infinite: int = 0) -> None:
        self._hdr = counts or HdrHistogram(1, LONGEST, DIGITS)
        self._infinite = infinite

    def add(self, times: NDArray[np.float64]) -> None:
        """Count times of 0 or more, +inf among them: as the library's record_value, for an array at once."""
        finite = np.isfinite(times)
        self._infinite += len(times) - int(finite.sum())
        values = np.minimum(times[finite], LONGEST).astype(np.int64)
        if not len(values):
            return
        hdr = self._hdr
        # A value's bucket is the position of its leading bit above the sub-buckets' bits; its place in it, the bits
        # that follow. The half of the sub-buckets that is below the leading bit belongs to the bucket before.
        bucket = np.frexp(np.maximum(values, hdr.sub_bucket_mask))[1] - (hdr.sub_bucket_half_count_magnitude + 1)
        place = (bucket.astype(np.int64) << hdr.sub_bucket_half_count_magnitude) + (values >> bucket)
        np.add.at(np.frombuffer(hdr.counts, np.uint64), place, 1)
        hdr.total_count += len(values)
        hdr.min_value = min(hdr.min_value, int(values.min()))
        hdr.max_value = max(hdr.max_value, int(values.max()))

    def distribution(self) -> Distribution:
        """Each bucket's highest time with its count, then the infinite ones."""
        hdr, counted = self._hdr, np.frombuffer(self._hdr.counts, np.uint64)
        places = np.flatnonzero(counted).tolist()
        values = [hdr.get_highest_equivalent_value(hdr.get_value_from_index(place)) for place in places]
        counts = counted[places].tolist()
        if self._infinite:
            values.append(math.inf)
            counts.append(self._infinite)
        return Distribution(np.array(values, np.float64), np.cumsum(np.array(counts, np.int64)))

    def encode(self) -> tuple[str, int]:
        """The histogram in the HDR project's own interchange form (V2, compressed, base64), and the infinite count."""
        return self._hdr.encode().decode(), self._infinite

    @classmethod
    def decode(cls, text: str, infinite: int) -> Self:
        """Read what `encode` wrote."""
        return cls(HdrHistogram.decode(text), infinite)
