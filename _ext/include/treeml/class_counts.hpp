// The accumulator of a few classes: cells hold the weight of every class, then the number of rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "treeml/split.hpp"

namespace treeml {

enum class Impurity { gini, entropy };

// What a leaf adds to the score that splits raise: sum of c^2 / total, or of c log c - total log total.
inline double class_part(Impurity impurity, const double* weights, int n_classes) {
    double total = 0, sum = 0;
    if (impurity == Impurity::gini) {
        for (int k = 0; k < n_classes; ++k) {
            total += weights[k];
            sum += weights[k] * weights[k];
        }
        return total > 0 ? sum / total : 0;
    }
    for (int k = 0; k < n_classes; ++k)
        if (weights[k] > 0) {
            total += weights[k];
            sum += weights[k] * std::log(weights[k]);
        }
    return total > 0 ? sum - total * std::log(total) : 0;
}

class ClassAccumulator final : public Accumulator {
  public:
    // y: class of every row. weights: of every row, null where each counts 1. class_unit: what a unit of each class
    // weighs.
    ClassAccumulator(const std::int32_t* y, const std::int64_t* weights, std::vector<double> class_unit, Impurity impurity,
                     LeafLimits limits)
        : y_(y), weights_(weights), class_unit_(std::move(class_unit)), impurity_(impurity), limits_(limits),
          n_classes_(static_cast<int>(class_unit_.size())) {}

    int stride() const override { return n_classes_ + 1; }

    void count_matrix(const CodeColumns& columns, RowRange range, std::int64_t* histograms) const override {
        const int width = columns.width(), stride = n_classes_ + 1;
        const std::size_t step = std::size_t(kNarrow) * stride;
        for (std::int64_t i = range.begin; i < range.end; ++i) {
            const Row row = range[i];
            const std::uint8_t* codes = columns.matrix() + std::size_t(row) * width;
            const std::int64_t weight = weights_ ? weights_[row] : 1;
            std::int64_t* mine = histograms + y_[row];
            std::int64_t* rows = histograms + n_classes_;
            for (int p = 0; p < width; ++p, mine += step, rows += step) {
                mine[codes[p] * stride] += weight;
                ++rows[codes[p] * stride];
            }
        }
    }

    void count_column(const CodeColumn& column, RowRange range, std::int64_t* cells) const override {
        for (std::int64_t i = range.begin; i < range.end; ++i) add(cells, column.code(range[i]), range[i]);
    }

    void count_codes(const RowCode* codes, const Row* rows, std::int64_t n, std::int64_t* cells) const override {
        for (std::int64_t i = 0; i < n; ++i) add(cells, codes[i], rows[i]);
    }

    void sum(RowRange range, std::int64_t* total) const override {
        for (std::int64_t i = range.begin; i < range.end; ++i) add(total, 0, range[i]);
    }

    double value(const std::int64_t*) const override { return 0; }  // several classes have no order

    bool pure(RowRange, const std::int64_t* total) const override {
        int present = 0;
        for (int k = 0; k < n_classes_; ++k) present += total[k] > 0;
        return present < 2;
    }

    void scan(const ColumnCounts& counts, Split& best) const override {
        Walk walk(*this, counts, best);
        if (counts.column->category) return scan_category(counts, walk);
        int last = -1;
        for (int i = 0, n = counts.n_known(); i < n; ++i) {
            const std::int64_t* cell = counts.cells + std::size_t(i) * stride();
            if (!cell[n_classes_]) continue;
            const int code = counts.code(i);
            if (last >= 0) walk.offer(last, code);
            walk.move(cell, 1);
            last = code;
        }
        walk.offer_missing(last);
    }

  private:
    static constexpr int kAllSubsets = 10;     // levels whose subsets are all tried
    static constexpr double kPriorRows = 10;   // weight of the node's own shares in the order of many levels

    void add(std::int64_t* cells, int code, Row row) const {
        std::int64_t* cell = cells + std::size_t(code) * stride();
        cell[y_[row]] += weights_ ? weights_[row] : 1;
        ++cell[n_classes_];
    }

    struct Walk {
        const ClassAccumulator& self;
        const ColumnCounts& counts;
        Split& best;
        const std::int64_t* missing = nullptr;  // null: none
        std::vector<std::int64_t> left;
        std::vector<double> side;
        double whole;

        Walk(const ClassAccumulator& accumulator, const ColumnCounts& column, Split& so_far)
            : self(accumulator), counts(column), best(so_far), left(self.stride(), 0), side(self.n_classes_) {
            const int known = counts.n_known();
            if (known < counts.n) missing = counts.cells + std::size_t(known) * self.stride();
            if (missing && !missing[self.n_classes_]) missing = nullptr;
            for (int k = 0; k < self.n_classes_; ++k) side[k] = double(counts.total[k]) * self.class_unit_[k];
            whole = class_part(self.impurity_, side.data(), self.n_classes_);
        }

