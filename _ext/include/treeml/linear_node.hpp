// The best question of one node of a tree with linear leaves, all leaves below it fitted again.
//
// Both subtrees of the node stay as they are: a row ends in leaf a of the left one if the answer is yes, in leaf b of
// the right one if no. Moments per (code, leaf) give the cost of every cut of the grid by prefix sums; around the
// best few of them every threshold between two rows is tried.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "treeml/control.hpp"
#include "treeml/linear_grid.hpp"
#include "treeml/moments.hpp"

namespace treeml {

struct LeafLimits {
    int min_rows = 1;
    double min_weight = 0;

    bool allow(double rows, double weight) const { return rows > min_rows - .5 && weight >= min_weight * (1 - 1e-12); }
};

// Whether a cost is lower by more than rounding: of questions that part the rows alike the first one is kept,
// whatever the order of rows and whether they are repeated or weighted.
inline bool clearly_lower(double cost, double than) { return cost < than * (1 - 1e-10); }

struct LinearSplit {
    double cost;  // of all leaves below
    int feature = -1;
    double threshold = 0;
};

class LinearNodeSearch {
  public:
    static constexpr int kRefined = 3;  // cuts of the grid around which every threshold is tried

    LinearNodeSearch(LeafMoments& moments, const LinearGrid& grid, LeafLimits limits, Control& control)
        : moments_(moments), grid_(grid), limits_(limits), control_(control), stride_(moments.stride()) {}

    // The best split of these rows that costs less than `best`; feature -1 where there is none. left[i], right[i]:
    // leaf of rows[i] in the left and in the right subtree.
    LinearSplit search(std::span<const int> rows, const std::vector<int>& left, const std::vector<int>& right,
                       int n_left, int n_right, double best) {
        LinearSplit out{best};
        top_.clear();
        rows_ = rows, left_ = &left, right_ = &right, n_left_ = n_left, n_right_ = n_right;
        for (int f = 0; f < grid_.n_features;) {
            const int end = count_group(f);
            for (; f < end; ++f) {
                if (control_.stop(true)) return out;
                scan(f);
            }
        }
        for (const Candidate& candidate : top_) {
            if (clearly_lower(candidate.cost, out.cost))
                out = {candidate.cost, candidate.feature, grid_.cuts[candidate.feature][candidate.cut]};
        }
        for (const Candidate& candidate : top_) {
            if (control_.stop(true)) break;
            refine(candidate, out);
        }
        return out;
    }

  private:
    struct Candidate {
        double cost;
        int feature, cut;
        std::vector<double> below, above;  // moments of the rows below code `cut` and above code `cut + 1`
    };
    struct Step {
        std::size_t at;  // position in the sweep
        int slot;
        double cost;
    };

    // Moments of all rows by code and leaf, for features from `first` on as memory allows; the first not counted.
    int count_group(int first) {
        const bool single = n_left_ == 1 && n_right_ == 1;
        std::size_t size = 0;
        int end = first;
        starts_.clear();
        first_ = first;
        for (; end < grid_.n_features; ++end) {
            const std::size_t more = std::size_t(grid_.n_codes(end)) * (n_left_ + n_right_) * stride_;
            if (end > first && size + more > kGroupSize) break;
            starts_.push_back(size);
            size += more;
        }
        const std::size_t before = cells_.size();
        cells_.assign(size, 0.0);
        if (cells_.size() > before) control_.allocated(std::int64_t(cells_.size() - before) * 8);
        double* const block = block_.reserve(std::size_t(LeafMoments::kBlock) * stride_);
        int place[LeafMoments::kBlock];
        for (std::size_t at = 0; at < rows_.size(); at += LeafMoments::kBlock) {
            const int count = int(std::min<std::size_t>(LeafMoments::kBlock, rows_.size() - at));
            moments_.products(rows_.data() + at, count, block);
            for (int f = first; f < end; ++f) {
                if (grid_.n_codes(f) < 2) continue;
                const std::uint16_t* code = grid_.codes(f);
                double* const cells = cells_.data() + starts_[f - first];
                for (int i = 0; i < count; ++i) place[i] = code[rows_[at + i]] * n_left_ + (*left_)[at + i];
                moments_.kernels().scatter(block, place, count, stride_, cells);
                if (single) continue;
                for (int i = 0; i < count; ++i) place[i] = code[rows_[at + i]] * n_right_ + (*right_)[at + i];
                moments_.kernels().scatter(block, place, count, stride_, cells + right_cells(f));
            }
        }
        return end;
    }

