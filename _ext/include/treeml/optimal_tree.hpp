// Provably optimal classification trees on 0/1 columns: dynamic programming over row sets with branch and
// bound. The recursion and its depth-two leaves follow MurTree (Demirovic et al., JMLR 2022) and STreeD
// (van der Linden et al., NeurIPS 2023); the lookahead order and first incumbent are in the spirit of SPLIT
// (Babbar et al., ICML 2025). Kernel, bounds between all siblings and two-sided cache: see the headers.
#pragma once

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "treeml/bounds.hpp"
#include "treeml/cache.hpp"
#include "treeml/control.hpp"
#include "treeml/pair_scorer.hpp"

namespace treeml {

struct TreeNode {
    int column;  // -1: a leaf
    int if_true, if_false;
};

struct Counters {
    std::int64_t pair_counts = 0;    // runs of the depth-two kernel
    std::int64_t subproblems = 0;    // nodes of depth three and more
    std::int64_t cache_hits = 0;
    std::int64_t bound_skips = 0;    // splits refuted without a search
    std::int64_t cache_entries = 0;
};

struct OptimalTreeResult {
    Cost cost = 0, lower = 0;
    Stop stop = Stop::none;
    std::vector<TreeNode> nodes;  // depth first, the answer yes first
    Counters counters;
};

// What is known of one subproblem: lower <= optimum <= upper, and where upper was reached.
struct Known {
    Cost lower, upper;
    int column;
};

template <class T>
class OptimalTreeSearch {
  public:
    OptimalTreeSearch(const BinaryDataset& data, const Misclassification& objective, Control& control)
        : control_(control), frame_(make_frame(objective)), root_(load(data, objective, frame_)),
          cache_(root_.stride()), projector_(frame_), scorer_(frame_) {
        original_.assign(root_.words.data(), root_.words.data() + std::size_t(root_.n_columns) * root_.stride());
        std::vector<Word> all(root_.stride());
        for (int g = 0; g < frame_.n_groups(); ++g)
            for (int w = root_.offset[g]; w < root_.offset[g + 1]; ++w)
                all[w] = valid_bits(root_.rows[g], w - root_.offset[g]);
        root_.id.resize(root_.n_columns);
        std::iota(root_.id.begin(), root_.id.end(), 0);
        projector_.keep_distinct_columns(root_);
        root_.count_ones(frame_);
        root_.set_row_set(std::move(all));
    }

    OptimalTreeResult run(int max_depth) {
        const int depth = reach(root_, max_depth);
        OptimalTreeResult out;
        const Cost leaf = leaf_cost(root_);
        Known known{leaf, leaf, -1};
        if (depth > 0) {
            if (depth > 3) greedy(root_, depth, 0);
            const CacheEntry* start = cache_.find(root_.row_set.data(), root_.hash, depth);
            const Cost budget = start ? start->upper : kInfinite;
            known = solve(root_, depth, budget, 0);
            if (start = cache_.find(root_.row_set.data(), root_.hash, depth); start && start->upper <= known.upper)
                known.upper = start->upper;
        }
        out.cost = build(root_, depth, 0, out.nodes);
        out.lower = control_.reason() == Stop::none ? out.cost : std::min(known.lower, out.cost);
        out.stop = control_.reason();
        if (out.cost > known.upper || (out.stop == Stop::none && known.lower < known.upper))
            throw std::logic_error("the search ended without its tree or its proof");
        counters_.cache_entries = std::int64_t(cache_.size());
        out.counters = counters_;
        return out;
    }

  private:
    struct Level {
        Node<T> child[2];
        Node<T> half;
        PairCounts<T> pairs;
        SiblingBounds siblings;
        std::vector<Cost> value;           // lower bound of the split on every column
        std::vector<std::int64_t> ones;    // weight of every column
        std::vector<int> order;
        std::vector<double> gini;
    };

