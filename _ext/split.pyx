# distutils: language = c++
"""Door to grow.hpp and boost.hpp: code columns in, grown trees out as arrays."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

import numpy as np

include "control.pxi"

cdef extern from "treeml/boost.hpp" namespace "treeml" nogil:
    cdef cppclass Team:
        Team(int) except +
    cdef cppclass CodeColumn:
        const uint8_t* bytes
        const uint16_t* words
        int n_codes, monotone
        cbool has_missing, category, asks_above
    cdef cppclass CodeColumns:
        CodeColumns(vector[CodeColumn], int64_t, cbool, Team&) except +
    cdef cppclass ValueBounds:
        double low, high
    cdef cppclass GrownNode:
        int column, code, next, left, right, depth
        cbool missing_left, yes_left
        double gain
        int64_t begin, end
        vector[uint16_t] levels
    cdef cppclass LeafLimits:
        int64_t rows
        double weight
    cdef cppclass GrowthLimits:
        int max_depth
        int64_t max_leaves, rows_to_split
        LeafLimits leaf
        double least_gain
        cbool must_gain, middle
    cdef cppclass Grower:
        Grower(const CodeColumns&, Team&, vector[char]) except +
        void set_rows_ascend(cbool)
    cdef cppclass BoostOptions:
        int n_classes, rounds, max_depth, patience
        double learning_rate, l2, least_hessian
        int64_t max_leaves
    cdef cppclass BoostedTree:
        int output
        vector[GrownNode] nodes
        vector[double] values
    cdef cppclass BoostResult:
        vector[double] base, train_loss, validation_loss
        vector[vector[double]] scores
        vector[BoostedTree] trees
        int best_round
    cdef cppclass Booster:
        Booster(const CodeColumns&, Team&, const double*, const double*, vector[char],
                const BoostOptions&, vector[char]) except +
        BoostResult run(Control&) except +

cdef extern from "treeml/targets.hpp" namespace "treeml" nogil:
    cdef cppclass Target:
        int criterion
        const int64_t* a
        const int64_t* b
        double unit_a, unit_b, tilt
        const int32_t* y
        vector[double] class_unit
        const double* target
        const double* weights
        cbool by_row
    vector[GrownNode] grow_tree(
        Grower&, const Target&, vector[uint32_t]&, const GrowthLimits&, Control&) except +

cdef extern from *:
    """
    namespace treeml {
    static void set_loss(BoostOptions& options, int loss) {
        options.loss = static_cast<Loss>(loss);
    }
    static int stop_of(const BoostResult& result) { return static_cast<int>(result.stop); }
    static int stop_of(const Control& control) { return static_cast<int>(control.reason()); }
    }
    """
    void set_loss "treeml::set_loss"(BoostOptions&, int) nogil
    int boost_stop "treeml::stop_of"(const BoostResult&) nogil
    int control_stop "treeml::stop_of"(const Control&) nogil


cdef _tree_arrays(
    const vector[GrownNode]& nodes, const vector[double]* values, int64_t n_rows,
    const vector[uint32_t]* rows,
):
    """Nodes in depth-first order, yes first, as arrays; the leaf of every row grown on."""
    cdef int n = <int>nodes.size(), at, here, i
    cdef int32_t[::1] column = np.empty(n, dtype=np.int32)
    cdef int32_t[::1] code = np.empty(n, dtype=np.int32)
    cdef int32_t[::1] following = np.empty(n, dtype=np.int32)
    cdef int32_t[::1] if_true = np.full(n, -1, dtype=np.int32)
    cdef int32_t[::1] if_false = np.full(n, -1, dtype=np.int32)
    cdef uint8_t[::1] yes_left = np.empty(n, dtype=np.uint8)
    cdef double[::1] gain = np.empty(n)
    cdef double[::1] value = np.zeros(n)
    cdef int64_t[::1] n_in_node = np.empty(n, dtype=np.int64)
    cdef int32_t[::1] leaf = np.full(n_rows if rows != NULL else 0, -1, dtype=np.int32)
    cdef int64_t r
    cdef vector[int] stack
    cdef vector[int] parents
    levels = {}
    stack.push_back(0)
    parents.push_back(-1)
    i = 0
    while stack.size():
        at = stack.back()
        here = parents.back()
        stack.pop_back()
        parents.pop_back()
        if here >= 0:
            if if_true[here] < 0:
                if_true[here] = i
            else:
                if_false[here] = i
        column[i] = nodes[at].column
        code[i] = nodes[at].code
        following[i] = nodes[at].next
        yes_left[i] = nodes[at].yes_left
        gain[i] = nodes[at].gain
        n_in_node[i] = nodes[at].end - nodes[at].begin
        if values != NULL:
            value[i] = values[0][at]
        if nodes[at].column >= 0:
            if nodes[at].levels.size():
                levels[i] = np.array(nodes[at].levels, dtype=np.uint16)
            stack.push_back(nodes[at].right if nodes[at].yes_left else nodes[at].left)
            stack.push_back(nodes[at].left if nodes[at].yes_left else nodes[at].right)
            parents.push_back(i)
            parents.push_back(i)
        elif rows != NULL:
            for r in range(nodes[at].begin, nodes[at].end):
                leaf[rows[0][r]] = i
        i += 1
    return {
        "column": np.asarray(column), "code": np.asarray(code), "next": np.asarray(following),
        "yes_left": np.asarray(yes_left).astype(bool), "if_true": np.asarray(if_true),
        "if_false": np.asarray(if_false), "gain": np.asarray(gain), "value": np.asarray(value),
        "levels": levels, "leaf": np.asarray(leaf), "rows": np.asarray(n_in_node),
    }


cdef class SplitColumns:
    """Code columns of a table, ready to grow trees on; see treeml.search.greedy."""

    cdef Team* team
    cdef CodeColumns* columns
    cdef list kept
    cdef readonly int64_t n_rows
    cdef readonly int n_columns

    def __cinit__(self, codes, n_codes, has_missing, category, asks_above, monotone, *,
                  int64_t n_rows, int n_jobs=1, bint by_row=True):
        cdef vector[CodeColumn] columns
        cdef CodeColumn column
        cdef const uint8_t[::1] narrow
        cdef const uint16_t[::1] wide
        self.kept = list(codes)
        for j, one in enumerate(self.kept):
            column.bytes = NULL
            column.words = NULL
            if one.dtype == np.uint8:
                narrow = one
                column.bytes = &narrow[0]
            else:
                wide = one
                column.words = &wide[0]
            column.n_codes = n_codes[j]
            column.has_missing = has_missing[j]
            column.category = category[j]
            column.asks_above = asks_above[j]
            column.monotone = monotone[j]
            columns.push_back(column)
        self.n_rows = n_rows
        self.n_columns = <int>columns.size()
        with nogil:
            self.team = new Team(n_jobs)
            self.columns = new CodeColumns(columns, n_rows, by_row, self.team[0])

    def __dealloc__(self):
        del self.columns
        del self.team

    def grow(self, *, int criterion, const int64_t[::1] a=None, const int64_t[::1] b=None,
             double unit_a=1, double unit_b=1, double tilt=0, const int32_t[::1] y=None,
             class_unit=(), const double[::1] target=None, const double[::1] weights=None,
             bint by_row=False, const uint32_t[::1] rows=None, allowed=None, int max_depth,
             int64_t max_leaves, int64_t rows_to_split, int64_t rows_in_leaf,
             double weight_in_leaf=0, double least_gain=0,
             double time_limit=-1, int64_t stop_after=-1):
        """A tree: (arrays, stop code, raised)."""
        cdef Target t
        t.criterion = criterion
        t.unit_a, t.unit_b, t.tilt, t.by_row = unit_a, unit_b, tilt, by_row
        if a is not None:
            t.a = &a[0]
        if b is not None:
            t.b = &b[0]
        if y is not None:
            t.y = &y[0]
        if target is not None:
            t.target = &target[0]
        if weights is not None:
            t.weights = &weights[0]
        for unit in class_unit:
            t.class_unit.push_back(unit)
        cdef GrowthLimits limits
        limits.max_depth, limits.max_leaves = max_depth, max_leaves
        limits.rows_to_split, limits.least_gain = rows_to_split, least_gain
        limits.leaf.rows, limits.must_gain, limits.middle = rows_in_leaf, False, False
        limits.leaf.weight = weight_in_leaf
        cdef vector[char] used
        if allowed is not None:
            for yes in allowed:
                used.push_back(<char>bool(yes))
        cdef vector[uint32_t] order
        cdef int64_t r
        if rows is None:
            order.resize(self.n_rows)
            for r in range(self.n_rows):
                order[r] = <uint32_t>r
        else:
            for r in range(rows.shape[0]):
                order.push_back(rows[r])
        cdef _Watch watch = _Watch()
        watch.callback = None
        watch.raised = []
        cdef Control* control = new Control(time_limit, -1, stop_after, _look, <void*>watch)
        watch.control = control
        cdef Grower* grower = NULL
        cdef vector[GrownNode] nodes
        try:
            grower = new Grower(self.columns[0], self.team[0], used)
            grower.set_rows_ascend(rows is None)
            with nogil:
                nodes = grow_tree(grower[0], t, order, limits, control[0])
            stop = control_stop(control[0])
        finally:
            del grower
            del control
        return _tree_arrays(nodes, NULL, self.n_rows, &order), stop, watch.raised

    cdef BoostResult _boosted(self, BoostOptions options, const double[::1] y,
                              const double[::1] weights, const uint8_t[::1] validation, allowed,
                              double time_limit, int64_t stop_after, list raised) except *:
        cdef vector[char] held, used
        cdef int64_t r
        if validation is not None:
            for r in range(validation.shape[0]):
                held.push_back(<char>validation[r])
        if allowed is not None:
            for yes in allowed:
                used.push_back(<char>bool(yes))
        cdef _Watch watch = _Watch()
        watch.callback = None
        watch.raised = raised
        cdef Control* control = new Control(time_limit, -1, stop_after, _look, <void*>watch)
        watch.control = control
        cdef BoostResult result
        cdef Booster* booster = NULL
        cdef const double* w = &weights[0] if weights is not None else NULL
        try:
            with nogil:
                booster = new Booster(self.columns[0], self.team[0], &y[0], w, held, options, used)
                result = booster.run(control[0])
        finally:
            del booster
            del control
        return result

    def boost(self, *, int loss, const double[::1] y, const double[::1] weights=None,
              const uint8_t[::1] validation=None, int n_classes=1, int rounds,
              double learning_rate, double l2, double least_hessian, int max_depth,
              int64_t max_leaves, int patience, allowed=None, double time_limit=-1,
              int64_t stop_after=-1):
        """(base scores, trees with their output, losses, stop code, raised, scores of all rows)."""
        raised = []
        cdef BoostResult result = self._boosted(
            _options(loss, n_classes, rounds, learning_rate, l2, least_hessian, max_depth,
                     max_leaves, patience),
            y, weights, validation, allowed, time_limit, stop_after, raised)
        trees = [
            (result.trees[i].output, _tree_arrays(result.trees[i].nodes, &result.trees[i].values,
                                                  0, NULL))
            for i in range(result.trees.size())
        ]
        return (np.array(result.base), trees, np.array(result.train_loss),
                np.array(result.validation_loss), boost_stop(result), raised,
                np.array(result.scores))

    def boosted_splits(self, *, int loss, const double[::1] y, const double[::1] weights=None,
                       int n_classes=1, int rounds, double learning_rate, double l2,
                       double least_hessian, int max_depth):
        """(columns, codes, gains) of all splits of a boosted model, and what was raised."""
        raised = []
        cdef BoostResult result = self._boosted(
            _options(loss, n_classes, rounds, learning_rate, l2, least_hessian, max_depth, 0, 0),
            y, weights, None, None, -1, -1, raised)
        cdef size_t i, j, n = 0
        for i in range(result.trees.size()):
            for j in range(result.trees[i].nodes.size()):
                n += result.trees[i].nodes[j].column >= 0
        column, code, gain = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
        cdef int64_t[::1] columns = column, codes = code
        cdef double[::1] gains = gain
        n = 0
        for i in range(result.trees.size()):
            for j in range(result.trees[i].nodes.size()):
                if result.trees[i].nodes[j].column >= 0:
                    columns[n] = result.trees[i].nodes[j].column
                    codes[n] = result.trees[i].nodes[j].code
                    gains[n] = result.trees[i].nodes[j].gain
                    n += 1
        return column, code, gain, raised


cdef BoostOptions _options(int loss, int n_classes, int rounds, double learning_rate, double l2,
                           double least_hessian, int max_depth, int64_t max_leaves, int patience):
    cdef BoostOptions options
    set_loss(options, loss)
    options.n_classes, options.rounds, options.learning_rate = n_classes, rounds, learning_rate
    options.l2, options.least_hessian, options.max_depth = l2, least_hessian, max_depth
    options.max_leaves, options.patience = max_leaves, patience
    return options
