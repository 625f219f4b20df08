# distutils: language = c++
"""Door to optimal_tree.hpp: spans in, the tree and its bound out."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

cdef extern from "<span>" namespace "std" nogil:
    cdef cppclass word_span "std::span<const std::uint64_t>":
        word_span(const uint64_t*, size_t)
    cdef cppclass int64_span "std::span<const std::int64_t>":
        int64_span(const int64_t*, size_t)

cdef extern from "treeml/control.hpp" namespace "treeml" nogil:
    cdef cppclass Control:
        ctypedef cbool (*Interrupted)(void*) noexcept nogil
        Control(double, int64_t, Interrupted, void*)
        int64_t polls()

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
    cdef cppclass TreeNode:
        int column, if_true, if_false
    cdef cppclass Counters:
        int64_t pair_counts, subproblems, cache_hits, bound_skips, cache_entries
    cdef cppclass OptimalTreeResult:
        int64_t cost, lower
        int stop
        vector[TreeNode] nodes
        Counters counters
    OptimalTreeResult run_search "treeml::optimal_tree"(
        const BinaryDataset&, const Misclassification&, int, Control&) except +

cdef extern from *:
    """
    #include "treeml/optimal_tree.hpp"
    namespace treeml {
    static BinaryDataset make_dataset(
        int n_rows, int n_columns, int n_words, const std::uint64_t* columns,
        const std::int64_t* statistics, int n_statistics) {
        return {n_rows, n_columns, n_words, {columns, std::size_t(n_columns) * n_words},
                {statistics, std::size_t(n_statistics) * n_rows}};
    }
    static int stop_code(const OptimalTreeResult& result) { return static_cast<int>(result.stop); }
    static const char* active_isa() { return isa_name(choose_isa()); }
    }
    """
    BinaryDataset make_dataset "treeml::make_dataset"(
        int, int, int, const uint64_t*, const int64_t*, int) nogil
    int stop_code "treeml::stop_code"(const OptimalTreeResult&) nogil
    const char* active_isa "treeml::active_isa"() nogil


cdef cbool _interrupted(void* raised) noexcept nogil:
    # A pending Ctrl-C is taken here: the search ends with the best tree so far.
    with gil:
        try:
            PyErr_CheckSignals()
        except BaseException as error:  # whatever the signal handler raises, the search must end
            (<list>raised).append(error)
            return True
    return False


def isa():
    """Name of the instruction set whose kernels run."""
    return active_isa().decode()


def optimal_tree(
    const uint64_t[:, ::1] columns,
    int n_rows,
    const int64_t[:, ::1] statistics,
    const int64_t[::1] class_weight,
    *,
    int64_t unit,
    int64_t leaf_cost,
    int min_samples_leaf,
    int max_depth,
    double time_limit,
    int64_t stop_after,
):
    """Search; see treeml.search.optimal_tree for the contract."""
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
    raised = []
    cdef Control* control = new Control(time_limit, stop_after, _interrupted, <void*>raised)
    cdef OptimalTreeResult result
    try:
        with nogil:
            result = run_search(data, objective, max_depth, control[0])
    finally:
        polls = control.polls()
        del control
    nodes = [(node.column, node.if_true, node.if_false) for node in result.nodes]
    counters = {
        "pair_counts": result.counters.pair_counts,
        "subproblems": result.counters.subproblems,
        "cache_hits": result.counters.cache_hits,
        "bound_skips": result.counters.bound_skips,
        "cache_entries": result.counters.cache_entries,
        "polls": polls,
    }
    return result.cost, result.lower, stop_code(result), nodes, counters, raised
