// Calls the depth-two kernel for nodes and reads its result as costs of trees of depth two.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "treeml/node.hpp"

namespace treeml {

struct BestSplit {
    Cost cost;
    int column;       // -1: a leaf
    int leaves_true;  // how many leaves its yes side may have
};

// What the kernel says of one node.
struct DepthTwo {
    BestSplit best[5];  // [l]: the best tree of at most l leaves; 2 and 3 only where asked for
    Cost lower;         // capped run: no tree of any depth is cheaper
};

// Pair counts of a node, kept while its children are scored, and the overlap of columns over all classes.
template <class T>
struct PairCounts {
    std::vector<Buffer<T>> buffers;
    std::vector<T*> counts;  // of each count; with differences only one matrix, and the sums are in `overlap`
    Buffer<T> overlap;       // n_columns x width

    void shape(int n_counts, int n_columns, long width) {
        if (int(buffers.size()) < n_counts) buffers = std::vector<Buffer<T>>(n_counts);
        counts.resize(n_counts);
        for (int c = 0; c < n_counts; ++c) counts[c] = buffers[c].reserve(std::size_t(n_columns) * width + 32);
        overlap.reserve(std::size_t(n_columns) * width + 32);
    }

    // Symmetric matrix of weights of rows in both columns, from the upper triangles.
    void make_overlap(int n_classes, int n_columns, long width, bool summed) {
        T* to = overlap.data();
        for (int i = 0; i < n_columns && !summed; ++i) {
            T* row = to + i * width;
            std::copy(counts[0] + i * width + i, counts[0] + i * width + n_columns, row + i);
            for (int c = 1; c < n_classes; ++c)
                for (int j = i; j < n_columns; ++j) row[j] = T(row[j] + counts[c][i * width + j]);
        }
        constexpr int kTile = 32;
        for (int bi = 0; bi < n_columns; bi += kTile)
            for (int bj = bi; bj < n_columns; bj += kTile)
                for (int i = bi; i < std::min(n_columns, bi + kTile); ++i)
                    for (int j = std::max(bj, i + 1); j < std::min(n_columns, bj + kTile); ++j)
                        to[j * width + i] = to[i * width + j];
    }
};

template <class T>
class PairScorer {
  public:
    explicit PairScorer(const Frame<T>& frame) : frame_(frame), objective_(frame.objective) {
        constexpr T most = std::numeric_limits<T>::max();
        problem_.n_classes = objective_.n_classes;
        problem_.least_rows = T(std::min<std::uint64_t>(objective_.min_samples_leaf, most));
        problem_.infeasible = objective_.limits_leaves() ? most / 2 : most;
        problem_.no_cell = most / 2;
        // The cap of a cell in errors, with as many binary digits as fit.
        const Cost errors = objective_.leaf_cost / objective_.unit;
        can_cap_ = objective_.leaf_cost > 0 && !objective_.limits_leaves() && errors < Cost(most / 8);
        if (!can_cap_) return;
        problem_.cap_shift = 0;
        while (problem_.cap_shift < 6 && (errors + 1) << (problem_.cap_shift + 1) < Cost(most / 4)) ++problem_.cap_shift;
        problem_.cap_from = T(errors + 1);
        const Cost rest = objective_.leaf_cost - errors * objective_.unit;  // shifted apart: no overflow
        problem_.cap = T((errors << problem_.cap_shift) + ((rest << problem_.cap_shift) / objective_.unit));
    }

    bool can_cap() const { return can_cap_; }