    std::size_t right_cells(int f) const { return std::size_t(grid_.n_codes(f)) * n_left_ * stride_; }

    // Costs of all cuts of a feature, from prefix sums of what was counted.
    void scan(int f) {
        const int n_codes = grid_.n_codes(f);
        if (n_codes < 2) return;
        double* const below = cells_.data() + starts_[f - first_];
        double* const above = below + right_cells(f);
        const long step_left = long(n_left_) * stride_, step_right = long(n_right_) * stride_;
        if (n_left_ == 1 && n_right_ == 1) std::copy_n(below, n_codes * step_left, above);
        for (int k = 1; k < n_codes; ++k)
            moments_.kernels().accumulate(below + (k - 1) * step_left, 1, step_left, below + k * step_left);
        for (int k = n_codes - 2; k >= 0; --k)
            moments_.kernels().accumulate(above + (k + 1) * step_right, 1, step_right, above + k * step_right);
        for (int first = 0; first < n_codes - 1; first += kMomentLanes) {
            const int count = std::min(kMomentLanes, n_codes - 1 - first);
            double total[kMomentLanes] = {};
            bool open[kMomentLanes] = {};
            for (int k = 0; k < count; ++k) {
                const double* l = below + (first + k) * step_left;
                const double* r = above + (first + k + 1) * step_right;
                open[k] = allowed(l, n_left_) && allowed(r, n_right_);
            }
            for (int slot = 0; slot < n_left_ + n_right_; ++slot) {
                bool any = false;
                for (int k = 0; k < count; ++k) any = any || (open[k] && total[k] < bar());
                if (!any) break;
                gather(below, above, slot, first, count);
                double cost[kMomentLanes];
                moments_.costs(lanes_.data(), kMomentLanes, cost);
                for (int k = 0; k < count; ++k) total[k] += cost[k];
            }
            for (int k = 0; k < count; ++k) {
                if (!open[k] || !clearly_lower(total[k], bar())) continue;
                const int cut = first + k;
                keep({total[k], f, cut, {}, {}}, cut ? below + (cut - 1) * step_left : nullptr,
                     cut + 2 < n_codes ? above + (cut + 2) * step_right : nullptr);
            }
        }
    }

    bool allowed(const double* cells, int n) const {
        for (int s = 0; s < n; ++s) {
            const double* cell = cells + long(s) * stride_;
            if (!limits_.allow(cell[moments_.shape().count_at()], cell[moments_.shape().mass_at()])) return false;
        }
        return true;
    }

    // Moments of one leaf for several neighbouring cuts, side by side.
    void gather(const double* below, const double* above, int slot, int first, int count) {
        const int size = moments_.shape().size();
        double* const lanes = lanes_.reserve(std::size_t(size) * kMomentLanes);
        for (int k = 0; k < kMomentLanes; ++k) {
            const int cut = first + std::min(k, count - 1);
            const double* from = slot < n_left_
                                     ? below + (long(cut) * n_left_ + slot) * stride_
                                     : above + (long(cut + 1) * n_right_ + slot - n_left_) * stride_;
            for (int p = 0; p < size; ++p) lanes[p * kMomentLanes + k] = from[p];
        }
    }

    double bar() const { return int(top_.size()) < kRefined ? HUGE_VAL : top_.back().cost; }

    void keep(Candidate candidate, const double* below, const double* above) {
        const std::size_t left = std::size_t(n_left_) * stride_, right = std::size_t(n_right_) * stride_;
        candidate.below.assign(left, 0.0);
        candidate.above.assign(right, 0.0);
        if (below) std::copy_n(below, left, candidate.below.data());
        if (above) std::copy_n(above, right, candidate.above.data());
        const auto at = std::find_if(top_.begin(), top_.end(),
                                     [&](const Candidate& c) { return clearly_lower(candidate.cost, c.cost); });
        top_.insert(at, std::move(candidate));
        if (int(top_.size()) > kRefined) top_.pop_back();
    }

