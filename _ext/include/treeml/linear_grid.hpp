// Cuts of split columns on a grid of quantiles, and trees as questions "x_f <= t".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace treeml {

// Inner nodes ask whether the value of column `feature` is at most `threshold`; feature -1: a leaf.
struct LinearNode {
    int feature = -1;
    double threshold = 0;
    int yes = -1, no = -1;
};

// Node 0 is the root.
struct LinearTree {
    std::vector<LinearNode> nodes{LinearNode{}};

    int n_leaves() const { return int(nodes.size() + 1) / 2; }
    bool leaf(int v) const { return nodes[v].feature < 0; }
    // Makes a leaf an inner node; its children are the last two nodes, that for yes first.
    int split(int v, int feature, double threshold) {
        const int yes = int(nodes.size());
        nodes[v] = {feature, threshold, yes, yes + 1};
        nodes.resize(nodes.size() + 2);
        return yes;
    }
    void leaves(int v, std::vector<int>& out) const {
        if (leaf(v)) out.push_back(v);
        else leaves(nodes[v].yes, out), leaves(nodes[v].no, out);
    }
    // Inner nodes, parents first.
    void inner(int v, std::vector<int>& out) const {
        if (leaf(v)) return;
        out.push_back(v);
        inner(nodes[v].yes, out);
        inner(nodes[v].no, out);
    }
};

// A value between two neighbours that is below the second; where the second is infinite (missing), the first.
inline double cut_between(double low, double high) {
    if (!(high < std::numeric_limits<double>::infinity())) return low;
    const double middle = low / 2 + high / 2;
    return middle >= low && middle < high ? middle : low;
}

class LinearGrid {
  public:
    // values: one column after another, n_rows each, infinite where missing. At most `max_cuts` cuts of a column:
    // between all neighbours where that is enough, else where the weight below first reaches k / (max_cuts + 1) of
    // the whole, for k = 1 .. max_cuts. Missing values can always be told from the others.
    LinearGrid(std::span<const double> values, std::span<const double> weight, int n_rows, int n_features,
               int max_cuts)
        : n_rows(n_rows), n_features(n_features), cuts(n_features), values_(values),
          codes_(std::size_t(n_rows) * n_features) {
        std::vector<int> order(n_rows);
        for (int f = 0; f < n_features; ++f) {
            const double* column = this->column(f);
            for (int i = 0; i < n_rows; ++i) order[i] = i;
            std::sort(order.begin(), order.end(), [&](int a, int b) { return column[a] < column[b]; });
            choose(column, order, weight, max_cuts, cuts[f]);
            std::uint16_t* code = codes_.data() + std::size_t(f) * n_rows;
            std::uint16_t at = 0;
            for (const int i : order) {
                while (at < cuts[f].size() && column[i] > cuts[f][at]) ++at;
                code[i] = at;
            }
        }
    }

    const double* column(int f) const { return values_.data() + std::size_t(f) * n_rows; }
    const std::uint16_t* codes(int f) const { return codes_.data() + std::size_t(f) * n_rows; }
    int n_codes(int f) const { return int(cuts[f].size()) + 1; }
    std::int64_t bytes() const { return std::int64_t(codes_.size()) * 2; }

    // Leaf of a row below node v.
    int leaf_of(const LinearTree& tree, int row, int v = 0) const {
        while (!tree.leaf(v)) {
            const LinearNode& node = tree.nodes[v];
            v = column(node.feature)[row] <= node.threshold ? node.yes : node.no;
        }
        return v;
    }

    // Rows of every node.
    std::vector<std::vector<int>> members(const LinearTree& tree) const {
        std::vector<std::vector<int>> out(tree.nodes.size());
        out[0].resize(n_rows);
        for (int i = 0; i < n_rows; ++i) out[0][i] = i;
        std::vector<int> stack{0};
        while (!stack.empty()) {
            const int v = stack.back();
            stack.pop_back();
            if (tree.leaf(v)) continue;
            const LinearNode& node = tree.nodes[v];
            const double* column = this->column(node.feature);
            for (const int i : out[v]) out[column[i] <= node.threshold ? node.yes : node.no].push_back(i);
            stack.push_back(node.yes);
            stack.push_back(node.no);
        }
        return out;
    }

    int n_rows, n_features;
    std::vector<std::vector<double>> cuts;  // of every feature, ascending

  private:
    static void choose(const double* column, const std::vector<int>& order, std::span<const double> weight,
                       int max_cuts, std::vector<double>& cuts) {
        std::vector<double> distinct, below;  // values, and the weight of the rows below each
        double total = 0;
        for (const int i : order) {
            if (distinct.empty() || column[i] != distinct.back()) {
                distinct.push_back(column[i]);
                below.push_back(total);
            }
            total += weight.empty() ? 1.0 : weight[i];
        }
        if (distinct.size() < 2) return;
        const auto cut = [&](std::size_t p) {
            const double at = cut_between(distinct[p - 1], distinct[p]);
            if (cuts.empty() || at > cuts.back()) cuts.push_back(at);
        };
        if (int(distinct.size()) - 1 <= max_cuts) {
            for (std::size_t p = 1; p < distinct.size(); ++p) cut(p);
            return;
        }
        for (int k = 1; k <= max_cuts; ++k) {
            const double target = total * k / (max_cuts + 1) * (1 - 1e-12);
            const auto found = std::lower_bound(below.begin(), below.end(), target);
            const std::size_t p = std::max<std::size_t>(1, found - below.begin());
            if (p < distinct.size()) cut(p);
        }
        if (std::isinf(distinct.back())) cut(distinct.size() - 1);
    }

    std::span<const double> values_;
    std::vector<std::uint16_t> codes_;
};

}  // namespace treeml