    // Best trees of depth two for the node, with `by_leaves` those of two and three leaves too. Its pair
    // counts are kept in `pairs`, in the form that a run with or without caps needs for the children.
    // `splits`, where asked for, becomes a lower bound of the split on every column, whatever depth there is
    // below.
    DepthTwo score(Node<T>& node, PairCounts<T>& pairs, bool by_leaves, bool capped, std::vector<Cost>* splits = nullptr) {
        node.make_chunks(frame_);
        const bool differences = by_differences(capped);
        if (splits && !can_cap_) splits = nullptr;
        pairs.shape(differences && !splits ? 1 : frame_.n_counts(), node.n_columns, node.width);
        if (differences && !splits) {
            const Differences side = start_differences(node.counts, node.width, 0);
            frame_.kernels.score_differences[0](chunks(node), pairs.overlap.data(), as_signed(pairs.counts[0]),
                                                side, Differences{});
            return read(node.counts, side, 0, node.n_columns, by_leaves);
        }
        const Side<T> side = start(node.counts, node.n_columns, node.width, 0, splits != nullptr);
        Side<T> none{};
        run(node, pairs, side, none, false, splits ? kCapped : objective_.limits_leaves() ? kLeafLimit : kPlain);
        if (differences) {
            for (int i = 0; i < node.n_columns; ++i) {
                T *a = pairs.counts[0] + i * node.width, *b = pairs.counts[1] + i * node.width;
                T* sum = pairs.overlap.data() + i * node.width;
                a[i] = T(node.counts.ones[0][i] - node.counts.ones[1][i]);
                for (int j = i + 1; j < node.n_columns; ++j) {
                    sum[j] = T(a[j] + b[j]);
                    a[j] = T(a[j] - b[j]);
                }
                std::fill(a + node.n_columns, a + node.width, T(0));  // the next run reads on there
            }
        } else {
            for (int c = 0; c < frame_.n_counts(); ++c)
                for (int i = 0; i < node.n_columns; ++i)
                    pairs.counts[c][i * node.width + i] = node.counts.ones[c][i];
        }
        return best(side, node.n_columns, by_leaves, splits != nullptr, splits);
    }

    // Symmetric weights of the pairs that score() counted.
    void make_overlap(const Node<T>& node, PairCounts<T>& pairs, bool capped) {
        const bool summed = by_differences(capped);
        T* to = pairs.overlap.data();
        for (int i = 0; i < node.n_columns && summed; ++i)
            to[i * node.width + i] = T(node.counts.ones[0][i] + node.counts.ones[1][i]);
        pairs.make_overlap(objective_.n_classes, node.n_columns, node.width, summed);
    }

    // Best trees of depth two for both children of `node` on a column; `half` holds the rows of one.
    // `capped` computes their lower bounds for any depth too.
    std::pair<DepthTwo, DepthTwo> score_children(const Node<T>& node, const Node<T>& half, PairCounts<T>& pairs,
                                                 bool by_leaves, bool capped) {
        rest_.shape(frame_.n_counts(), node.width);
        for (int c = 0; c < frame_.n_counts(); ++c) {
            rest_.total[c] = T(node.counts.total[c] - half.counts.total[c]);
            for (long j = 0; j < node.width; ++j)
                rest_.ones[c][j] = T(node.counts.ones[c][j] - half.counts.ones[c][j]);
        }
        if (by_differences(capped)) {
            const Differences side = start_differences(half.counts, node.width, 0);
            const Differences other = start_differences(rest_, node.width, 1);
            frame_.kernels.score_differences[1](chunks(half), nullptr, as_signed(pairs.counts[0]), side, other);
            return {read(half.counts, side, 0, node.n_columns, by_leaves), read(rest_, other, 1, node.n_columns, by_leaves)};
        }
        Side<T> side = start(half.counts, node.n_columns, node.width, 0, capped);
        Side<T> other = start(rest_, node.n_columns, node.width, 1, capped);
        run(half, pairs, side, other, true, capped ? kCapped : objective_.limits_leaves() ? kLeafLimit : kPlain);
        return {best(side, node.n_columns, by_leaves, capped), best(other, node.n_columns, by_leaves, capped)};
    }

    // Gini impurity of the split on every column, given the weights where each is 1.
    void promise(const Node<T>& node, const std::vector<std::int64_t>& weights, std::vector<double>& out) const {
        const double all = double(node.total(frame_));
        out.assign(node.n_columns, 0.0);
        for (int j = 0; j < node.n_columns; ++j) {
            double yes = 0, no = 0;
            for (int c = 0; c < objective_.n_classes; ++c) {
                const double a = double(node.counts.ones[c][j]), b = double(node.counts.total[c]) - a;
                yes += a * a;
                no += b * b;
            }
            const double ones = double(weights[j]);
            // constant where only rows without weight differ
            out[j] = ones && ones < all ? -(yes / ones + no / (all - ones)) : 0.0;
        }
    }