    static Frame<T> make_frame(const Misclassification& objective) {
        Frame<T> frame;
        frame.objective = objective;
        frame.kernels = kernels_for<T>(choose_isa());
        frame.two_classes = objective.n_classes == 2;
        return frame;
    }

    // The root with all columns, in groups; completes the frame.
    static Node<T> load(const BinaryDataset& data, const Misclassification& objective, Frame<T>& frame) {
        GroupedRows grouped = group_rows(data, objective);
        frame.groups = grouped.groups;
        frame.weight.clear();
        for (const Group& group : frame.groups) frame.weight.push_back(group.weight);
        frame.first_group.assign(objective.n_counts() + 1, 0);
        for (const Group& group : frame.groups) ++frame.first_group[group.of + 1];
        std::partial_sum(frame.first_group.begin(), frame.first_group.end(), frame.first_group.begin());
        Node<T> node;
        node.n_columns = grouped.n_columns;
        node.rows = grouped.rows;
        node.lay_out(frame);
        Word* to = node.words.reserve(grouped.columns.size() + 1);
        std::copy(grouped.columns.begin(), grouped.columns.end(), to);
        return node;
    }

    const Misclassification& objective() const { return frame_.objective; }
    Cost leaf_cost(const Node<T>& node) const {
        return objective().unit * node.leaf_errors(frame_) + objective().leaf_cost;
    }
    Level& level(int at) {
        while (int(levels_.size()) <= at) levels_.push_back(std::make_unique<Level>());
        return *levels_[at];
    }

    // The depth that is worth searching below a node with this leaf: 0 where the leaf is optimal.
    int reach(Cost leaf, std::int64_t rows, int depth) const {
        const Cost fixed = objective().leaf_cost;
        if (leaf <= 2 * fixed || leaf == fixed) return 0;
        if (objective().limits_leaves()) {
            if (rows < 2 * std::int64_t(objective().min_samples_leaf)) return 0;
            depth = int(std::min<std::int64_t>(depth, rows / objective().min_samples_leaf - 1));
        }
        return useful_depth(leaf, fixed, depth);
    }
    int reach(const Node<T>& node, int depth) const {
        if (!node.n_columns) return 0;
        return reach(leaf_cost(node), objective().limits_leaves() ? node.n_rows(frame_) : 0,
                     std::min(depth, node.n_columns));
    }

    void count(Level& at, const Node<T>& node) {
        at.ones.assign(node.n_columns, 0);
        for (int c = 0; c < objective().n_classes; ++c)
            for (int j = 0; j < node.n_columns; ++j) at.ones[j] += node.counts.ones[c][j];
    }

    // Columns by Gini impurity of the split, then by number.
    void order_by_gini(Level& at, const Node<T>& node) {
        const double all = double(node.total(frame_));
        at.gini.assign(node.n_columns, 0.0);
        for (int j = 0; j < node.n_columns; ++j) {
            double yes = 0, no = 0;
            for (int c = 0; c < objective().n_classes; ++c) {
                const double a = double(node.counts.ones[c][j]), b = double(node.counts.total[c]) - a;
                yes += a * a;
                no += b * b;
            }
            const double ones = double(at.ones[j]);
            at.gini[j] = -(yes / ones + no / (all - ones));
        }
        at.order.resize(node.n_columns);
        std::iota(at.order.begin(), at.order.end(), 0);
        std::stable_sort(at.order.begin(), at.order.end(), [&](int a, int b) { return at.gini[a] < at.gini[b]; });
    }

    void start_level(Level& at, Node<T>& node) {
        count(at, node);
        at.siblings.start(node.n_columns, objective());
        at.value.assign(node.n_columns, 2 * objective().leaf_cost);
        order_by_gini(at, node);
    }

