# distutils: language = c++
"""Doors to card_enumeration.hpp and slim_enumeration.hpp: a matrix in, all near-best cards out."""

from libc.stdint cimport int32_t
from libc.string cimport memcpy

import numpy as np

include "control.pxi"
include "card_constraints.pxi"

cdef extern from "treeml/card_members.hpp" namespace "treeml" nogil:
    cdef cppclass CardMembers:
        int width
        vector[int32_t] terms, points
        vector[double] loss, slope, intercept
    cdef cppclass CardSetResult:
        CardMembers members
        double best, proven
        cbool complete

cdef extern from "treeml/card_tree.hpp" namespace "treeml" nogil:
    cdef cppclass CardCounters:
        int64_t nodes, supports, planes, hessians, cards

cdef extern from "treeml/slim.hpp" namespace "treeml" nogil:
    cdef cppclass SlimWeights:
        int64_t step, unit, per_term
        int64_t negative, positive
        int64_t most_false, least_true, one
    cdef cppclass SlimOptions:
        int64_t pool_bytes, table_bytes
        vector[int] start
    cdef cppclass SlimCounters:
        int64_t supports, searched, orders

cdef extern from "treeml/slim_enumeration.hpp" namespace "treeml" nogil:
    cdef cppclass SlimMargin:
        int64_t numerator, denominator, regret

cdef extern from *:
    """
    #include "treeml/card_enumeration.hpp"
    #include "treeml/slim_enumeration.hpp"
    namespace treeml {
    static CardSetResult all_risk_scores(
        const double* matrix, std::int64_t n, int n_terms, const std::int32_t* codes,
        const double* weights, const CardConstraints& constraints, double max_logit,
        double fixed_slope, double epsilon, double regret, double time_limit, Control& control,
        CardCounters& counters, double& total) {
        const std::size_t size = static_cast<std::size_t>(n);
        const CardRows rows({matrix, size * n_terms}, n_terms, {codes, size},
                            {weights, weights ? size : 0}, true);
        total = rows.total;
        const CardProblem problem(rows, constraints, max_logit, fixed_slope);
        CardEnumeration search(problem, control, epsilon, regret < 0 ? -1 : regret * rows.total);
        CardSetResult out = search.run(time_limit, counters);
        CardMembers& cards = out.members;  // back to columns as they were
        for (std::size_t i = 0; i < cards.size(); ++i)
            for (int t = 0; t < cards.width; ++t) {
                const int j = cards.terms[i * cards.width + t];
                if (j < 0) break;
                cards.intercept[i] -=
                    cards.slope[i] * cards.points[i * cards.width + t] * rows.columns[j].center;
            }
        return out;
    }
    static CardSetResult all_slim_cards(
        const double* matrix, std::int64_t n, int n_terms, const std::int32_t* codes,
        const double* weights, const CardConstraints& constraints, const SlimWeights& cost,
        const SlimOptions& options, const SlimMargin& margin, bool drop_trivial,
        Control& control, SlimCounters& counters) {
        const std::size_t size = static_cast<std::size_t>(n);
        const CardRows rows({matrix, size * n_terms}, n_terms, {codes, size}, {weights, size});
        const SlimProblem problem(rows, constraints, cost);
        return SlimEnumeration(problem, options, margin, drop_trivial, control).run(counters);
    }
    static int card_set_stop_code(const CardSetResult& result) {
        return static_cast<int>(result.stop);
    }
    }
    """
    CardSetResult all_risk_scores "treeml::all_risk_scores"(
        const double*, int64_t, int, const int32_t*, const double*, const CardConstraints&,
        double, double, double, double, double, Control&, CardCounters&, double&) except + nogil
    CardSetResult all_slim_cards "treeml::all_slim_cards"(
        const double*, int64_t, int, const int32_t*, const double*, const CardConstraints&,
        const SlimWeights&, const SlimOptions&, const SlimMargin&, cbool, Control&,
        SlimCounters&) except + nogil
    int card_set_stop_code "treeml::card_set_stop_code"(const CardSetResult&) nogil


cdef object _integers(vector[int32_t]& given, int width, size_t n):
    out = np.empty((n, width), dtype=np.int32)
    cdef int32_t[:, ::1] view = out
    if n and width:
        memcpy(&view[0, 0], given.data(), given.size() * sizeof(int32_t))
    return out