    // Best tree of depth one.
    BestSplit stump(const Node<T>& node) const {
        BestSplit out{leaf(node.counts.total.data()), -1, 1};
        for (int j = 0; j < node.n_columns; ++j) {
            const Split s = split(node.counts.ones.data(), node.counts.total.data(), j);
            if (!s.feasible) continue;
            const Cost cost = objective_.unit * (s.errors1 + s.errors0) + 2 * objective_.leaf_cost;
            if (cost < out.cost) out = {cost, j, 1};
        }
        return out;
    }

    // Cost of a leaf with these class totals; infinite where it has too few rows.
    Cost leaf(const T* total) const {
        if (objective_.limits_leaves() && std::int64_t(total[objective_.n_classes]) < objective_.min_samples_leaf)
            return kInfinite;
        std::int64_t sum = 0, most = 0;
        for (int c = 0; c < objective_.n_classes; ++c) {
            sum += total[c];
            most = std::max<std::int64_t>(most, total[c]);
        }
        return objective_.unit * (sum - most) + objective_.leaf_cost;
    }

  private:
    using Signed = std::make_signed_t<T>;
    using Differences = DifferenceSide<Signed>;

    // Two classes without leaf limit nor caps: differences do.
    bool by_differences(bool capped) const {
        return frame_.two_classes && frame_.fits_signed && !capped && !objective_.limits_leaves();
    }
    static Signed* as_signed(T* x) { return reinterpret_cast<Signed*>(x); }

    Differences start_differences(const Counts<T>& counts, long width, int which) {
        Signed* of = as_signed(differences_[which].reserve(width + 16));
        Differences side{of, Signed(counts.total[0] - counts.total[1]), as_signed(below_[2 * which].reserve(width + 16)),
                         as_signed(below_[2 * which + 1].reserve(width + 16))};
        for (long j = 0; j < width; ++j) {
            const Signed d = Signed(counts.ones[0][j] - counts.ones[1][j]), rest = Signed(side.all - d);
            of[j] = d;
            side.best1[j] = d < 0 ? Signed(-d) : d;
            side.best0[j] = rest < 0 ? Signed(-rest) : rest;
        }
        return side;
    }

    // Differences back to errors.
    DepthTwo read(const Counts<T>& counts, const Differences& differences, int which, int n_columns, bool by_leaves) {
        Side<T> side{counts.ones.data(), counts.total.data(), below_[2 * which].data(), below_[2 * which + 1].data(),
                     nullptr, nullptr};
        const T all = T(counts.total[0] + counts.total[1]);
        for (int j = 0; j < n_columns; ++j) {
            const T ones = T(counts.ones[0][j] + counts.ones[1][j]);
            side.below1[j] = T((ones - T(differences.best1[j])) >> 1);
            side.below0[j] = T((T(all - ones) - T(differences.best0[j])) >> 1);
        }
        return best(side, n_columns, by_leaves, false);
    }

    struct Split {
        std::int64_t errors1, errors0;
        bool feasible, constant;
    };

    Split split(T* const* ones, const T* total, int j) const {
        std::int64_t sum1 = 0, most1 = 0, sum0 = 0, most0 = 0;
        for (int c = 0; c < objective_.n_classes; ++c) {
            const std::int64_t one = ones[c][j], zero = std::int64_t(total[c]) - one;
            sum1 += one, sum0 += zero;
            most1 = std::max(most1, one), most0 = std::max(most0, zero);
        }
        bool feasible = true;
        if (objective_.limits_leaves()) {
            const std::int64_t rows = ones[objective_.n_classes][j], all = total[objective_.n_classes];
            feasible = std::min(rows, all - rows) >= objective_.min_samples_leaf;
        }
        return {sum1 - most1, sum0 - most0, feasible, sum1 == 0 || sum0 == 0};
    }

    Side<T> start(const Counts<T>& counts, int n_columns, long width, int which, bool capped) {
        Side<T> side{counts.ones.data(), counts.total.data(), below_[2 * which].reserve(width + 16),
                     below_[2 * which + 1].reserve(width + 16), nullptr, nullptr};
        if (capped) {
            side.capped1 = capped_[2 * which].reserve(width + 16);
            side.capped0 = capped_[2 * which + 1].reserve(width + 16);
            std::fill(side.capped1, side.capped1 + width, problem_.no_cell);
            std::fill(side.capped0, side.capped0 + width, problem_.no_cell);
        }
        if (objective_.limits_leaves()) {
            std::fill(side.below1, side.below1 + width, problem_.infeasible);
            std::fill(side.below0, side.below0 + width, problem_.infeasible);
        } else if (frame_.two_classes) {
            const T *a = side.ones[0], *b = side.ones[1];
            const T all_a = side.total[0], all_b = side.total[1];
            for (long j = 0; j < width; ++j) {
                const T rest_a = T(all_a - a[j]), rest_b = T(all_b - b[j]);
                side.below1[j] = a[j] < b[j] ? a[j] : b[j];
                side.below0[j] = rest_a < rest_b ? rest_a : rest_b;
            }
        } else {
            for (long j = 0; j < width; ++j) {
                const Split s = j < n_columns ? split(side.ones, side.total, int(j)) : Split{0, 0, true};
                side.below1[j] = T(s.errors1);
                side.below0[j] = T(s.errors0);
            }
        }
        return side;
    }