    // Optimum of depth three if below the budget, else a bound. at.value[f] becomes a lower bound of the
    // split on f with children of depth two, exact where it was evaluated.
    Known depth_three(Node<T>& node, Cost budget, Level& at) {
        const BestSplit two = scorer_.score(node, at.pairs);
        ++counters_.pair_counts;
        const Cost leaf = leaf_cost(node);
        Known known{leaf, leaf, -1};
        if (two.cost < leaf) known = {two.cost, two.cost, two.column};
        start_level(at, node);
        at.pairs.make_overlap(objective().n_classes, node.n_columns, node.width);
        const std::int64_t total = node.total(frame_);
        const Cost floor = 2 * objective().leaf_cost;
        Cost lower = kInfinite;
        for (std::size_t k = 0; k < at.order.size(); ++k) {
            const int f = at.order[k];
            const Cost bound = at.siblings.lower1[f] + at.siblings.lower0[f];
            at.value[f] = std::max(at.value[f], bound);
            if (known.upper <= floor) break;
            if (bound >= std::min(known.upper, budget)) {
                ++counters_.bound_skips;
                lower = std::min(lower, at.value[f]);
                continue;
            }
            if (control_.stop()) {
                for (std::size_t rest = k; rest < at.order.size(); ++rest) lower = std::min(lower, rest_value(at, at.order[rest]));
                break;
            }
            const bool small = 2 * at.ones[f] <= total;
            projector_.chunks(node, f, small, at.half);
            auto [of_half, of_rest] = scorer_.score_children(node, at.half, at.pairs);
            counters_.pair_counts += 2;
            const Cost cost1 = small ? of_half.cost : of_rest.cost, cost0 = small ? of_rest.cost : of_half.cost;
            at.value[f] = cost1 + cost0;
            at.siblings.learn(f, cost1, cost0, at.pairs.overlap.data() + f * node.width, at.ones.data(), total);
            lower = std::min(lower, at.value[f]);
            if (at.value[f] < known.upper) known = {0, at.value[f], f};
        }
        known.lower = std::min(known.upper, lower);
        if (known.upper <= floor) known.lower = known.upper;
        return known;
    }

    Cost rest_value(const Level& at, int f) const {
        return std::max(at.value[f], at.siblings.lower1[f] + at.siblings.lower0[f]);
    }

    // lower <= optimum of depth `depth` <= upper. Unless stopped: upper is the optimum if it is below the
    // budget, else lower >= budget. `depth` comes from reach().
    Known solve(Node<T>& node, int depth, Cost budget, int deep) {
        const Cost leaf = leaf_cost(node);
        Known known{leaf, leaf, -1};
        if (depth == 0) return known;
        if (depth == 1) {
            const BestSplit best = scorer_.stump(node);
            return {best.cost, best.cost, best.column};
        }
        Level& at = level(deep);
        if (depth == 2) {
            const BestSplit best = scorer_.score(node, at.pairs);
            ++counters_.pair_counts;
            known = {best.cost, best.cost, best.column};
        } else if (depth == 3) {
            ++counters_.subproblems;
            known = depth_three(node, budget, at);
        } else {
            ++counters_.subproblems;
            known = split(node, depth, budget, deep);
        }
        cache_.store(node.row_set.data(), node.hash, depth, known.lower, known.upper, known.column);
        return known;
    }

    struct Child {
        Cost lower, leaf;
        int depth;
        bool exact;
        std::vector<Word> rows;
        Word hash;
    };

