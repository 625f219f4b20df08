# distutils: language = c++
"""Door to packing.hpp: tables of zeros and ones, or of codes, to packed distinct rows."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

import numpy as np

cdef extern from "treeml/packing.hpp" namespace "treeml" nogil:
    cbool pack_matrix[T](const T*, int64_t, int, uint64_t*)
    void pack_intervals[C](const C*, int64_t, const int32_t*, int, int, int, uint64_t*)
    int merge_rows(const uint64_t*, int64_t, int, int32_t*, vector[int64_t]&) except +
    void transpose_rows(const uint64_t*, int, const vector[int64_t]&, int, uint64_t*)

ctypedef fused Cell:
    uint8_t
    int32_t
    int64_t
    float
    double

ctypedef fused Code:
    uint16_t
    uint32_t


def pack_zero_one(const Cell[:, ::1] matrix):
    """Words of every row of an n x p matrix of zeros and ones, or None where it holds others."""
    cdef int64_t n = matrix.shape[0]
    cdef int p = <int>matrix.shape[1]
    cdef uint64_t[:, ::1] rows = np.empty((n, (p + 63) // 64), dtype=np.uint64)
    cdef cbool clean
    with nogil:
        clean = pack_matrix(&matrix[0, 0], n, p, &rows[0, 0])
    return np.asarray(rows) if clean else None


def pack_code_column(
    const Code[::1] codes,
    const int32_t[:, ::1] intervals,
    int first,
    int last,
    uint64_t[:, ::1] rows,
):
    """Set the bits of predicates first..last-1, all of them about this column of codes."""
    with nogil:
        pack_intervals(
            &codes[0], codes.shape[0], &intervals[0, 0], first, last,
            <int>rows.shape[1], &rows[0, 0])


def merge(const uint64_t[:, ::1] rows, int p):
    """Merge identical rows: (packed columns p x words, number of stored rows, row_of)."""
    cdef int64_t n = rows.shape[0]
    cdef int words = <int>rows.shape[1]
    cdef int32_t[::1] row_of = np.empty(n, dtype=np.int32)
    cdef vector[int64_t] first
    cdef int stored
    with nogil:
        stored = merge_rows(&rows[0, 0], n, words, &row_of[0], first)
    cdef uint64_t[:, ::1] columns = np.empty((p, (stored + 63) // 64), dtype=np.uint64)
    with nogil:
        transpose_rows(&rows[0, 0], words, first, p, &columns[0, 0])
    return np.asarray(columns), stored, np.asarray(row_of)


def zero_one_columns(const double[:, ::1] matrix):
    """Which columns hold nothing but 0 and 1; None where a number is missing or above 1e100."""
    cdef int64_t i, n = matrix.shape[0]
    cdef int j, p = <int>matrix.shape[1]
    cdef uint8_t[::1] other = np.zeros(p, dtype=np.uint8)
    cdef double x
    cdef uint8_t unfit = 0
    with nogil:
        for i in range(n):
            for j in range(p):
                x = matrix[i, j]
                other[j] |= (x != 0) & (x != 1)
                unfit |= not (-1e100 < x < 1e100)
    if unfit:
        return None
    return np.asarray(other) == 0
