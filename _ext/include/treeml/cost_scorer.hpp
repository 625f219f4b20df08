// Calls the depth-two kernel of per-row costs and reads its result: what pair_scorer.hpp is for classes.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "treeml/archive.hpp"
#include "treeml/cost_node.hpp"
#include "treeml/pair_scorer.hpp"
#include "treeml/shared.hpp"

namespace treeml {

// Sums of pairs of a node, kept while its children are scored, and the weight of its overlaps.
template <class V>
struct PairCounts<CostSums<V>> {
    Buffer<V> sums;                 // [lane * stride + i * width + j]
    Buffer<std::uint64_t> overlap;  // n_columns x width
    long stride = 0;
};

template <class V>
class PairScorer<CostSums<V>> {
  public:
    using NodeT = Node<CostSums<V>>;
    using Pairs = PairCounts<CostSums<V>>;

    explicit PairScorer(const Frame<CostSums<V>>& frame) : frame_(frame), objective_(frame.objective) {}

    bool can_cap() const { return frame_.can_cap(); }

    // Best trees of depth two for the node, with `by_leaves` those of two and three leaves too. Its pair sums are
    // kept in `pairs`. `splits`, where asked for, becomes a lower bound of the split on every column, whatever depth
    // there is below.
    DepthTwo score(NodeT& node, Pairs& pairs, bool by_leaves, bool, std::vector<Cost>* splits = nullptr) {
        if (!can_cap()) splits = nullptr;
        CostPairs<V> in = problem(node, node, pairs);
        for (int l = 0; l < frame_.values; ++l)
            for (int i = 0; i < node.n_columns; ++i) {
                V* row = in.pairs + l * in.pair_stride + long(i) * node.width;
                std::fill(row + node.n_columns, row + node.width, V(0));
            }
        const CostSide<V> side = start(node.ones.data(), node.whole.data(), node, 0, splits != nullptr);
        frame_.costs.score[frame_.step][0][mode(splits != nullptr)](in, side, CostSide<V>{});
        const DepthTwo out = best(side, node.n_columns, node.width, node.first_total, by_leaves, splits != nullptr, splits);
        promise_.resize(node.n_columns);
        for (int i = 0; i < node.n_columns; ++i) promise_[i] = double(side.best1[i]) + double(side.best0[i]);
        return out;
    }

    // Of the last node scored: what the best trees of depth two cost that split on each column first.
    void promise(const NodeT&, const std::vector<std::int64_t>&, std::vector<double>& out) const { out = promise_; }

    // Symmetric weights of the pairs that score() summed.
    void make_overlap(const NodeT& node, Pairs& pairs, bool) {
        if (objective_.limits_leaves()) return;  // then no bound asks for them
        const long width = node.width;
        std::uint64_t* to = pairs.overlap.reserve(std::size_t(node.n_columns) * width + 32);
        const V* from = pairs.sums.data() + frame_.n_differences() * pairs.stride;
        for (int i = 0; i < node.n_columns; ++i) {
            to[i * width + i] = std::uint64_t(node.weight_ones[i]);
            for (int j = i + 1; j < node.n_columns; ++j)
                to[i * width + j] = to[j * width + i] = std::uint64_t(std::int64_t(from[i * width + j]));
        }
    }

    // Best trees of depth two for both children of `node` on a column; `half` holds the rows of one. `capped` computes
    // their lower bounds for any depth too.
    std::pair<DepthTwo, DepthTwo> score_children(const NodeT& node, const NodeT& half, Pairs& pairs, bool by_leaves, bool capped) {
        const int n_lanes = frame_.values, f = half.column, p = node.n_columns;
        for (std::vector<V>& ones : ones_) ones.assign(node.ones.size(), 0);
        for (std::vector<V>& whole : whole_) whole.assign(frame_.lanes, 0);
        for (int l = 0; l < n_lanes; ++l) {
            const V* sums = pairs.sums.data() + l * pairs.stride;  // above the diagonal
            const V* ones = node.ones.data() + l * node.width;
            V *yes = ones_[1].data() + l * node.width, *no = ones_[0].data() + l * node.width;
            for (int j = 0; j < f; ++j) yes[j] = sums[long(j) * node.width + f];
            yes[f] = ones[f];
            std::copy(sums + long(f) * node.width + f + 1, sums + long(f) * node.width + p, yes + f + 1);
            for (int j = 0; j < p; ++j) no[j] = V(ones[j] - yes[j]);
            whole_[1][l] = ones[f];
            whole_[0][l] = V(node.whole[l] - ones[f]);
        }
        const std::int64_t first1 = node.first_ones[f], first0 = node.first_total - first1;
        CostPairs<V> in = problem(node, half, pairs);
        in.planes = planes_.reserve(std::size_t(n_lanes) * node.width + 32);
        for (int l = 0; l < n_lanes; ++l)
            std::fill(in.planes + l * node.width + node.n_columns, in.planes + (l + 1) * node.width, V(0));
        const CostSide<V> side = start(ones_[half.value].data(), whole_[half.value].data(), node, 0, capped);
        const CostSide<V> other = start(ones_[!half.value].data(), whole_[!half.value].data(), node, 1, capped);
        frame_.costs.score[frame_.step][1][mode(capped)](in, side, other);
        return {best(side, p, node.width, half.value ? first1 : first0, by_leaves, capped),
                best(other, p, node.width, half.value ? first0 : first1, by_leaves, capped)};
    }

