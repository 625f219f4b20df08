// Provably cheapest trees of actions where every row has a cost for each of them.
#pragma once

#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "treeml/cost_scorer.hpp"
#include "treeml/optimal_tree.hpp"

namespace treeml {

// The search of worker.hpp over sums of costs. Its columns are turned so that few rows are in them; in the tree
// they stand as the dataset has them.
template <class V>
class CostTreeSearch final : public TreeSearch {
  public:
    CostTreeSearch(CostRows rows, const Misclassification& objective, const BoundSwitches& bounds, bool several)
        : turned_(turned_columns(rows)), search_(std::move(rows), objective, bounds, several) {}

    OptimalTreeResult run(Size size, double tolerance, int n_threads, Control& control) override {
        OptimalTreeResult out = search_.run(size, tolerance, n_threads, control);
        std::vector<TreeNode> found;
        found.swap(out.nodes);
        write(found, 0, out.nodes);
        return out;
    }

  private:
    static std::vector<std::uint8_t> turned_columns(const CostRows& rows) {
        std::vector<std::uint8_t> out;
        for (int j = 0; j < rows.n_columns(); ++j) {
            if (std::size_t(rows.names[j]) >= out.size()) out.resize(rows.names[j] + 1, 0);
            out[rows.names[j]] = rows.turned[j];
        }
        return out;
    }
    int write(const std::vector<TreeNode>& from, int node, std::vector<TreeNode>& to) const {
        const int here = int(to.size());
        to.push_back({-1, -1, -1});
        const TreeNode& at = from[node];
        if (at.column < 0) return here;
        const bool turned = turned_[at.column];
        const int yes = write(from, turned ? at.if_false : at.if_true, to);
        const int no = write(from, turned ? at.if_true : at.if_false, to);
        to[here] = {at.column, yes, no};
        return here;
    }

    std::vector<std::uint8_t> turned_;  // of the columns of the dataset
    OptimalTreeSearch<CostSums<V>> search_;
};

// The search with the narrowest values that hold every sum exactly.
inline std::unique_ptr<TreeSearch> make_cost_search(const BinaryDataset& data, const Misclassification& objective,
                                                    const BoundSwitches& bounds, bool several) {
    CostRows rows = cost_rows(data, objective.n_classes);
    std::int64_t total = 0, n_rows = 0;
    for (int r = 0; r < rows.n_rows; ++r) {
        if (total > (std::int64_t(1) << 51)) break;
        total += rows.weight[r], n_rows += rows.count[r];
    }
    total = std::max(total, n_rows);
    // with a cost of leaves, halves of a cost have to be held too: capped cells
    if (total < 1 << 28 && !objective.leaf_cost) return std::make_unique<CostTreeSearch<std::int32_t>>(std::move(rows), objective, bounds, several);
    if (total < std::int64_t(1) << 51)
        return std::make_unique<CostTreeSearch<double>>(std::move(rows), objective, bounds, several);
    throw std::invalid_argument("the costs of all rows together do not fit 51 bits");
}

}  // namespace treeml
