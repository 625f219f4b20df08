// The best tree of depth two with linear leaves over a grid of cuts, exactly.
//
// For every pair of features one table of moments by both codes; prefix sums in two directions give the four
// quadrants of every pair of cuts by inclusion and exclusion, and each quadrant serves both orders of the questions.
// Two minima are kept side by side: with the limits on leaves, and without. The loss without limits never grows when
// rows are taken away (restrict the tree: penalised costs are not negative), so it bounds larger sets; with limits it
// could grow.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "treeml/linear_node.hpp"

namespace treeml {

struct GridCut {
    int feature = -1, cut = -1;
};

// Best trees of at most 1, 2, 3 and 4 leaves; infinite cost where the limits allow none.
struct DepthTwoTrees {
    struct Tree {
        double cost = HUGE_VAL;
        GridCut root, yes, no;  // feature -1: a leaf
    };
    Tree best[5];     // by number of leaves, from 1
    double bound = 0;  // of all trees of depth two without limits on leaves
    bool complete = true;
};

class LinearDepthTwo {
  public:
    LinearDepthTwo(LeafMoments& moments, const LinearGrid& grid, LeafLimits limits, Control& control)
        : moments_(moments), grid_(grid), limits_(limits), control_(control), stride_(moments.stride()),
          size_(moments.shape().size()) {
        for (int f = 0; f < grid.n_features; ++f) most_codes_ = std::max(most_codes_, grid.n_codes(f));
        control.allocated(std::int64_t(most_codes_) * most_codes_ * stride_ * 8);  // the table of a pair
    }

    std::int64_t solved() const { return solved_; }

    DepthTwoTrees solve(std::span<const int> rows) {
        DepthTwoTrees out;
        sides_.assign(std::size_t(grid_.n_features) * most_codes_ * 2, Side{});
        std::vector<double> all(stride_);
        moments_.add(rows, all.data());
        const double whole = rows.empty() ? 0 : moments_.cost(all.data());
        out.best[1].cost = allowed(all.data()) ? whole : HUGE_VAL;
        for (int a = 0; a < grid_.n_features && out.complete; ++a) {
            if (grid_.n_codes(a) < 2) continue;
            same(a, rows);
            for (int b = a + 1; b < grid_.n_features; ++b) {
                if (grid_.n_codes(b) < 2) continue;
                if (control_.stop(true)) {
                    out.complete = false;
                    break;
                }
                pair(a, b, rows);
            }
        }
        assemble(whole, out);
        return out;
    }

  private:
    // What can become of the rows on one side of a cut.
    struct Side {
        double leaf = HUGE_VAL;   // cost of a leaf, whatever the limits say
        bool allowed = false;     // whether they allow that leaf
        double split = HUGE_VAL;  // least cost of two leaves that the limits allow
        double free = HUGE_VAL;   // least cost of two leaves
        GridCut by;
    };

    Side& side(int f, int cut, int no) { return sides_[(std::size_t(f) * most_codes_ + cut) * 2 + no]; }

    bool allowed(const double* moments, long step = 1) const {
        const MomentShape& shape = moments_.shape();
        return limits_.allow(moments[shape.count_at() * step], moments[shape.mass_at() * step]);
    }

    void offer(Side& side, double cost, bool allowed, int f, int cut) {
        if (cost < side.free) side.free = cost;
        if (allowed && clearly_lower(cost, side.split)) side.split = cost, side.by = {f, cut};
    }

    void count(std::span<const int> rows, const std::uint16_t* first, const std::uint16_t* second, int n_second) {
        double* const block = block_.reserve(std::size_t(LeafMoments::kBlock) * stride_);
        int place[LeafMoments::kBlock];
        for (std::size_t at = 0; at < rows.size(); at += LeafMoments::kBlock) {
            const int count = int(std::min<std::size_t>(LeafMoments::kBlock, rows.size() - at));
            moments_.products(rows.data() + at, count, block);
            for (int i = 0; i < count; ++i) {
                const int row = rows[at + i];
                place[i] = second ? first[row] * n_second + second[row] : first[row];
            }
            moments_.kernels().scatter(block, place, count, stride_, cells_.data());
        }
    }

    // Both questions about one feature: all intervals of its codes.
    void same(int a, std::span<const int> rows) {
        const int n = grid_.n_codes(a);
        cells_.assign(std::size_t(n) * stride_, 0.0);
        count(rows, grid_.codes(a), nullptr, 1);
        for (int k = 1; k < n; ++k)
            moments_.kernels().accumulate(cell(k - 1), 1, stride_, cell(k));
        std::vector<double> cost(std::size_t(n + 1) * (n + 1), 0.0);
        std::vector<char> fine(cost.size(), 0);
        double* const lanes = lanes_.reserve(std::size_t(size_) * kMomentLanes * 4);
        for (int begin = 0; begin < n; ++begin) {  // codes begin .. end - 1
            for (int first = begin + 1; first <= n; first += kMomentLanes) {
                for (int k = 0; k < kMomentLanes; ++k) {
                    const int end = std::min(first + k, n);
                    const double* upper = cell(end - 1);
                    const double* lower = begin ? cell(begin - 1) : nullptr;
                    for (int p = 0; p < size_; ++p)
                        lanes[p * kMomentLanes + k] = upper[p] - (lower ? lower[p] : 0.0);
                }
                double out[kMomentLanes];
                moments_.costs(lanes, kMomentLanes, out);
                solved_ += kMomentLanes;
                for (int k = 0; k < kMomentLanes && first + k <= n; ++k) {
                    cost[begin * (n + 1) + first + k] = out[k];
                    fine[begin * (n + 1) + first + k] = allowed(lanes + k, kMomentLanes);
                }
            }
        }
        const auto at = [n](int begin, int end) { return std::size_t(begin) * (n + 1) + end; };
        for (int k = 0; k + 1 < n; ++k) {
            Side &yes = side(a, k, 0), &no = side(a, k, 1);
            yes.leaf = cost[at(0, k + 1)], yes.allowed = fine[at(0, k + 1)];
            no.leaf = cost[at(k + 1, n)], no.allowed = fine[at(k + 1, n)];
            for (int c = 0; c < k; ++c)
                offer(yes, cost[at(0, c + 1)] + cost[at(c + 1, k + 1)], fine[at(0, c + 1)] && fine[at(c + 1, k + 1)], a,
                      c);
            for (int c = k + 1; c + 1 < n; ++c)
                offer(no, cost[at(k + 1, c + 1)] + cost[at(c + 1, n)], fine[at(k + 1, c + 1)] && fine[at(c + 1, n)], a,
                      c);
        }
    }