cdef object _doubles(vector[double]& given):
    out = np.empty(given.size(), dtype=np.float64)
    cdef double[::1] view = out
    if given.size():
        memcpy(&view[0], given.data(), given.size() * sizeof(double))
    return out


cdef dict _found(CardSetResult& result):
    n = result.members.loss.size()
    return {
        "terms": _integers(result.members.terms, result.members.width, n),
        "points": _integers(result.members.points, result.members.width, n),
        "loss": _doubles(result.members.loss),
        "slope": _doubles(result.members.slope),
        "intercept": _doubles(result.members.intercept),
        "best": result.best,
        "proven": result.proven,
        "complete": result.complete,
        "stop": card_set_stop_code(result),
    }


def risk_scores(
    const double[:, ::1] matrix,
    const int32_t[::1] codes,
    const double[::1] weights,
    constraints,
    *,
    int max_features,
    double max_logit,
    double fixed_slope,
    double epsilon,
    double regret,
    double time_limit,
    int64_t memory_limit,
    int64_t stop_after,
):
    """All risk scores within a margin: a dictionary of arrays, and the errors that were raised."""
    cdef CardConstraints admitted = _constraints(constraints, max_features)
    cdef int64_t n = matrix.shape[0]
    cdef int n_terms = <int>matrix.shape[1]
    cdef const double* values = &matrix[0, 0] if n and n_terms else NULL
    cdef const double* sizes = &weights[0] if weights is not None and n else NULL
    cdef _Watch watch = _Watch()
    watch.raised = []
    cdef Control* control = new Control(time_limit, memory_limit, stop_after, _look, <void*>watch)
    watch.control = control
    cdef CardSetResult result
    cdef CardCounters counters
    cdef double total = 0
    try:
        with nogil:
            result = all_risk_scores(values, n, n_terms, &codes[0], sizes, admitted, max_logit,
                                     fixed_slope, epsilon, regret, time_limit, control[0],
                                     counters, total)
        polls = control.polls()
    finally:
        del control
    found = _found(result)
    found["total"] = total
    found["counters"] = {
        "nodes": counters.nodes,
        "supports": counters.supports,
        "planes": counters.planes,
        "cards": counters.cards,
        "polls": polls,
    }
    return found, watch.raised


def slim_cards(
    const double[:, ::1] matrix,
    const int32_t[::1] codes,
    const double[::1] weights,
    constraints,
    *,
    int max_features,
    costs,
    margin,
    bint drop_trivial,
    start,
    double time_limit,
    int64_t memory_limit,
    int64_t stop_after,
    int64_t pool_bytes,
    int64_t table_bytes,
):
    """All cards of labels within a margin: as `risk_scores`; losses are costs."""
    cdef CardConstraints admitted = _constraints(constraints, max_features)
    cdef int64_t n = matrix.shape[0]
    cdef int n_terms = <int>matrix.shape[1]
    cdef const double* values = &matrix[0, 0] if n and n_terms else NULL
    cdef SlimWeights weighing
    cdef SlimOptions options
    cdef SlimMargin allowed
    (weighing.step, weighing.unit, weighing.per_term, weighing.negative, weighing.positive,
     weighing.most_false, weighing.least_true, weighing.one) = costs
    allowed.numerator, allowed.denominator, allowed.regret = margin
    options.pool_bytes = pool_bytes
    options.table_bytes = table_bytes
    options.start = start
    cdef _Watch watch = _Watch()
    watch.raised = []
    cdef Control* control = new Control(time_limit, memory_limit, stop_after, _look, <void*>watch)
    watch.control = control
    cdef CardSetResult result
    cdef SlimCounters counters
    try:
        with nogil:
            result = all_slim_cards(values, n, n_terms, &codes[0], &weights[0], admitted,
                                    weighing, options, allowed, drop_trivial, control[0],
                                    counters)
        polls = control.polls()
    finally:
        del control
    found = _found(result)
    found["counters"] = {
        "supports": counters.supports,
        "searched": counters.searched,
        "orders": counters.orders,
        "polls": polls,
    }
    return found, watch.raised