        // Moves a cell to the left (1) or back (-1).
        void move(const std::int64_t* cell, int times) {
            for (int k = 0; k <= self.n_classes_; ++k) left[k] += times * cell[k];
        }

        bool offer(int code, int next) {
            bool better = offer_one(false, code, next);
            if (missing) better |= offer_one(true, code, next);
            return better;
        }

        bool offer_missing(int last) {
            return missing && last >= 0 && offer_one(false, last, counts.column->missing());
        }

        bool offer_one(bool missing_left, int code, int next) {
            const int n = self.n_classes_;
            const std::int64_t rows = left[n] + (missing_left ? missing[n] : 0);
            if (rows < self.limits_.rows || counts.total[n] - rows < self.limits_.rows) return false;
            double gain = -whole;
            for (const bool right : {false, true}) {
                double weight = 0;
                for (int k = 0; k < n; ++k) {
                    std::int64_t sum = left[k] + (missing_left ? missing[k] : 0);
                    if (right) sum = counts.total[k] - sum;
                    weight += side[k] = double(sum) * self.class_unit_[k];
                }
                if (weight < self.limits_.weight) return false;
                gain += class_part(self.impurity_, side.data(), n);
            }
            if (!(gain > best.gain)) return false;
            best.gain = gain;
            best.column = counts.index;
            best.code = code;
            best.next = next;
            best.missing_left = missing_left;
            best.saw_missing = missing != nullptr;
            best.left.clear();
            return true;
        }
    };

    void scan_category(const ColumnCounts& counts, Walk& walk) const {
        std::vector<int> cells;
        for (int i = 0, n = counts.n_known(); i < n; ++i)
            if (counts.cells[std::size_t(i) * stride() + n_classes_]) cells.push_back(i);
        const int n = static_cast<int>(cells.size());
        std::vector<int> taken;
        if (n <= kAllSubsets) {
            // Subsets without the last level in the order of a Gray code: one level moves at a time.
            std::vector<char> in(n, 0);
            for (std::uint32_t step = 1; n && step < (1u << (n - 1)); ++step) {
                const int moved = __builtin_ctz(step);
                in[moved] = !in[moved];
                walk.move(counts.cells + std::size_t(cells[moved]) * stride(), in[moved] ? 1 : -1);
                if (!walk.offer(-1, -1)) continue;
                taken.clear();
                for (int i = 0; i < n; ++i)
                    if (in[i]) taken.push_back(cells[i]);
            }
        } else {
            for (int k = 0; k < n_classes_; ++k) {
                if (!counts.total[k]) continue;
                order_by_share(counts, k, cells);
                std::fill(walk.left.begin(), walk.left.end(), 0);
                for (int i = 0; i + 1 < n; ++i) {
                    walk.move(counts.cells + std::size_t(cells[i]) * stride(), 1);
                    if (walk.offer(-1, -1)) taken.assign(cells.begin(), cells.begin() + i + 1);
                }
            }
        }
        std::fill(walk.left.begin(), walk.left.end(), 0);
        for (const int cell : cells) walk.move(counts.cells + std::size_t(cell) * stride(), 1);
        if (walk.offer_missing(n ? 0 : -1)) taken = cells;
        if (taken.empty()) return;
        Split& best = walk.best;
        best.code = -1;
        best.left.clear();
        for (const int cell : taken) best.left.push_back(static_cast<RowCode>(counts.code(cell)));
        std::sort(best.left.begin(), best.left.end());
    }

    // By the share of class k among a level's rows and kPriorRows more with the shares of the node.
    void order_by_share(const ColumnCounts& counts, int k, std::vector<int>& cells) const {
        const auto share = [&](const std::int64_t* sums, double more, double prior) {
            double total = 0;
            for (int j = 0; j < n_classes_; ++j) total += double(sums[j]) * class_unit_[j];
            return (double(sums[k]) * class_unit_[k] + more * prior) / (total + more);
        };
        const double prior = share(counts.total, 0, 0);
        double node = 0;
        for (int j = 0; j < n_classes_; ++j) node += double(counts.total[j]) * class_unit_[j];
        const double more = kPriorRows * node / double(counts.total[n_classes_]);
        std::vector<std::pair<double, int>> keyed;
        for (const int cell : cells)
            keyed.emplace_back(share(counts.cells + std::size_t(cell) * stride(), more, prior), cell);
        std::sort(keyed.begin(), keyed.end());
        for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = keyed[i].second;
    }

    const std::int32_t* y_;
    const std::int64_t* weights_;
    std::vector<double> class_unit_;
    Impurity impurity_;
    LeafLimits limits_;
    int n_classes_;
};

}  // namespace treeml