    void run(const Node<T>& rows, PairCounts<T>& pairs, const Side<T>& side, Side<T>& other, bool sibling, PairMode mode) {
        frame_.kernels.score_pairs[frame_.two_classes][sibling][mode](
            chunks(rows), problem_, pairs.counts.data(), side, other);
    }

    Chunks chunks(const Node<T>& rows) {
        const int total_chunks = 4 * rows.stride();
        return {rows.chunks.data(), rows.n_columns, rows.width, total_chunks, frame_.first_group.data(),
                rows.n_chunks.data(), rows.offset.data(), frame_.weight.data(),
                broadcast_.reserve(std::size_t(total_chunks) * 32 + 16)};
    }

    DepthTwo best(const Side<T>& side, int n_columns, bool by_leaves, bool capped,
                  std::vector<Cost>* splits = nullptr) const {
        DepthTwo out;
        const BestSplit one{leaf(side.total), -1, 1};
        std::fill(std::begin(out.best), std::end(out.best), one);
        out.lower = one.cost;
        BestSplit& four = out.best[4];
        const Cost unit = objective_.unit, leaf_cost = objective_.leaf_cost;
        if (!leaf_cost && !objective_.limits_leaves() && !by_leaves) {
            Cost errors = kInfinite;
            int column = -1;
            for (int i = 0; i < n_columns; ++i) {
                const Cost sum = Cost(side.below1[i]) + Cost(side.below0[i]);
                if (sum < errors) errors = sum, column = i;
            }
            if (unit * errors < four.cost && column >= 0) four = {unit * errors, column, 2};
            return out;
        }
        for (int i = 0; i < n_columns; ++i) {
            const Split s = split(side.ones, side.total, i);
            if (!s.feasible) continue;
            const Cost one1 = unit * s.errors1 + leaf_cost, one0 = unit * s.errors0 + leaf_cost;
            const Cost two1 = two(one1, side.below1[i]), two0 = two(one0, side.below0[i]);
            if (two1 + two0 < four.cost) four = {two1 + two0, i, 2};
            if (by_leaves) {
                if (one1 + one0 < out.best[2].cost) out.best[2] = {one1 + one0, i, 1};
                if (two1 + one0 < out.best[3].cost) out.best[3] = {two1 + one0, i, 2};
                if (one1 + two0 < out.best[3].cost) out.best[3] = {one1 + two0, i, 1};
            }
            if (capped && !s.constant) {
                const Cost low1 = std::min(one1, capped_cost(side.capped1[i]));
                const Cost low0 = std::min(one0, capped_cost(side.capped0[i]));
                out.lower = std::min(out.lower, low1 + low0);
                if (splits) (*splits)[i] = std::max((*splits)[i], low1 + low0);
            }
        }
        return out;
    }

    // The cheaper of a leaf that costs `one` and of two with the given errors.
    Cost two(Cost one, T below) const {
        if (below == problem_.infeasible) return one;
        return std::min(one, objective_.unit * Cost(below) + 2 * objective_.leaf_cost);
    }
    Cost capped_cost(T capped) const {
        if (capped >= problem_.no_cell) return kInfinite;
        return 2 * objective_.leaf_cost + ((Cost(capped) * objective_.unit) >> problem_.cap_shift);
    }

    const Frame<T>& frame_;
    const Misclassification& objective_;
    PairProblem<T> problem_;
    Counts<T> rest_;
    Buffer<T> below_[4], capped_[4], differences_[2];
    bool can_cap_;
    Buffer<std::uint16_t> broadcast_;
};

}  // namespace treeml
