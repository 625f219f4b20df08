// Trees with linear leaves: best-first growth, and two local searches that never raise the loss of the training rows.
//
// Polish chooses the question of one inner node anew, subtrees kept and all leaves below fitted again, at the
// resolution of the rows; drop and regrow takes an inner node out, grows the tree to its old size elsewhere, and keeps
// the result where it is better.
#pragma once

#include <algorithm>
#include <vector>

#include "treeml/linear_node.hpp"

namespace treeml {

struct LinearGrowth {
    int max_leaves = 8, max_depth = -1;  // depth below 0: no limit
    int sweeps = 5;                      // of polish after every split; 0: plain greedy growth
    int regrow_rounds = 0;               // of drop and regrow at every size
};

// A tree of the path by size.
struct SizedTree {
    LinearTree tree;
    double cost;
};

class LinearTreeFit {
  public:
    LinearTreeFit(LeafMoments& moments, const LinearGrid& grid, LeafLimits limits, Control& control)
        : moments_(moments), grid_(grid), control_(control), limits_(limits),
          search_(moments, grid, limits, control) {}

    // Trees of rising size, the first that of `start`; ends early where no leaf can be split with gain, or where
    // stopped. Every tree costs less than the one before.
    std::vector<SizedTree> grow(const LinearGrowth& growth, LinearTree start = {}) {
        State state = state_of(std::move(start));
        if (growth.sweeps && state.tree.n_leaves() > 1) polish(state, growth.sweeps);
        if (growth.regrow_rounds) regrow(state, growth);
        std::vector<SizedTree> out{{state.tree, state.cost()}};
        while (state.tree.n_leaves() < growth.max_leaves && !control_.stop(true)) {
            State larger = state;
            if (!split_best(larger, growth.max_depth)) break;
            if (growth.sweeps) polish(larger, growth.sweeps);
            if (growth.regrow_rounds) regrow(larger, growth);
            if (!(larger.cost() < state.cost())) break;
            state = std::move(larger);
            out.push_back({state.tree, state.cost()});
        }
        return out;
    }

  private:
    struct State {
        LinearTree tree;
        std::vector<std::vector<int>> rows;  // of every node
        std::vector<double> leaf_cost;       // 0 at inner nodes
        std::vector<LinearSplit> next;       // best split of a leaf; cost below 0: not known
        std::vector<char> open;              // inner nodes whose question may be no longer the best one

        double cost() const {
            double out = 0;
            for (const double c : leaf_cost) out += c;
            return out;
        }
        void resize() {
            leaf_cost.resize(tree.nodes.size(), 0.0);
            next.resize(tree.nodes.size(), LinearSplit{-1.0});
            open.resize(tree.nodes.size(), 0);
        }
    };

    State state_of(LinearTree tree) {
        State out;
        out.tree = std::move(tree);
        out.rows = grid_.members(out.tree);
        out.resize();
        for (std::size_t v = 0; v < out.tree.nodes.size(); ++v) {
            if (out.tree.leaf(int(v))) out.leaf_cost[v] = moments_.cost(out.rows[v]);
            else out.open[v] = 1;
        }
        return out;
    }

    // Splits the leaf that gains most. False where none gains, or where stopped.
    bool split_best(State& state, int max_depth) {
        int best = -1;
        double gain = 0;
        const std::vector<int> depth = depths(state.tree);
        for (std::size_t v = 0; v < state.tree.nodes.size(); ++v) {
            if (!state.tree.leaf(int(v)) || depth[v] == max_depth) continue;
            if (state.next[v].cost < 0) {
                const std::vector<int> none(state.rows[v].size(), 0);
                const double bar = state.leaf_cost[v] * (1 - kGain);
                state.next[v] = search_.search(state.rows[v], none, none, 1, 1, bar);
            }
            const double here = state.leaf_cost[v] - state.next[v].cost;
            if (state.next[v].feature >= 0 && clearly_lower(gain, here)) best = int(v), gain = here;
        }
        if (best < 0 || control_.stop(true)) return false;
        const LinearSplit chosen = state.next[best];
        state.tree.split(best, chosen.feature, chosen.threshold);
        refresh(state, best);
        for (int v = parent(state.tree, best); v >= 0; v = parent(state.tree, v)) state.open[v] = 1;
        return true;
    }

    // Rows, costs and plans below a node whose question changed.
    void refresh(State& state, int v) {
        state.rows.resize(state.tree.nodes.size());
        state.resize();
        state.leaf_cost[v] = 0;
        std::vector<int> stack{v};
        while (!stack.empty()) {
            const int u = stack.back();
            stack.pop_back();
            const LinearNode node = state.tree.nodes[u];
            std::vector<int> yes, no;
            const double* column = grid_.column(node.feature);
            for (const int i : state.rows[u]) (column[i] <= node.threshold ? yes : no).push_back(i);
            take(state, node.yes, std::move(yes), stack);
            take(state, node.no, std::move(no), stack);
        }
    }

