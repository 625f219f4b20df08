# distutils: language = c++
"""Door to binning.hpp and quantile_sketch.hpp: numbers to codes, and quantiles that merge."""

from libc.stdint cimport int64_t, uint8_t, uint16_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

import numpy as np

cdef extern from "treeml/quantile_sketch.hpp" namespace "treeml" nogil:
    cdef cppclass RankEntry:
        double value, least, greatest, weight
    cdef cppclass Summary "treeml::QuantileSummary":
        vector[RankEntry] entries
        double total
        double quantile(double)
        void prune(size_t)
    cdef cppclass Sketch "treeml::QuantileSketch":
        Sketch()
        Sketch(double)
        void add(const double*, const double*, int64_t) except +
        void merge(const Sketch&) except +
        Summary summary() except +
        double rank_error(const Summary&)
        double epsilon()
        vector[Summary]& levels()
        vector[double]& values()
        vector[double]& weights()
        int64_t& n_values()
        cbool& whole()

cdef extern from "treeml/binning.hpp" namespace "treeml" nogil:
    cdef cppclass NumberProfile:
        int64_t n_missing
        cbool zero_one, whole, numbered
    cdef cppclass NumberColumn:
        const double* values
        void* codes
        cbool wide
        NumberProfile profile
        vector[double] lower, upper
    cdef cppclass NumberCuts:
        const double* values
        const double* cuts
        int n_cuts, beyond
        void* codes
        cbool wide
    void bin_columns(vector[NumberColumn]&, const double*, int64_t, int, int) except +
    void encode_columns(const vector[NumberCuts]&, int64_t, int) except +


cdef object _array(const vector[double]& numbers):
    cdef double[::1] out = np.empty(numbers.size())
    cdef size_t i
    for i in range(numbers.size()):
        out[i] = numbers[i]
    return np.asarray(out)


cdef const double* _start(const double[::1] numbers) noexcept:
    if numbers is None or not numbers.shape[0]:
        return NULL
    return &numbers[0]


cdef void* _codes(object codes):
    """Where codes are written; the caller keeps the array."""
    cdef uint8_t[::1] narrow
    cdef uint16_t[::1] wide
    if codes.dtype == np.uint8:
        narrow = codes
        return &narrow[0]
    wide = codes
    return &wide[0]


def bin_numbers(list columns, const double[::1] weights, int most, int n_threads):
    """For every column its codes, the smallest and largest value of each, and its profile."""
    cdef int64_t n = len(columns[0]) if columns else 0
    cdef vector[NumberColumn] work
    cdef const double* by = _start(weights)
    cdef NumberColumn* one
    cdef int k
    work.resize(len(columns))
    dtype = np.uint8 if most <= 256 else np.uint16
    out = [np.empty(n, dtype=dtype) for _ in columns]
    for k, column in enumerate(columns):
        if len(column) != n or (weights is not None and weights.shape[0] != n):
            raise ValueError("columns and weights must have the same length")
        work[k].values = _start(column)
        work[k].wide = most > 256
        if n:
            work[k].codes = _codes(out[k])
    with nogil:
        bin_columns(work, by, n, most, n_threads)
    found = []
    for k in range(len(columns)):
        one = &work[k]
        profile = {
            "n_missing": one.profile.n_missing,
            "zero_one": one.profile.zero_one,
            "whole": one.profile.whole,
            "numbered": one.profile.numbered,
        }
        found.append((out[k], _array(one.lower), _array(one.upper), profile))
    return found


def encode_numbers(list columns, list cuts, list beyond, list codes, int n_threads):
    """Write the number of cuts below each value into codes, ``beyond`` where it is missing."""
    cdef int64_t n = len(columns[0]) if columns else 0
    cdef vector[NumberCuts] work
    cdef int k
    if not n:
        return
    work.resize(len(columns))
    for k in range(len(columns)):
        if not len(columns[k]) == len(codes[k]) == n:
            raise ValueError("columns and codes must have the same length")
        work[k].values = _start(columns[k])
        work[k].cuts = _start(cuts[k])
        work[k].n_cuts = <int>len(cuts[k])
        work[k].beyond = beyond[k]
        work[k].codes = _codes(codes[k])
        work[k].wide = codes[k].dtype == np.uint16
    with nogil:
        encode_columns(work, n, n_threads)