    // What is known of a child before any search: its leaf, the bounds, the cache.
    void look(const Node<T>& node, int f, bool value, int depth, Cost bound, Child& child) {
        std::int64_t total = 0, most = 0;
        for (int c = 0; c < objective().n_classes; ++c) {
            const std::int64_t one = node.counts.ones[c][f];
            const std::int64_t here = value ? one : std::int64_t(node.counts.total[c]) - one;
            total += here;
            most = std::max(most, here);
        }
        std::int64_t rows = 0;
        if (objective().limits_leaves()) {
            const std::int64_t one = node.counts.ones[objective().n_classes][f];
            rows = value ? one : node.n_rows(frame_) - one;
        }
        const Cost fixed = objective().leaf_cost;
        child.leaf = objective().unit * (total - most) + fixed;
        child.exact = false;
        if (objective().limits_leaves() && rows < objective().min_samples_leaf) {
            child.lower = child.leaf = kInfinite;
            child.exact = true;
            return;
        }
        child.depth = reach(child.leaf, rows, std::min(depth - 1, node.n_columns - 1));
        if (child.depth == 0) {
            child.lower = child.leaf;
            child.exact = true;
            return;
        }
        child.lower = std::max(bound, std::min(child.leaf, 2 * fixed));
        const int stride = root_.stride();
        child.rows.resize(stride);
        const Word* column = original_.data() + std::size_t(node.id[f]) * stride;
        Word hash = 0x243F6A8885A308D3ull;
        for (int w = 0; w < stride; ++w) {
            child.rows[w] = node.row_set[w] & (value ? column[w] : ~column[w]);
            hash = mix(hash, child.rows[w]);
        }
        child.hash = hash;
        if (const CacheEntry* entry = cache_.find(child.rows.data(), hash, child.depth)) {
            ++counters_.cache_hits;
            child.lower = std::max(child.lower, entry->lower);
            if (entry->exact()) {
                child.lower = entry->upper;
                child.exact = true;
            }
        }
    }

    // Depth four and more.
    Known split(Node<T>& node, int depth, Cost budget, int deep) {
        Level& at = level(deep);
        Known known = depth_three(node, budget, at);  // an upper bound, and an order for the columns
        const Cost floor = 2 * objective().leaf_cost;
        if (known.upper <= floor) return {known.upper, known.upper, known.column};
        const std::vector<Cost> key = at.value;
        start_level(at, node);
        std::stable_sort(at.order.begin(), at.order.end(), [&](int a, int b) { return key[a] < key[b]; });
        const std::int64_t total = node.total(frame_);
        Child children[2];
        bool stopped = control_.stop();
        for (int f : at.order) {
            if (stopped || known.upper <= floor) break;
            const Cost limit = std::min(known.upper, budget);
            if (rest_value(at, f) >= limit) {
                ++counters_.bound_skips;
                continue;
            }
            look(node, f, false, depth, at.siblings.lower0[f], children[0]);
            look(node, f, true, depth, at.siblings.lower1[f], children[1]);
            const bool first = children[1].leaf >= children[0].leaf;  // the one with more errors
            for (const bool value : {first, !first}) {
                Child& child = children[value];
                const Cost other = children[!value].lower;
                if (child.exact || child.lower + other >= limit || stopped) continue;
                Node<T>& next = at.child[0];
                projector_.child(node, f, value, next);
                next.row_set = child.rows;
                next.hash = child.hash;
                const Known got = solve(next, std::min(child.depth, reach(next, child.depth)), limit - other, deep + 1);
                stopped = control_.stop();
                child.lower = std::max(child.lower, got.lower);
                if (got.lower >= got.upper) {
                    child.lower = got.upper;
                    child.exact = true;
                }
            }
            const Cost cost = children[0].lower + children[1].lower;
            at.value[f] = std::max(at.value[f], cost);
            at.siblings.learn(f, children[1].lower, children[0].lower, at.pairs.overlap.data() + f * node.width,
                              at.ones.data(), total);
            if (children[0].exact && children[1].exact && cost < known.upper) known = {0, cost, f};
        }
        known.lower = known.upper;
        if (known.upper > floor)
            for (int f = 0; f < node.n_columns; ++f) known.lower = std::min(known.lower, rest_value(at, f));
        return known;
    }

    // First incumbent: split where the depth-three optimum would, and look again below. Its trees go to the
    // cache as upper bounds. Returns the cost.
    Cost greedy(Node<T>& node, int depth, int deep) {
        if (depth <= 2) return solve(node, depth, kInfinite, deep).upper;
        Level& at = level(deep);
        Known known = depth_three(node, kInfinite, at);
        if (depth > 3 && known.column >= 0 && known.upper > 2 * objective().leaf_cost && !control_.stop()) {
            const int f = known.column;
            Cost cost = 0;
            for (int value = 0; value < 2; ++value) {
                Node<T>& next = at.child[0];
                projector_.child(node, f, value, next);
                set_rows(node, f, value, next);
                cost += greedy(next, reach(next, depth - 1), deep + 1);
            }
            if (cost < known.upper) known.upper = cost;
        }
        const Cost lower = depth == 3 ? known.lower : objective().leaf_cost;
        cache_.store(node.row_set.data(), node.hash, depth, lower, known.upper, known.column);
        return known.upper;
    }