    void take(State& state, int v, std::vector<int> rows, std::vector<int>& stack) {
        if (rows == state.rows[v] && !rows.empty()) return;
        state.rows[v] = std::move(rows);
        if (!state.tree.leaf(v)) {
            state.open[v] = 1;
            stack.push_back(v);
            return;
        }
        state.leaf_cost[v] = moments_.cost(state.rows[v]);
        state.next[v] = {-1.0};
    }

    // Chooses questions anew until none can be bettered, or so many sweeps.
    void polish(State& state, int sweeps) {
        for (int sweep = 0; sweep < sweeps; ++sweep) {
            std::vector<int> order;
            state.tree.inner(0, order);
            if (sweep % 2) std::reverse(order.begin(), order.end());
            bool changed = false;
            for (const int v : order) {
                if (!state.open[v]) continue;
                if (control_.stop(true)) return;
                changed = polish_node(state, v) || changed;
            }
            if (!changed) return;
        }
    }

    bool polish_node(State& state, int v) {
        state.open[v] = 0;
        const LinearNode node = state.tree.nodes[v];
        std::vector<int> left, right, slot(state.tree.nodes.size(), 0);
        state.tree.leaves(node.yes, left);
        state.tree.leaves(node.no, right);
        double before = 0;
        for (const auto* side : {&left, &right})
            for (std::size_t s = 0; s < side->size(); ++s) {
                slot[(*side)[s]] = int(s);
                before += state.leaf_cost[(*side)[s]];
            }
        const std::vector<int>& rows = state.rows[v];
        std::vector<int> a(rows.size()), b(rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            a[i] = slot[grid_.leaf_of(state.tree, rows[i], node.yes)];
            b[i] = slot[grid_.leaf_of(state.tree, rows[i], node.no)];
        }
        const LinearSplit found =
            search_.search(rows, a, b, int(left.size()), int(right.size()), before * (1 - kGain));
        if (found.feature < 0) return false;
        State tried = state;
        tried.tree.nodes[v].feature = found.feature;
        tried.tree.nodes[v].threshold = found.threshold;
        refresh(tried, v);
        if (!(tried.cost() < state.cost())) return false;  // a gain that was only rounding
        state = std::move(tried);
        for (int u = parent(state.tree, v); u >= 0; u = parent(state.tree, u)) state.open[u] = 1;
        return true;
    }

    // Takes inner nodes out, one at a time, and grows the tree elsewhere, while that helps.
    void regrow(State& state, const LinearGrowth& growth) {
        for (int round = 0; round < growth.regrow_rounds; ++round)
            if (!regrow_once(state, growth)) return;
    }

    bool regrow_once(State& state, const LinearGrowth& growth) {
        std::vector<int> order;
        state.tree.inner(0, order);
        std::reverse(order.begin(), order.end());
        for (const int v : order) {
            const LinearNode& node = state.tree.nodes[v];
            for (int kept = 0; kept < 3; ++kept) {
                if (kept == 2 && state.tree.leaf(node.yes) && state.tree.leaf(node.no)) continue;  // as 0 and 1
                if (control_.stop(true)) return false;
                State tried = state_of(without(state.tree, v, kept == 0 ? node.yes : kept == 1 ? node.no : -1));
                polish(tried, 1);
                while (tried.tree.n_leaves() < state.tree.n_leaves() && split_best(tried, growth.max_depth)) continue;
                polish(tried, std::max(1, growth.sweeps));
                if (tried.tree.n_leaves() <= state.tree.n_leaves() && tried.cost() < state.cost() * (1 - kRegrowGain)) {
                    state = std::move(tried);
                    return true;
                }
            }
        }
        return false;
    }

    // The tree with node v replaced by the subtree at `by`; below 0: by a leaf.
    static LinearTree without(const LinearTree& tree, int v, int by) {
        LinearTree out;
        std::vector<std::pair<int, int>> stack{{0, 0}};
        while (!stack.empty()) {
            auto [from, to] = stack.back();
            stack.pop_back();
            if (from == v) from = by;
            if (from < 0 || tree.leaf(from)) continue;
            const LinearNode& node = tree.nodes[from];
            const int yes = out.split(to, node.feature, node.threshold);
            stack.push_back({node.yes, yes});
            stack.push_back({node.no, yes + 1});
        }
        return out;
    }

    static int parent(const LinearTree& tree, int v) {
        for (std::size_t u = 0; u < tree.nodes.size(); ++u)
            if (!tree.leaf(int(u)) && (tree.nodes[u].yes == v || tree.nodes[u].no == v)) return int(u);
        return -1;
    }

    static std::vector<int> depths(const LinearTree& tree) {
        std::vector<int> out(tree.nodes.size(), 0), order;
        tree.inner(0, order);
        for (const int v : order) out[tree.nodes[v].yes] = out[tree.nodes[v].no] = out[v] + 1;
        return out;
    }

    static constexpr double kGain = 1e-7;        // smaller relative gains of a question are rounding
    static constexpr double kRegrowGain = 1e-4;  // what makes another structure worth it

    LeafMoments& moments_;
    const LinearGrid& grid_;
    Control& control_;
    LeafLimits limits_;
    LinearNodeSearch search_;
};

}  // namespace treeml
