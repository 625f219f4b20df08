# distutils: language = c++
"""Door to card_search.hpp: a matrix in, the risk score and its bound out."""

from libc.stdint cimport int32_t

import numpy as np

include "control.pxi"
include "card_constraints.pxi"

cdef extern from "treeml/card_search.hpp" namespace "treeml" nogil:
    cdef cppclass Card:
        vector[int] support, points
        vector[double] beta
        double slope, intercept, loss
    cdef cppclass CardCounters:
        int64_t nodes, supports, planes, hessians, cards
    cdef cppclass CardSearchResult:
        Card card
        double lower
        cbool found, optimal
        CardCounters counters

cdef extern from *:
    """
    #include "treeml/card_search.hpp"
    namespace treeml {
    static CardRows* new_card_rows(const double* matrix, std::int64_t n, int n_terms,
                                   const std::int32_t* codes, const double* weights) {
        const std::size_t rows = static_cast<std::size_t>(n);
        return new CardRows({matrix, rows * n_terms}, n_terms, {codes, rows},
                            {weights, weights ? rows : 0}, true);
    }
    static void weigh_card_rows(CardRows& rows, std::int64_t n, const std::int32_t* codes,
                                const double* weights) {
        const std::size_t size = static_cast<std::size_t>(n);
        rows.weigh({codes, size}, {weights, size});
    }
    static CardSearchResult search_risk_score(
        const CardRows& rows, const CardConstraints& constraints, double max_logit,
        double fixed_slope, bool real, double gap_tol, double time_limit, Control& control) {
        const CardProblem problem(rows, constraints, max_logit, fixed_slope, real);
        CardSearch search(problem, control);
        CardSearchResult out = search.run(gap_tol, time_limit);
        Card& card = out.card;  // back to columns as they were
        for (std::size_t t = 0; t < card.support.size(); ++t) {
            const double beta = real ? card.beta[t] : card.slope * card.points[t];
            card.intercept -= beta * rows.columns[card.support[t]].center;
        }
        return out;
    }
    static int card_stop_code(const CardSearchResult& result) {
        return static_cast<int>(result.stop);
    }
    }
    """
    cdef cppclass CardRows "treeml::CardRows":
        int n_rows, n_terms
        double total
    CardRows* new_card_rows "treeml::new_card_rows"(
        const double*, int64_t, int, const int32_t*, const double*) except + nogil
    void weigh_card_rows "treeml::weigh_card_rows"(
        CardRows&, int64_t, const int32_t*, const double*) except + nogil
    CardSearchResult search_risk_score "treeml::search_risk_score"(
        const CardRows&, const CardConstraints&, double, double, cbool, double, double,
        Control&) except + nogil
    int card_stop_code "treeml::card_stop_code"(const CardSearchResult&) nogil


cdef class MergedRows:
    """Equal rows merged once, for any number of searches with other weights."""

    cdef CardRows* rows
    cdef const int32_t[::1] codes

    def __cinit__(
        self, const double[:, ::1] matrix, const int32_t[::1] codes, const double[::1] weights
    ):
        cdef int64_t n = matrix.shape[0]
        cdef int n_terms = <int>matrix.shape[1]
        cdef const double* values = &matrix[0, 0] if n and n_terms else NULL
        cdef const int32_t* labels = &codes[0] if n else NULL
        cdef const double* sizes = &weights[0] if weights is not None and n else NULL
        self.codes = codes
        with nogil:
            self.rows = new_card_rows(values, n, n_terms, labels, sizes)

    def __dealloc__(self):
        del self.rows

    def weigh(self, const double[::1] weights):
        """Other weights of the same rows."""
        cdef const int32_t* labels = &self.codes[0]
        with nogil:
            weigh_card_rows(self.rows[0], self.codes.shape[0], labels, &weights[0])

    def search(
        self,
        constraints,
        *,
        int max_features,
        double max_logit,
        double fixed_slope,
        bint real,
        double gap_tol,
        double time_limit,
        int64_t memory_limit,
        int64_t stop_after,
        callback=None,
    ):
        """Search: a dictionary of what it found, and the errors that callbacks raised."""
        cdef CardConstraints admitted = _constraints(constraints, max_features)
        cdef _Watch watch = _Watch()
        watch.callback = callback
        watch.raised = []
        cdef Control* control = new Control(
            time_limit, memory_limit, stop_after, _look, <void*>watch)
        watch.control = control
        cdef CardSearchResult found
        cdef vector[Progress] steps
        try:
            with nogil:
                found = search_risk_score(self.rows[0], admitted, max_logit, fixed_slope, real,
                                          gap_tol, time_limit, control[0])
            steps = control.progress()
            polls = control.polls()
        finally:
            del control
        points = np.zeros(self.rows.n_terms, dtype=np.float64 if real else np.int64)
        for t in range(found.card.support.size()):
            points[found.card.support[t]] = found.card.beta[t] if real else found.card.points[t]
        return {
            "points": points,
            "slope": found.card.slope,
            "intercept": found.card.intercept,
            "loss": found.card.loss,
            "lower": found.lower,
            "total": self.rows.total,
            "found": found.found,
            "optimal": found.optimal,
            "stop": card_stop_code(found),
            "counters": {
                "rows": self.rows.n_rows,
                "nodes": found.counters.nodes,
                "supports": found.counters.supports,
                "planes": found.counters.planes,
                "hessians": found.counters.hessians,
                "cards": found.counters.cards,
                "polls": polls,
            },
            "history": [
                (step.seconds, step.upper * 2.0**-40, step.lower * 2.0**-40) for step in steps
            ],
        }, watch.raised