cdef class QuantileSketch:
    """Quantiles of weighted numbers that come in blocks, from sketches that can be merged.

    Parameters
    ----------
    epsilon : float
        Most rank error, as a share of the total weight.

    References
    ----------
    Greenwald and Khanna, "Space-efficient online computation of quantile summaries", SIGMOD 2001;
    with weights: Chen and Guestrin, "XGBoost: a scalable tree boosting system", KDD 2016, appendix.
    """

    cdef Sketch sketch
    cdef Summary found
    cdef bint fresh

    def __init__(self, double epsilon):
        if not 0 < epsilon < 1:
            raise ValueError(f"epsilon must lie between 0 and 1, got {epsilon}")
        self.sketch = Sketch(epsilon)
        self.fresh = False

    def add(self, values, weights=None):
        """Add values.

        Parameters
        ----------
        values : array-like of float, shape (n,)
            Without NaN.
        weights : array-like of float, shape (n,), default=None
            Finite, not negative; None stands for a weight of 1 each.

        Raises
        ------
        ValueError
            Where a value is NaN or a weight is negative, infinite or NaN; nothing is added then.
        """
        values = np.ascontiguousarray(values, dtype=np.float64)
        cdef const double[::1] numbers = values
        cdef const double[::1] by = None
        cdef int64_t n = numbers.shape[0]
        if np.isnan(values).any():
            raise ValueError(
                f"value {int(np.isnan(values).argmax())} is NaN; leave out what is missing")
        if weights is not None:
            weights = np.ascontiguousarray(weights, dtype=np.float64)
            if weights.shape != values.shape:
                raise ValueError(f"{len(values)} values have weights of shape {weights.shape}")
            bad = ~((weights >= 0) & (weights < np.inf))
            if bad.any():
                at = int(bad.argmax())
                raise ValueError(
                    f"weight {at} is {weights[at]}; weights must be finite and not negative")
            by = weights
        cdef const double* start = _start(numbers)
        cdef const double* weight = _start(by)
        self.fresh = False
        with nogil:
            self.sketch.add(start, weight, n)

    def merge(self, QuantileSketch other):
        """Add all that another sketch with the same epsilon has seen; it stays as it is."""
        if other.sketch.epsilon() != self.sketch.epsilon():
            raise ValueError(
                f"sketches with epsilon {self.epsilon} and {other.epsilon} do not merge")
        self.fresh = False
        with nogil:
            self.sketch.merge(other.sketch)

    cdef Summary* summary(self):
        if not self.fresh:
            self.found = self.sketch.summary()
            self.fresh = True
        return &self.found

    @property
    def epsilon(self):
        """As given."""
        return self.sketch.epsilon()

    @property
    def total(self):
        """Sum of all weights."""
        return self.summary().total

    @property
    def n_entries(self):
        """Number of values that are kept."""
        return self.summary().entries.size()

    def rank_error(self):
        """Bound on the distance of a rank from the ranks of the value given for it, in weight.

        The ranks of a value reach from the weight below it to the weight up to it.
        """
        return self.sketch.rank_error(self.summary()[0])

    def prune(self, Py_ssize_t n_entries):
        """Keep at most this many entries, 3 or more; the rank error grows as it says."""
        if n_entries < 3:
            raise ValueError(f"a sketch keeps at least 3 entries, got {n_entries}")
        cdef Summary kept = self.summary()[0]
        kept.prune(n_entries)
        self.sketch.levels().clear()
        self.sketch.values().clear()
        self.sketch.weights().clear()
        if kept.entries.size():
            self.sketch.levels().push_back(kept)
        self.fresh = False

    def quantile(self, ranks):
        """Values at ranks.

        Parameters
        ----------
        ranks : array-like of float, shape (n,)
            Between 0 and the total weight.

        Returns
        -------
        ndarray of float64, shape (n,)

        Raises
        ------
        ValueError
            Where the sketch is empty.
        """
        cdef Summary* summary = self.summary()
        if not summary.entries.size():
            raise ValueError("the sketch is empty: it has no quantiles")
        cdef const double[::1] asked = np.ascontiguousarray(ranks, dtype=np.float64)
        cdef double[::1] out = np.empty(asked.shape[0])
        cdef int64_t i
        for i in range(asked.shape[0]):
            out[i] = summary.quantile(asked[i])
        return np.asarray(out)

    def __getstate__(self):
        cdef Summary* level
        cdef size_t i, at
        levels = []
        for at in range(self.sketch.levels().size()):
            level = &self.sketch.levels()[at]
            entries = np.empty((level.entries.size(), 4))
            for i in range(level.entries.size()):
                entries[i] = (
                    level.entries[i].value, level.entries[i].least,
                    level.entries[i].greatest, level.entries[i].weight)
            levels.append((level.total, entries))
        return (levels, _array(self.sketch.values()), _array(self.sketch.weights()),
                self.sketch.n_values(), self.sketch.whole())

    def __setstate__(self, state):
        cdef Summary level
        cdef RankEntry entry
        levels, values, weights, n_values, whole = state
        for total, entries in levels:
            level.total = total
            level.entries.clear()
            for entry.value, entry.least, entry.greatest, entry.weight in entries.tolist():
                level.entries.push_back(entry)
            self.sketch.levels().push_back(level)
        self.add(values, weights if len(weights) else None)
        (&self.sketch.n_values())[0] = n_values
        (&self.sketch.whole())[0] = whole

    def __reduce__(self):
        return QuantileSketch, (self.epsilon,), self.__getstate__()
