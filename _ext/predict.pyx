# distutils: language = c++
"""Door to predict.hpp: rows through trees that are flat arrays of nodes."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libcpp.vector cimport vector

import numpy as np

cdef extern from "treeml/predict.hpp" namespace "treeml" nogil:
    cdef struct FlatNode:
        double low
        double high
        int32_t column
        int32_t[2] child
        int32_t set

    cdef struct StridedColumn:
        const char* data
        Py_ssize_t stride

    cdef struct FlatSums:
        const double* start
        const int32_t* first
        const int32_t* column
        const double* weight
        int n

    cdef struct FlatTrees:
        const FlatNode* nodes
        const uint64_t* words
        const int32_t* root
        const uint8_t* sets
        int n_trees
        int n_columns
        const StridedColumn* columns
        FlatSums sums

    void apply_tree(const FlatTrees&, int64_t, int, int32_t*) except +
    void add_scores(
        const FlatTrees&, const double*, const int32_t*, int, int64_t, int, double*) except +
    void greatest_sum(const FlatTrees&, int64_t, int, int32_t*) except +
    void expert_outputs(
        const FlatTrees&, const FlatSums&, const int32_t*, int, int64_t, int, double*) except +


cdef packed struct Node:
    double low
    double high
    int32_t column
    int32_t no
    int32_t yes
    int32_t set


cdef FlatSums _sums(tuple arrays) except *:
    """Native view of start, first, column and weight, which the caller keeps."""
    cdef const double[::1] start = arrays[0]
    cdef const int32_t[::1] first = arrays[1]
    cdef const int32_t[::1] column = arrays[2]
    cdef const double[::1] weight = arrays[3]
    cdef FlatSums sums
    sums.n = <int>start.shape[0]
    sums.start = &start[0] if start.shape[0] else NULL
    sums.first = &first[0]
    sums.column = &column[0] if column.shape[0] else NULL
    sums.weight = &weight[0] if weight.shape[0] else NULL
    return sums


cdef class Rows:
    """Columns of doubles beside trees and sums; keeps what the native structures point at."""

    cdef FlatTrees trees
    cdef vector[StridedColumn] columns
    cdef list kept
    cdef int64_t n_rows

    def __cinit__(
        self,
        const Node[::1] nodes,
        const uint64_t[::1] words,
        const int32_t[::1] root,
        const uint8_t[::1] sets,
        list columns,
        int64_t n_rows,
        tuple sums,
    ):
        cdef const double[:] values
        cdef StridedColumn column
        self.kept = [np.asarray(nodes), np.asarray(words), np.asarray(root), np.asarray(sets)]
        self.kept.append(sums)
        self.n_rows = n_rows
        for array in columns:
            values = array
            if values.shape[0] != n_rows:
                raise ValueError("columns differ in length")
            column.data = <const char*>&values[0] if n_rows else NULL
            column.stride = values.strides[0]
            self.columns.push_back(column)
            self.kept.append(array)
        self.trees.nodes = <const FlatNode*>&nodes[0] if nodes.shape[0] else NULL
        self.trees.words = &words[0] if words.shape[0] else NULL
        self.trees.root = &root[0] if root.shape[0] else NULL
        self.trees.sets = &sets[0] if sets.shape[0] else NULL
        self.trees.n_trees = <int>root.shape[0]
        self.trees.n_columns = <int>self.columns.size()
        self.trees.columns = self.columns.data()
        self.trees.sums = _sums(sums)

    def apply(self, int n_threads):
        """Leaf of every row in the first tree, int32."""
        cdef int32_t[::1] leaf = np.empty(self.n_rows, dtype=np.int32)
        if self.n_rows:
            with nogil:
                apply_tree(self.trees, self.n_rows, n_threads, &leaf[0])
        return np.asarray(leaf)

    def add(
        self,
        const double[::1] value,
        const int32_t[::1] output,
        double[:, ::1] score,
        int n_threads,
    ):
        """Add the value of each tree's leaf, tree by tree, to the scores of its output."""
        if self.n_rows:
            with nogil:
                add_scores(
                    self.trees, &value[0], &output[0], <int>score.shape[1],
                    self.n_rows, n_threads, &score[0, 0])

    def greatest(self, int n_threads):
        """Which of the sums is the greatest in every row, the first of several, int32."""
        cdef int32_t[::1] out = np.empty(self.n_rows, dtype=np.int32)
        if self.n_rows:
            with nogil:
                greatest_sum(self.trees, self.n_rows, n_threads, &out[0])
        return np.asarray(out)

    def outputs(
        self, tuple sums, const int32_t[::1] expert, double[:, ::1] score, int n_threads
    ):
        """Write the sums of each row's expert, one an output, into its row of scores."""
        cdef FlatSums experts = _sums(sums)
        if self.n_rows:
            with nogil:
                expert_outputs(
                    self.trees, experts, &expert[0], <int>score.shape[1],
                    self.n_rows, n_threads, &score[0, 0])
