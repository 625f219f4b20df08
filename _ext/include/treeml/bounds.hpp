// Lower bounds on the cost of subtrees, each with its source.
#pragma once

#include <algorithm>
#include <bit>
#include <vector>

#include "treeml/depth_two.hpp"
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
    void learn(const Kernels<T>& kernels, int g, Cost cost1, Cost cost0, const T* overlap, const std::int64_t* ones,
               std::int64_t total) {
        if (objective_->limits_leaves()) return;
        const SiblingNews news{cost1, cost0, ones[g], total, std::countr_zero(std::uint64_t(objective_->unit)),
                               objective_->leaf_cost == 0};
        kernels.learn_siblings(int(lower1.size()), news, overlap, ones, lower1.data(), lower0.data());
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