    void set_rows(const Node<T>& node, int f, bool value, Node<T>& child) {
        const int stride = root_.stride();
        const Word* column = original_.data() + std::size_t(node.id[f]) * stride;
        std::vector<Word> rows(stride);
        for (int w = 0; w < stride; ++w) rows[w] = node.row_set[w] & (value ? column[w] : ~column[w]);
        child.set_row_set(std::move(rows));
    }

    // Writes the best tree known for the node and returns its cost.
    Cost build(Node<T>& node, int depth, int deep, std::vector<TreeNode>& out) {
        const Cost leaf = leaf_cost(node);
        int f = -1;
        if (depth == 1) {
            f = scorer_.stump(node).column;
        } else if (depth == 2) {
            f = scorer_.score(node, level(deep).pairs).column;
        } else if (depth >= 3) {
            const CacheEntry* entry = cache_.find(node.row_set.data(), node.hash, depth);
            Known known = entry ? Known{entry->lower, entry->upper, entry->column} : Known{0, leaf, -1};
            if (known.lower < known.upper) {  // after a stop this is the depth-two optimum
                const Known three = depth_three(node, kInfinite, level(deep));
                if (three.upper < known.upper) known = three;
            }
            f = known.column;
        }
        const std::size_t here = out.size();
        out.push_back({-1, -1, -1});
        if (f < 0) return leaf;
        Cost cost = 0;
        for (const bool value : {true, false}) {
            Node<T>& next = level(deep).child[!value];
            projector_.child(node, f, value, next);
            set_rows(node, f, value, next);
            const int at = int(out.size());
            (value ? out[here].if_true : out[here].if_false) = at;
            cost += build(next, reach(next, depth - 1), deep + 1, out);
        }
        if (cost >= leaf) {
            out.resize(here);
            out.push_back({-1, -1, -1});
            return leaf;
        }
        out[here].column = node.id[f];
        return cost;
    }

    Control& control_;
    Frame<T> frame_;
    Node<T> root_;
    std::vector<Word> original_;  // the root's columns, duplicates included
    Cache cache_;
    Projector<T> projector_;
    PairScorer<T> scorer_;
    std::vector<std::unique_ptr<Level>> levels_;
    Counters counters_;
};

// The narrowest counts that hold every sum.
inline OptimalTreeResult optimal_tree(const BinaryDataset& data, const Misclassification& objective, int max_depth,
                                      Control& control) {
    std::int64_t total = 0;
    for (int s = 0; s < objective.n_counts(); ++s) {
        const std::int64_t weight = s < objective.n_classes ? objective.class_weight[s] : 1;
        std::int64_t sum = 0;
        for (int r = 0; r < data.n_rows; ++r) sum += data.statistic(s, r) * weight;
        total = s < objective.n_classes ? total + sum : std::max(total, sum);
    }
    const int spare = objective.limits_leaves() ? 1 : 0;  // room for the sum of two infeasible cells
    OptimalTreeResult out;
    if (total < 0xffff >> spare) out = OptimalTreeSearch<std::uint16_t>(data, objective, control).run(max_depth);
    else if (total < std::int64_t(0xffffffff) >> spare)
        out = OptimalTreeSearch<std::uint32_t>(data, objective, control).run(max_depth);
    else out = OptimalTreeSearch<std::uint64_t>(data, objective, control).run(max_depth);
    out.lower = std::min(out.cost, std::max(out.lower, equivalent_points(data, objective)));
    return out;
}

}  // namespace treeml
