# distutils: language = c++
"""Door to linear_tree.hpp and linear_exact.hpp: matrices in, trees of rising size out."""

import numpy as np

include "control.pxi"

cdef extern from *:
    """
    #include "treeml/linear_exact.hpp"
    namespace treeml {
    struct LinearShape {
        int n_rows, n_inputs, n_targets, n_features;
    };
    struct LinearProblem {
        LinearGrid grid;
        LeafMoments moments;
        LeafLimits limits;
        LinearProblem(const double* design, const double* target, const double* weight,
                      const double* mass, const double* values, LinearShape shape, double ridge,
                      double ridge_constant, LeafLimits limits, int max_cuts)
            : grid({values, std::size_t(shape.n_rows) * shape.n_features},
                   weights(mass, shape), shape.n_rows, shape.n_features, max_cuts),
              moments({design, std::size_t(shape.n_rows) * shape.n_inputs},
                      {target, std::size_t(shape.n_rows) * shape.n_targets},
                      weights(weight, shape), weights(mass, shape), shape.n_rows,
                      {shape.n_inputs + 1, shape.n_targets}, ridge, ridge_constant),
              limits(limits) {}
        static std::span<const double> weights(const double* weight, LinearShape shape) {
            return {weight, weight ? std::size_t(shape.n_rows) : 0};
        }
    };
    struct LinearPath {
        std::vector<SizedTree> trees;
        double bound = 0;
        std::int64_t solved = 0, subproblems = 0;
        int stop = 0;
    };
    static LinearProblem* new_linear_problem(
        const double* design, const double* target, const double* weight, const double* mass,
        const double* values, LinearShape shape, double ridge, double ridge_constant,
        int min_rows, double min_weight, int max_cuts) {
        return new LinearProblem(design, target, weight, mass, values, shape, ridge,
                                 ridge_constant, {min_rows, min_weight}, max_cuts);
    }
    static LinearPath grow_linear_tree(LinearProblem& problem, const LinearTree& start,
                                       LinearGrowth growth, Control& control) {
        control.allocated(problem.grid.bytes() + problem.moments.bytes());
        LinearTreeFit fit(problem.moments, problem.grid, problem.limits, control);
        LinearPath out;
        out.trees = fit.grow(growth, start);
        out.stop = static_cast<int>(control.reason());
        return out;
    }
    static LinearPath exact_linear_tree(LinearProblem& problem, int depth, int max_leaves,
                                        Control& control) {
        control.allocated(problem.grid.bytes() + problem.moments.bytes());
        LinearExactSearch search(problem.moments, problem.grid, problem.limits, control);
        const ExactLinearTree found = search.run(depth, max_leaves);
        LinearPath out;
        out.trees.push_back({found.tree, found.cost});
        out.bound = found.bound;
        out.solved = found.solved;
        out.subproblems = found.subproblems;
        out.stop = static_cast<int>(control.reason());
        return out;
    }
    static void add_linear_node(LinearTree& tree, int feature, double threshold, int yes,
                                int no) {
        tree.nodes.push_back({feature, threshold, yes, no});
    }
    }
    """
    cdef cppclass LinearNode "treeml::LinearNode":
        int feature, yes, no
        double threshold
    cdef cppclass LinearTree "treeml::LinearTree":
        vector[LinearNode] nodes
    cdef cppclass SizedTree "treeml::SizedTree":
        LinearTree tree
        double cost
    cdef cppclass LinearPath "treeml::LinearPath":
        vector[SizedTree] trees
        double bound
        int64_t solved, subproblems
        int stop
    cdef cppclass LinearGrid "treeml::LinearGrid":
        vector[vector[double]] cuts
    cdef cppclass LinearProblem "treeml::LinearProblem":
        LinearGrid grid
    cdef cppclass LinearShape "treeml::LinearShape":
        int n_rows, n_inputs, n_targets, n_features
    cdef cppclass LinearGrowth "treeml::LinearGrowth":
        int max_leaves, max_depth, sweeps, regrow_rounds
    LinearProblem* new_linear_problem "treeml::new_linear_problem"(
        const double*, const double*, const double*, const double*, const double*, LinearShape,
        double, double, int, double, int) except + nogil
    LinearPath grow_linear_tree "treeml::grow_linear_tree"(
        LinearProblem&, const LinearTree&, LinearGrowth, Control&) except + nogil
    LinearPath exact_linear_tree "treeml::exact_linear_tree"(
        LinearProblem&, int, int, Control&) except + nogil
    void add_linear_node "treeml::add_linear_node"(LinearTree&, int, double, int, int) nogil