    // Best tree of depth one.
    BestSplit stump(const NodeT& node) const {
        BestSplit out{objective_.unit * node.leaf_errors(frame_) + objective_.leaf_cost, -1, 1};
        for (int j = 0; j < node.n_columns; ++j) {
            const NodeSide yes = node.side(frame_, j, true), no = node.side(frame_, j, false);
            if (objective_.limits_leaves() && std::min(yes.rows, no.rows) < objective_.min_samples_leaf) continue;
            const Cost cost = objective_.unit * (yes.errors + no.errors) + 2 * objective_.leaf_cost;
            if (cost < out.cost) out = {cost, j, 1};
        }
        return out;
    }

  private:
    // More than any sum of two leaves, and twice this is a V.
    static constexpr V kInfeasible = V(std::numeric_limits<V>::is_integer ? double(1 << 29) : double(std::int64_t(1) << 52));

    CostPairs<V> problem(const NodeT& node, const NodeT& half, Pairs& pairs) {
        CostPairs<V> in = Projector<CostSums<V>>::pairs(frame_, node, half);
        pairs.stride = long(node.n_columns) * node.width + 32;
        in.pair_stride = pairs.stride;
        in.pairs = pairs.sums.reserve(std::size_t(frame_.values) * pairs.stride);
        int widest = 0;
        for (int g = 0; g < in.n_families; ++g)
            widest = std::max(widest, (node.family[g + 1] - node.family[g]) * (node.n_columns - node.family[g] + 1));
        in.cells = cells_.reserve(std::size_t(widest) * frame_.lanes + 64);
        in.least_rows = V(std::min<std::int64_t>(objective_.min_samples_leaf, std::int64_t(kInfeasible)));
        in.infeasible = kInfeasible;
        // exact: costs are whole numbers and unit a power of two, so that unit times a cost is below 2^53
        in.cap = V(std::min(double(objective_.leaf_cost) / double(objective_.unit), double(kInfeasible)));
        return in;
    }
    CostMode mode(bool capped) const { return capped ? kCappedCosts : objective_.limits_leaves() ? kLimitedLeaves : kPlainCosts; }

    // Without a leaf limit a side may stay one leaf.
    CostSide<V> start(const V* ones, const V* whole, const NodeT& node, int which, bool capped) {
        const std::size_t width = std::size_t(node.width);
        CostSide<V> side{ones, whole, best_[2 * which].reserve(width + 16), best_[2 * which + 1].reserve(width + 16),
                         nullptr, nullptr};
        if (capped) {
            side.capped1 = capped_[2 * which].reserve(width + 16);
            side.capped0 = capped_[2 * which + 1].reserve(width + 16);
            std::fill(side.capped1, side.capped1 + width + 16, kInfeasible);
            std::fill(side.capped0, side.capped0 + width + 16, kInfeasible);
        }
        std::fill(side.best1, side.best1 + width + 16, objective_.limits_leaves() ? kInfeasible : V(0));
        std::fill(side.best0, side.best0 + width + 16, objective_.limits_leaves() ? kInfeasible : V(0));
        if (objective_.limits_leaves()) return side;
        for (int a = 0; a < frame_.n_differences(); ++a)
            for (int j = 0; j < node.n_columns; ++j) {
                const V one = ones[a * node.width + j];
                side.best1[j] = std::min(side.best1[j], one);
                side.best0[j] = std::min(side.best0[j], V(whole[a] - one));
            }
        return side;
    }

