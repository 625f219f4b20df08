# distutils: language = c++
"""Door to ensemble_search.hpp: cuts, classes and weights in, trees and their bound out."""

from libc.stdint cimport int32_t, uint64_t

include "control.pxi"

cdef extern from "treeml/ensemble_search.hpp" namespace "treeml" nogil:
    cdef cppclass CutData:
        pass
    cdef cppclass CutNode:
        int column, if_true, if_false, label
    ctypedef vector[CutNode] CutTree
    cdef cppclass EnsembleQuery:
        int n_trees
        cbool largest
        int64_t budget, error_cost, cut_cost, memory
        int most_cuts
    cdef cppclass EnsembleResult:
        int64_t cost, lower, nodes, replaced
        cbool refuted
        vector[CutTree] trees
    EnsembleResult search_ensemble(const CutData&, const EnsembleQuery&, Control&) except +

cdef extern from *:
    """
    #include "treeml/ensemble_search.hpp"
    namespace treeml {
    static CutData cut_data(
        int n_rows, int n_columns, int n_words, int n_classes, const std::uint64_t* columns,
        const std::int32_t* chain, const std::int32_t* label, const std::int64_t* weight) {
        const std::size_t rows = n_rows, cuts = n_columns;
        return {n_rows, n_columns, n_words, n_classes, {columns, cuts * n_words}, {chain, cuts},
                {label, rows}, {weight, rows}};
    }
    static void set_method(EnsembleQuery& query, int method) {
        query.method = EnsembleMethod(method);
    }
    static int ensemble_method(const EnsembleResult& result) {
        return static_cast<int>(result.method);
    }
    static int ensemble_stop(const EnsembleResult& result) { return static_cast<int>(result.stop); }
    }
    """
    CutData cut_data "treeml::cut_data"(
        int, int, int, int, const uint64_t*, const int32_t*, const int32_t*, const int64_t*) nogil
    void set_method "treeml::set_method"(EnsembleQuery&, int) nogil
    int ensemble_method "treeml::ensemble_method"(const EnsembleResult&) nogil
    int ensemble_stop "treeml::ensemble_stop"(const EnsembleResult&) nogil


def search(
    const uint64_t[:, ::1] columns,
    const int32_t[::1] chain,
    const int32_t[::1] label,
    const int64_t[::1] weight,
    int n_classes,
    *,
    int n_trees,
    bint largest,
    int64_t budget,
    int64_t error_cost,
    int64_t cut_cost,
    int most_cuts,
    int method,
    double time_limit,
    int64_t memory_limit,
    int64_t stop_after,
    callback=None,
):
    """(cost, bound, stop, refuted, trees, method, counters, progress, raised) of one search."""
    cdef int n_rows = <int>label.shape[0]
    cdef int n_columns = <int>columns.shape[0]
    cdef int n_words = <int>columns.shape[1]
    cdef CutData data = cut_data(
        n_rows, n_columns, n_words, n_classes,
        &columns[0, 0] if n_columns and n_words else NULL,
        &chain[0] if n_columns else NULL,
        &label[0] if n_rows else NULL,
        &weight[0] if n_rows else NULL,
    )
    cdef EnsembleQuery query
    query.n_trees = n_trees
    query.largest = largest
    query.budget = budget
    query.error_cost = error_cost
    query.cut_cost = cut_cost
    query.most_cuts = most_cuts
    query.memory = memory_limit
    set_method(query, method)
    cdef _Watch watch = _Watch()
    watch.callback = callback
    watch.raised = []
    cdef Control* control = new Control(
        time_limit, memory_limit, stop_after, _look, <void*>watch)
    watch.control = control
    cdef EnsembleResult result
    try:
        with nogil:
            result = search_ensemble(data, query, control[0])
        counters = {
            "nodes": result.nodes,
            "replaced": result.replaced,
            "polls": control.polls(),
        }
        progress = [(step.seconds, step.upper, step.lower) for step in control.progress()]
    finally:
        del control
    trees = [
        [(node.column, node.if_true, node.if_false, node.label) for node in tree]
        for tree in result.trees
    ]
    return (
        result.cost, result.lower, ensemble_stop(result), result.refuted, trees,
        ensemble_method(result), counters, progress, watch.raised,
    )
