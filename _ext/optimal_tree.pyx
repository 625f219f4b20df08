# distutils: language = c++
"""Door to optimal_tree.hpp and cost_tree.hpp: spans in, the tree and its bound out."""

from libc.stdint cimport uint64_t

include "control.pxi"

cdef extern from "<span>" namespace "std" nogil:
    cdef cppclass word_span "std::span<const std::uint64_t>":
        word_span(const uint64_t*, size_t)
    cdef cppclass int64_span "std::span<const std::int64_t>":
        int64_span(const int64_t*, size_t)

cdef extern from "treeml/optimal_tree.hpp" namespace "treeml" nogil:
    cdef cppclass BinaryDataset:
        int n_rows, n_columns, n_words
        word_span columns
        int64_span statistics
    cdef cppclass Misclassification:
        int n_classes
        vector[int64_t] class_weight
        int64_t unit, leaf_cost
        int min_samples_leaf
    cdef cppclass BoundSwitches:
        cbool equivalent_points, siblings, archive, splits, lookahead, leaf_count
    cdef cppclass Size:
        int depth, leaves
    cdef cppclass TreeNode:
        int column, if_true, if_false
    cdef cppclass Counters:
        int64_t pair_counts, subproblems, cache_hits, bound_skips, archive_hits
    cdef cppclass OptimalTreeResult:
        int64_t cost, lower
        int stop
        vector[TreeNode] nodes
        Counters counters
        int64_t cache_entries, bytes
        vector[Progress] progress
    cdef cppclass NativeSearch "treeml::TreeSearch":
        OptimalTreeResult run(Size, double, int, Control&) except +

cdef extern from *:
    """
    #include <memory>
    #include "treeml/cost_tree.hpp"
    namespace treeml {
    static BinaryDataset make_dataset(
        int n_rows, int n_columns, int n_words, const std::uint64_t* columns,
        const std::int64_t* statistics, int n_statistics) {
        return {n_rows, n_columns, n_words, {columns, std::size_t(n_columns) * n_words},
                {statistics, std::size_t(n_statistics) * n_rows}};
    }
    static TreeSearch* new_search(const BinaryDataset& data, const Misclassification& objective,
                                  const BoundSwitches& bounds, bool several, bool costs) {
        if (costs) return make_cost_search(data, objective, bounds, several).release();
        return make_tree_search(data, objective, bounds, several).release();
    }
    static int stop_code(const OptimalTreeResult& result) { return static_cast<int>(result.stop); }
    static const char* active_isa() { return isa_name(choose_isa()); }
    }
    """
    BinaryDataset make_dataset "treeml::make_dataset"(
        int, int, int, const uint64_t*, const int64_t*, int) nogil
    NativeSearch* new_search "treeml::new_search"(
        const BinaryDataset&, const Misclassification&, const BoundSwitches&, cbool, cbool
    ) except + nogil
    int stop_code "treeml::stop_code"(const OptimalTreeResult&) nogil
    const char* active_isa "treeml::active_isa"() nogil


def isa():
    """Name of the instruction set whose kernels run."""
    return active_isa().decode()


cdef class TreeSearch:
    """A search over packed columns; see treeml.search.optimal_tree for the contract.

    With `costs` the statistics are sums of per-row costs, one row an action, and the class weights
    only say how many actions there are: treeml.search.cost_tree.
    """

    cdef NativeSearch* search
    cdef readonly int n_jobs

    def __cinit__(
        self,
        const uint64_t[:, ::1] columns,
        int n_rows,
        const int64_t[:, ::1] statistics,
        const int64_t[::1] class_weight,
        *,
        int64_t unit,
        int64_t leaf_cost,
        int min_samples_leaf,
        int n_jobs=1,
        without=(),
        bint costs=False,
    ):
        cdef int n_columns = <int>columns.shape[0]
        cdef int n_words = <int>columns.shape[1]
        cdef const uint64_t* first = &columns[0, 0] if n_columns and n_words else NULL
        cdef BinaryDataset data = make_dataset(
            n_rows, n_columns, n_words, first, &statistics[0, 0], <int>statistics.shape[0])
        cdef Misclassification objective
        objective.n_classes = <int>class_weight.shape[0]
        for k in range(class_weight.shape[0]):
            objective.class_weight.push_back(class_weight[k])
        objective.unit = unit
        objective.leaf_cost = leaf_cost
        objective.min_samples_leaf = min_samples_leaf
        cdef BoundSwitches bounds
        bounds.equivalent_points = "equivalent_points" not in without
        bounds.siblings = "siblings" not in without
        bounds.archive = "archive" not in without
        bounds.splits = "splits" not in without
        bounds.lookahead = "lookahead" not in without
        bounds.leaf_count = "leaf_count" not in without
        self.n_jobs = n_jobs
        with nogil:
            self.search = new_search(data, objective, bounds, n_jobs > 1, costs)

    def __dealloc__(self):
        del self.search

    def run(
        self,
        *,
        int max_depth,
        int max_leaf_nodes,
        double gap_tol,
        double time_limit,
        int64_t memory_limit,
        int64_t stop_after,
        callback=None,
    ):
        """Search, or go on: (cost, bound, stop code, nodes, counters, progress, raised)."""
        cdef Size size
        size.depth = max_depth
        size.leaves = max_leaf_nodes
        cdef _Watch watch = _Watch()
        watch.callback = callback
        watch.raised = []
        cdef Control* control = new Control(
            time_limit, memory_limit, stop_after, _look, <void*>watch)
        watch.control = control
        cdef OptimalTreeResult result
        cdef int n_jobs = self.n_jobs
        try:
            with nogil:
                result = self.search.run(size, gap_tol, n_jobs, control[0])
            polls = control.polls()
        finally:
            del control
        nodes = [(node.column, node.if_true, node.if_false) for node in result.nodes]
        counters = {
            "pair_counts": result.counters.pair_counts,
            "subproblems": result.counters.subproblems,
            "cache_hits": result.counters.cache_hits,
            "bound_skips": result.counters.bound_skips,
            "archive_hits": result.counters.archive_hits,
            "cache_entries": result.cache_entries,
            "bytes": result.bytes,
            "polls": polls,
        }
        progress = [(step.seconds, step.upper, step.lower) for step in result.progress]
        code = stop_code(result)
        return result.cost, result.lower, code, nodes, counters, progress, watch.raised