    // Every cost less what action 0 costs there, which is `first` for both sides of any column.
    DepthTwo best(const CostSide<V>& side, int n_columns, long width, std::int64_t first, bool by_leaves, bool capped,
                  std::vector<Cost>* splits = nullptr) const {
        DepthTwo out;
        const Cost unit = objective_.unit, leaf_cost = objective_.leaf_cost;
        const int n = frame_.n_differences();
        V whole = 0;
        for (int a = 0; a < n; ++a) whole = std::min(whole, side.total[a]);
        const bool limit = objective_.limits_leaves();
        const bool enough = !limit || std::int64_t(side.total[n]) >= objective_.min_samples_leaf;
        const BestSplit one{enough ? unit * (first + Cost(whole)) + leaf_cost : kInfinite, -1, 1};
        std::fill(std::begin(out.best), std::end(out.best), one);
        out.lower = one.cost;
        BestSplit& four = out.best[4];
        if (!leaf_cost && !limit && !by_leaves) {
            V least = std::numeric_limits<V>::max();
            int column = -1;
            for (int i = 0; i < n_columns; ++i) {
                const V sum = V(side.best1[i] + side.best0[i]);
                if (sum < least) least = sum, column = i;
            }
            if (column >= 0 && unit * (first + Cost(least)) < four.cost) four = {unit * (first + Cost(least)), column, 2};
            return out;
        }
        for (int i = 0; i < n_columns; ++i) {
            if (limit) {
                const std::int64_t rows = std::int64_t(side.ones[n * width + i]);
                if (std::min(rows, std::int64_t(side.total[n]) - rows) < objective_.min_samples_leaf) continue;
            }
            V least1 = 0, least0 = 0;
            for (int a = 0; a < n; ++a) {
                const V ones = side.ones[a * width + i];
                least1 = std::min(least1, ones), least0 = std::min(least0, V(side.total[a] - ones));
            }
            const Cost one1 = unit * Cost(least1) + leaf_cost, one0 = unit * Cost(least0) + leaf_cost;
            const Cost two1 = two(one1, side.best1[i]), two0 = two(one0, side.best0[i]);
            const auto offer = [&](BestSplit& to, Cost cost, int leaves_true) {
                if (unit * first + cost < to.cost) to = {unit * first + cost, i, leaves_true};
            };
            offer(four, two1 + two0, 2);
            if (by_leaves) {
                offer(out.best[2], one1 + one0, 1);
                offer(out.best[3], two1 + one0, 2);
                offer(out.best[3], one1 + two0, 1);
            }
            const V weight = side.ones[n * width + i];
            if (capped && weight > 0 && weight < side.total[n]) {
                const Cost first1 = unit * Cost(side.ones[(n + 1) * width + i]);
                const Cost low1 = std::min(first1 + one1, capped_cost(side.capped1[i]));
                const Cost low0 = std::min(unit * first - first1 + one0, capped_cost(side.capped0[i]));
                out.lower = std::min(out.lower, low1 + low0);
                if (splits) (*splits)[i] = std::max((*splits)[i], low1 + low0);
            }
        }
        return out;
    }

    // The cheaper of a leaf that costs `one` and of two.
    Cost two(Cost one, V both) const {
        if (both > 0) return one;  // infeasible: two leaves that are feasible cost no more than action 0
        return std::min(one, objective_.unit * Cost(both) + 2 * objective_.leaf_cost);
    }

    Cost capped_cost(V capped) const {
        if (capped >= kInfeasible) return kInfinite;
        return 2 * objective_.leaf_cost + Cost(double(capped) * double(objective_.unit));
    }

    const Frame<CostSums<V>>& frame_;
    const Misclassification& objective_;
    Buffer<V> best_[4], capped_[4], cells_, planes_;
    std::vector<V> ones_[2], whole_[2];  // of both children
    std::vector<double> promise_;
};

// The search over per-row costs shares what any search does, and takes its rows in like this.
template <class V>
struct Shared<CostSums<V>> : SharedState<CostSums<V>> {
    using SharedState<CostSums<V>>::frame, SharedState<CostSums<V>>::columns, SharedState<CostSums<V>>::stride,
        SharedState<CostSums<V>>::certain;

    std::vector<int> load(CostRows rows, const Misclassification& of, Node<CostSums<V>>& root, std::vector<Place>* = nullptr) {
        certain = of.unit * rows.certain;
        frame.objective = of;
        frame.kernels = kernels_for<std::uint64_t>(choose_isa());
        frame.costs = cost_kernels_for<V>(choose_isa());
        frame.rows = std::move(rows);
        const CostRows& all = frame.rows;
        const int values = of.n_classes + frame.can_cap();  // differences, a weight or a number of rows, action 0
        frame.values = values;
        frame.step = values <= 2 ? 0 : values <= 4 ? 1 : 2;
        const int step = 2 << frame.step;
        frame.lanes = (values + step - 1) / step * step;
        frame.records.assign(std::size_t(all.n_rows) * frame.lanes, V(0));
        Word state = 0x9E3779B97F4A7C15ull;
        for (int r = 0; r < all.n_rows; ++r) {
            V* record = frame.records.data() + std::size_t(r) * frame.lanes;
            const std::int64_t* regret = all.regret.data() + std::size_t(r) * of.n_classes;
            for (int a = 1; a < of.n_classes; ++a) record[a - 1] = V(regret[a] - regret[0]);
            record[of.n_classes - 1] = V(of.limits_leaves() ? all.count[r] : all.weight[r]);
            if (frame.can_cap()) record[of.n_classes] = V(regret[0]);
            state += 0x9E3779B97F4A7C15ull;
            Word z = state;  // splitmix64 (Steele, Lea and Flood, OOPSLA 2014)
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
            frame.mark.push_back(z ^ (z >> 31));
        }
        stride = all.stride;
        columns = all.columns;
        Projector<CostSums<V>> projector(frame);
        projector.root(root);
        return all.names;
    }
};

}  // namespace treeml