cdef class LinearTrees:
    """Rows, grid and penalties of a problem, for any number of searches."""

    cdef LinearProblem* problem
    cdef object arrays

    def __cinit__(
        self,
        const double[:, ::1] design,
        const double[:, ::1] target,
        const double[::1] weight,
        const double[::1] mass,
        const double[:, ::1] values,
        *,
        double ridge,
        double ridge_constant,
        int min_rows,
        double min_weight,
        int max_cuts,
    ):
        cdef LinearShape shape
        shape.n_rows = <int>target.shape[0]
        shape.n_inputs = <int>design.shape[1]
        shape.n_targets = <int>target.shape[1]
        shape.n_features = <int>values.shape[0]
        cdef const double* x = &design[0, 0] if shape.n_inputs else NULL
        cdef const double* w = &weight[0] if weight is not None else NULL
        cdef const double* m = &mass[0] if mass is not None else NULL
        cdef const double* v = &values[0, 0] if shape.n_features else NULL
        self.arrays = values  # the grid looks at them
        with nogil:
            self.problem = new_linear_problem(
                x, &target[0, 0], w, m, v, shape, ridge, ridge_constant, min_rows,
                min_weight, max_cuts)

    def __dealloc__(self):
        del self.problem

    def cuts(self):
        """Cuts of every split column, ascending; a list of arrays."""
        return [np.array(column, dtype=np.float64) for column in self.problem.grid.cuts]

    def grow(
        self,
        nodes,
        *,
        int max_leaves,
        int max_depth,
        int sweeps,
        int regrow_rounds,
        double time_limit,
        int64_t memory_limit,
        int64_t stop_after,
    ):
        """Trees of rising size from a start; see `_path`."""
        cdef LinearTree start
        cdef LinearGrowth growth
        growth.max_leaves, growth.max_depth = max_leaves, max_depth
        growth.sweeps, growth.regrow_rounds = sweeps, regrow_rounds
        cdef LinearPath found
        cdef _Watch watch = _Watch()
        watch.callback = None
        watch.raised = []
        if nodes is not None:
            start.nodes.clear()
            for feature, threshold, yes, no in nodes:
                add_linear_node(start, feature, threshold, yes, no)
        cdef Control* control = new Control(
            time_limit, memory_limit, stop_after, _look, <void*>watch)
        watch.control = control
        try:
            with nogil:
                found = grow_linear_tree(self.problem[0], start, growth, control[0])
            polls = control.polls()
        finally:
            del control
        return _path(found, polls), watch.raised

    def exact(
        self,
        *,
        int max_depth,
        int max_leaves,
        double time_limit,
        int64_t memory_limit,
        int64_t stop_after,
    ):
        """The best tree on the grid; see `_path`."""
        cdef LinearPath found
        cdef _Watch watch = _Watch()
        watch.callback = None
        watch.raised = []
        cdef Control* control = new Control(
            time_limit, memory_limit, stop_after, _look, <void*>watch)
        watch.control = control
        try:
            with nogil:
                found = exact_linear_tree(self.problem[0], max_depth, max_leaves, control[0])
            polls = control.polls()
        finally:
            del control
        return _path(found, polls), watch.raised


cdef _path(LinearPath& found, polls):
    """Trees as arrays (feature, threshold, yes, no), their costs, bound, stop and counters."""
    trees = []
    cdef size_t t, v
    for t in range(found.trees.size()):
        n_nodes = found.trees[t].tree.nodes.size()
        feature = np.empty(n_nodes, dtype=np.int32)
        threshold = np.empty(n_nodes)
        yes = np.empty(n_nodes, dtype=np.int32)
        no = np.empty(n_nodes, dtype=np.int32)
        for v in range(found.trees[t].tree.nodes.size()):
            feature[v] = found.trees[t].tree.nodes[v].feature
            threshold[v] = found.trees[t].tree.nodes[v].threshold
            yes[v] = found.trees[t].tree.nodes[v].yes
            no[v] = found.trees[t].tree.nodes[v].no
        trees.append((feature, threshold, yes, no, found.trees[t].cost))
    return {
        "trees": trees,
        "bound": found.bound,
        "stop": found.stop,
        "counters": {
            "cells": found.solved,
            "subproblems": found.subproblems,
            "polls": polls,
        },
    }
