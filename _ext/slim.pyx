# distutils: language = c++
"""Door to slim.hpp: a matrix of whole numbers in, the card and its bound out."""

from libc.stdint cimport int32_t

include "control.pxi"
include "card_constraints.pxi"

cdef extern from "treeml/slim.hpp" namespace "treeml" nogil:
    cdef cppclass SlimWeights:
        int64_t step, unit, per_term
        int64_t negative, positive
        int64_t most_false, least_true, one
    cdef cppclass SlimLinear:
        vector[double] of_term
        double of_cut, low, high
    cdef cppclass SlimOptions:
        double tolerance
        int64_t pool_bytes, table_bytes
        vector[int] start
        int64_t least_errors
    cdef cppclass SlimCounters:
        int64_t supports, searched, orders
    cdef cppclass SlimCard:
        vector[int] points
        double cut
        int64_t cost
    cdef cppclass SlimResult:
        SlimCard card
        int64_t lower
        cbool complete
        int stop
        SlimCounters counters
        int64_t bytes
        vector[Progress] progress

cdef extern from *:
    """
    #include "treeml/slim.hpp"
    namespace treeml {
    static SlimResult run_slim(const double* matrix, std::int64_t n, int n_terms,
                               const std::int32_t* codes, const double* weights,
                               const CardConstraints& constraints, const SlimWeights& cost,
                               const std::vector<SlimLinear>& linear,
                               SlimOptions& options, Control& control) {
        const std::size_t rows = static_cast<std::size_t>(n);
        const CardRows merged({matrix, rows * n_terms}, n_terms, {codes, rows},
                              {weights, rows});
        const SlimProblem problem(merged, constraints, cost, linear);
        if (options.start.empty())
            options.start = points_of_sample({matrix, rows * n_terms}, n_terms, {codes, rows},
                                             {weights, rows}, problem, control);
        return search_slim(problem, options, control);
    }
    static bool some_card(const CardConstraints& constraints) {
        const double none = 0;
        const CardRows rows({&none, 0}, constraints.n_terms(), {}, {});
        const SlimProblem problem(rows, constraints, {});
        return any_support(problem, std::vector<Use>(constraints.n_terms(), Use::open),
                           [&](const std::vector<int>& support) {
                               std::vector<int> points;
                               return admitted_points(problem, support, points);
                           });
    }
    static int slim_stop_code(const SlimResult& result) { return static_cast<int>(result.stop); }
    }
    """
    SlimResult run_slim "treeml::run_slim"(
        const double*, int64_t, int, const int32_t*, const double*, const CardConstraints&,
        const SlimWeights&, const vector[SlimLinear]&, SlimOptions&, Control&) except + nogil
    cbool some_card "treeml::some_card"(const CardConstraints&) except +
    int slim_stop_code "treeml::slim_stop_code"(const SlimResult&) nogil


def admits_some_card(constraints, max_features):
    """Whether some card obeys the constraints, whatever the data."""
    return some_card(_constraints(constraints, max_features))


def search(
    const double[:, ::1] matrix,
    const int32_t[::1] codes,
    const double[::1] weights,
    constraints,
    *,
    int max_features,
    costs,
    linear,
    start,
    int64_t least_errors,
    double gap_tol,
    double time_limit,
    int64_t memory_limit,
    int64_t stop_after,
    int64_t pool_bytes,
    int64_t table_bytes,
    callback=None,
):
    """Search: (points, cut, cost, bound, complete, stop code, counters, progress, raised)."""
    cdef CardConstraints admitted = _constraints(constraints, max_features)
    cdef SlimWeights weighing
    cdef SlimOptions options
    cdef SlimResult result
    cdef vector[SlimLinear] rows
    cdef SlimLinear row
    for of_term, of_cut, low, high in linear:
        row.of_term = of_term
        row.of_cut, row.low, row.high = of_cut, low, high
        rows.push_back(row)
    cdef int n_terms = <int>matrix.shape[1]
    cdef int64_t n = matrix.shape[0]
    cdef const double* first = &matrix[0, 0] if n and n_terms else NULL
    (weighing.step, weighing.unit, weighing.per_term, weighing.negative, weighing.positive,
     weighing.most_false, weighing.least_true, weighing.one) = costs
    options.tolerance = gap_tol
    options.pool_bytes = pool_bytes
    options.table_bytes = table_bytes
    options.start = start
    options.least_errors = least_errors
    cdef _Watch watch = _Watch()
    watch.callback = callback
    watch.raised = []
    cdef Control* control = new Control(
        time_limit, memory_limit, stop_after, _look, <void*>watch)
    watch.control = control
    try:
        with nogil:
            result = run_slim(first, n, n_terms, &codes[0], &weights[0], admitted, weighing,
                              rows, options, control[0])
        polls = control.polls()
    finally:
        del control
    counters = {
        "supports": result.counters.supports,
        "searched": result.counters.searched,
        "orders": result.counters.orders,
        "bytes": result.bytes,
        "polls": polls,
    }
    progress = [(step.seconds, step.upper, step.lower) for step in result.progress]
    points = list(result.card.points)
    return (points, result.card.cut, result.card.cost, result.lower, result.complete,
            slim_stop_code(result), counters, progress, watch.raised)