    // Every threshold between the neighbouring cuts of a candidate: rows go over one by one, in the order of their
    // values; costs of the leaves that change are worked out eight at a time.
    void refine(const Candidate& candidate, LinearSplit& best) {
        const std::uint16_t* code = grid_.codes(candidate.feature);
        const double* column = grid_.column(candidate.feature);
        moving_.clear();
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            const int at = code[rows_[i]] - candidate.cut;
            if (at == 0 || at == 1) moving_.push_back(int(i));
        }
        std::stable_sort(moving_.begin(), moving_.end(),
                         [&](int a, int b) { return column[rows_[a]] < column[rows_[b]]; });
        sums_.assign(candidate.below.begin(), candidate.below.end());
        sums_.insert(sums_.end(), candidate.above.begin(), candidate.above.end());
        const int n_slots = n_left_ + n_right_;
        for (const int i : moving_) shift(i, n_left_ + (*right_)[i], 1);
        steps_.clear();
        waiting_ = 0;
        dirty_.assign(n_slots, 1);
        feasible_.assign(moving_.size(), 0);
        for (std::size_t at = 0; at + 1 < moving_.size(); ++at) {
            const int i = moving_[at];
            const int from = n_left_ + (*right_)[i], to = (*left_)[i];
            shift(i, to, 1);
            shift(i, from, -1);
            dirty_[to] = dirty_[from] = 1;
            if (column[rows_[i]] == column[rows_[moving_[at + 1]]]) continue;
            if (!allowed(sums_.data(), n_slots)) continue;
            feasible_[at] = 1;
            for (int slot = 0; slot < n_slots; ++slot)
                if (dirty_[slot]) wait(at, slot), dirty_[slot] = 0;
        }
        flush();
        replay(candidate.feature, column, n_slots, best);
    }

    void shift(int i, int slot, double sign) {
        double* const one = block_.reserve(std::size_t(LeafMoments::kBlock) * stride_);
        moments_.products(&rows_[i], 1, one);
        moments_.kernels().accumulate(one, sign, stride_, sums_.data() + long(slot) * stride_);
    }

    void wait(std::size_t at, int slot) {
        const int size = moments_.shape().size();
        double* const lanes = lanes_.reserve(std::size_t(size) * kMomentLanes);
        const double* from = sums_.data() + long(slot) * stride_;
        for (int p = 0; p < size; ++p) lanes[p * kMomentLanes + waiting_] = from[p];
        steps_.push_back({at, slot, 0.0});
        if (++waiting_ == kMomentLanes) flush();
    }

    void flush() {
        if (!waiting_) return;
        double cost[kMomentLanes];
        const int size = moments_.shape().size();
        for (int p = 0; p < size; ++p)
            for (int k = waiting_; k < kMomentLanes; ++k) lanes_[p * kMomentLanes + k] = lanes_[p * kMomentLanes];
        moments_.costs(lanes_.data(), kMomentLanes, cost);
        for (int k = 0; k < waiting_; ++k) steps_[steps_.size() - waiting_ + k].cost = cost[k];
        waiting_ = 0;
    }

    void replay(int feature, const double* column, int n_slots, LinearSplit& best) {
        std::vector<double> current(n_slots, 0.0);
        std::size_t next = 0;
        for (std::size_t at = 0; at + 1 < moving_.size(); ++at) {
            if (!feasible_[at]) continue;
            for (; next < steps_.size() && steps_[next].at == at; ++next) current[steps_[next].slot] = steps_[next].cost;
            double total = 0;
            for (const double cost : current) total += cost;
            if (clearly_lower(total, best.cost))
                best = {total, feature, cut_between(column[rows_[moving_[at]]], column[rows_[moving_[at + 1]]])};
        }
    }

    static constexpr std::size_t kGroupSize = 1 << 17;  // entries of the histograms that are filled together

    LeafMoments& moments_;
    const LinearGrid& grid_;
    LeafLimits limits_;
    Control& control_;
    int stride_;

    std::span<const int> rows_;
    const std::vector<int>* left_ = nullptr;
    const std::vector<int>* right_ = nullptr;
    int n_left_ = 1, n_right_ = 1, first_ = 0, waiting_ = 0;
    std::vector<std::size_t> starts_;
    std::vector<double> cells_, sums_;
    Buffer<double> block_, lanes_;
    std::vector<Candidate> top_;
    std::vector<int> moving_;
    std::vector<char> dirty_, feasible_;
    std::vector<Step> steps_;
};

}  // namespace treeml