    void pair(int a, int b, std::span<const int> rows) {
        const int na = grid_.n_codes(a), nb = grid_.n_codes(b);
        const long width = (nb + kMomentLanes - 1) / kMomentLanes * kMomentLanes;  // of a row of lanes
        cells_.assign(std::size_t(na) * nb * stride_, 0.0);
        count(rows, grid_.codes(a), grid_.codes(b), nb);
        for (int k = 0; k < na; ++k)
            for (int m = 1; m < nb; ++m)
                moments_.kernels().accumulate(cell(k * nb + m - 1), 1, stride_, cell(k * nb + m));
        for (int k = 1; k < na; ++k)
            moments_.kernels().accumulate(cell((k - 1) * nb), 1, long(nb) * stride_, cell(k * nb));
        double* const below = below_.reserve(std::size_t(size_) * width);
        double* const total = total_.reserve(std::size_t(size_) * width);
        transpose(cell((na - 1) * nb), nb, width, total);
        double* const lanes = lanes_.reserve(std::size_t(size_) * kMomentLanes * 4);
        const long quarter = long(size_) * kMomentLanes;
        for (int k = 0; k + 1 < na; ++k) {
            transpose(cell(k * nb), nb, width, below);
            for (int first = 0; first + 1 < nb; first += kMomentLanes) {
                moments_.kernels().quadrants(below + first, width, cell(k * nb + nb - 1), total + first,
                                             cell(na * nb - 1), size_, lanes);
                double cost[4][kMomentLanes];
                for (int q = 0; q < 4; ++q) moments_.costs(lanes + q * quarter, kMomentLanes, cost[q]);
                solved_ += 4 * kMomentLanes;
                for (int i = 0; i < kMomentLanes && first + i + 1 < nb; ++i) {
                    bool fine[4];
                    for (int q = 0; q < 4; ++q) fine[q] = allowed(lanes + q * quarter + i, kMomentLanes);
                    const int m = first + i;
                    offer(side(a, k, 0), cost[0][i] + cost[1][i], fine[0] && fine[1], b, m);
                    offer(side(a, k, 1), cost[2][i] + cost[3][i], fine[2] && fine[3], b, m);
                    offer(side(b, m, 0), cost[0][i] + cost[2][i], fine[0] && fine[2], a, k);
                    offer(side(b, m, 1), cost[1][i] + cost[3][i], fine[1] && fine[3], a, k);
                }
            }
        }
    }

    // Entries of n cells, one cell beside the other; lanes past the last repeat it.
    void transpose(const double* cells, int n, long width, double* out) const {
        for (int m = 0; m < width; ++m) {
            const double* from = cells + long(std::min(m, n - 1)) * stride_;
            for (int p = 0; p < size_; ++p) out[p * width + m] = from[p];
        }
    }

    void assemble(double whole, DepthTwoTrees& out) {
        out.bound = whole;
        for (int f = 0; f < grid_.n_features; ++f) {
            for (int k = 0; k + 1 < grid_.n_codes(f); ++k) {
                const Side &yes = side(f, k, 0), &no = side(f, k, 1);
                out.bound = std::min(out.bound, std::min(yes.leaf, yes.free) + std::min(no.leaf, no.free));
                const auto put = [&](int leaves, double cost, const GridCut& left, const GridCut& right) {
                    if (clearly_lower(cost, out.best[leaves].cost)) out.best[leaves] = {cost, {f, k}, left, right};
                };
                if (yes.allowed && no.allowed) put(2, yes.leaf + no.leaf, {}, {});
                if (no.allowed) put(3, yes.split + no.leaf, yes.by, {});
                if (yes.allowed) put(3, yes.leaf + no.split, {}, no.by);
                put(4, yes.split + no.split, yes.by, no.by);
            }
        }
        for (int leaves = 2; leaves < 5; ++leaves)
            if (!clearly_lower(out.best[leaves].cost, out.best[leaves - 1].cost)) out.best[leaves] = out.best[leaves - 1];
        if (!out.complete) out.bound = 0;
    }

    double* cell(int at) { return cells_.data() + std::size_t(at) * stride_; }

    LeafMoments& moments_;
    const LinearGrid& grid_;
    LeafLimits limits_;
    Control& control_;
    int stride_, size_, most_codes_ = 1;
    std::int64_t solved_ = 0;
    std::vector<double> cells_;
    std::vector<Side> sides_;
    Buffer<double> block_, lanes_, below_, total_;
};

}  // namespace treeml
