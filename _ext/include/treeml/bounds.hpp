// Lower bounds on the cost of subtrees, each with its source.
#pragma once

#include <algorithm>
#include <vector>

#include "treeml/dataset.hpp"
#include "treeml/objective.hpp"

namespace treeml {

// Which bounds a search uses: all of them but in tests, which switch each off. The search is exact with
// any of them.
struct BoundSwitches {
    bool equivalent_points = true;  // residual weights: dataset.hpp
    bool siblings = true;           // SiblingBounds
    bool archive = true;            // Archive: solved nodes anywhere in the search
    bool splits = true;             // Archive: their splits one by one
    bool lookahead = true;          // capped cells: depth_two.hpp
    bool leaf_count = true;         // useful_depth
};

// Bounds on the children of one node from the children already solved: the similarity bound (Hu, Rudin and
// Seltzer, NeurIPS 2019, section 4; Demirovic et al., JMLR 2022, section 4.6) against every solved sibling.
// A tree for the rows S serves S & A too, and errs on at most the rows of A \ S more when it is used for A:
// optimum(S) >= optimum(A) - unit * weight(A \ S). Where leaves are free, both solved children of a
// sibling, being disjoint, add up. Pruning rows must not make a tree infeasible, so it is only valid
// without a limit on the rows of a leaf.
class SiblingBounds {
  public:
    std::vector<Cost> lower1, lower0;  // of the children of every column

    void start(int n_columns, const Misclassification& objective) {
        objective_ = &objective;
        lower1.assign(n_columns, objective.leaf_cost);
        lower0.assign(n_columns, objective.leaf_cost);
    }

    // Column g was solved: its children cost at least cost1 and cost0. overlap[f] is the weight of the
    // rows where f and g are 1, ones[f] of those where f is 1, total of all.
    template <class T>
    void learn(int g, Cost cost1, Cost cost0, const T* overlap, const std::int64_t* ones, std::int64_t total) {
        if (objective_->limits_leaves()) return;
        const Cost unit = objective_->unit;
        const std::int64_t g_ones = ones[g];
        const int n = int(lower1.size());
        for (int f = 0; f < n; ++f) {
            const Cost both = overlap[f], only_f = ones[f] - both, only_g = g_ones - both;
            const Cost neither = total - ones[f] - only_g;
            const Cost a1 = cost1 - unit * only_g, b1 = cost0 - unit * neither;  // for f = 1
            const Cost a0 = cost1 - unit * both, b0 = cost0 - unit * only_f;     // for f = 0
            const Cost to1 = objective_->leaf_cost ? std::max(a1, b1) : std::max<Cost>(a1, 0) + std::max<Cost>(b1, 0);
            const Cost to0 = objective_->leaf_cost ? std::max(a0, b0) : std::max<Cost>(a0, 0) + std::max<Cost>(b0, 0);
            lower1[f] = std::max(lower1[f], to1);
            lower0[f] = std::max(lower0[f], to0);
        }
    }

  private:
    const Misclassification* objective_ = nullptr;
};

// k leaves cost at least k * leaf_cost, so a tree cheaper than `cost` has at most (cost - 1) / leaf_cost
// leaves and one less in depth (GOSDT, Lin et al., ICML 2020, section 3: bounds on the number of leaves).
inline int useful_depth(Cost cost, Cost leaf_cost, int depth) {
    if (!leaf_cost) return depth;
    const Cost leaves = (cost - 1) / leaf_cost;
    return int(std::max<Cost>(0, std::min<Cost>(depth, leaves - 1)));
}

}  // namespace treeml
