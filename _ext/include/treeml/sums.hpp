// Accumulators of two sums a code: quadratic, Poisson and entropy gains over (a, b).
//
//     quadratic   a^2 / (b + l2): squared error (a: sum of w y, b: of w), gini of two classes (a: weight of the second
//                 class), second order gains of boosting (a: minus the gradients, b: hessians)
//     poisson     a log(a / b): half the Poisson deviance of the leaf's mean, but for a constant
//     entropy     a log a + (b - a) log(b - a) - b log b
//     cost        |a_left - a_right|: rows cost a more on the left than on the right, and either way round is allowed
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "treeml/split.hpp"

namespace treeml {

struct Sum {
    std::int64_t a = 0, b = 0, n = 0;

    Sum operator+(const Sum& o) const { return {a + o.a, b + o.b, n + o.n}; }
    Sum operator-(const Sum& o) const { return {a - o.a, b - o.b, n - o.n}; }
    bool empty() const { return (a | b | n) == 0; }
};

// Both sums in one number: a in the upper 32 bits, with its sign, b in the lower ones. The caller sees to it that
// the sums over all rows fit.
struct PackedCells {
    static constexpr int kStride = 1;
    using Value = std::int64_t;
    const std::int64_t* packed;

    Value load(Row row) const { return packed[row]; }
    void prefetch(Row row) const { __builtin_prefetch(packed + row); }
    static void add(std::int64_t* cell, Value value) { *cell += value; }
    static Sum sum(const std::int64_t* cell) {
        const auto b = static_cast<std::int64_t>(static_cast<std::uint32_t>(*cell));
        return {(*cell - b) >> 32, b, b};
    }
    bool same(Row one, Row other) const { return packed[one] == packed[other]; }
};

// Rows that count 1: b is the number of rows.
struct CountedCells {
    static constexpr int kStride = 2;
    using Value = std::int64_t;
    const std::int64_t* a;

    Value load(Row row) const { return a[row]; }
    void prefetch(Row row) const { __builtin_prefetch(a + row); }
    static void add(std::int64_t* cell, Value value) {
        cell[0] += value;
        ++cell[1];
    }
    static Sum sum(const std::int64_t* cell) { return {cell[0], cell[1], cell[1]}; }
    bool same(Row one, Row other) const { return a[one] == a[other]; }
};

struct WeightedCells {
    static constexpr int kStride = 3;
    struct Value {
        std::int64_t a, b;
    };
    const std::int64_t *a, *b;

    Value load(Row row) const { return {a[row], b[row]}; }
    void prefetch(Row row) const {
        __builtin_prefetch(a + row);
        __builtin_prefetch(b + row);
    }
    static void add(std::int64_t* cell, Value value) {
        cell[0] += value.a;
        cell[1] += value.b;
        ++cell[2];
    }
    static Sum sum(const std::int64_t* cell) { return {cell[0], cell[1], cell[2]}; }
    bool same(Row one, Row other) const {
        // a / b alike: rows of equal target, whatever their weights and the rounding of both sums.
        const __int128 apart = static_cast<__int128>(a[one]) * b[other] - static_cast<__int128>(a[other]) * b[one];
        const __int128 rounding = static_cast<__int128>(b[one]) + b[other] + std::abs(a[one]) + std::abs(a[other]);
        return -rounding <= apart && apart <= rounding;
    }
};

// From whole numbers to the sums they stand for: a unit_a, and b unit_b + a tilt (class weights).
struct Units {
    double a = 1, b = 1, tilt = 0;

    double first(const Sum& s) const { return static_cast<double>(s.a) * a; }
    double second(const Sum& s) const { return static_cast<double>(s.b) * b + static_cast<double>(s.a) * tilt; }
};

struct QuadraticScore {
    static constexpr bool kNeedsPositive = false;
    double l2 = 0;

    double part(double a, double b) const {
        const double mass = b + l2;
        return mass > 0 ? a * a / mass : 0;
    }
    double gain(double a, double b, double c, double d, double whole) const {
        return part(a, b) + part(c, d) - whole;
    }
    double value(double a, double b) const { return b + l2 > 0 ? a / (b + l2) : 0; }
    // What part() is where the value is not free.
    double part_at(double a, double b, double value) const { return (2 * a - (b + l2) * value) * value; }
};

struct PoissonScore {
    static constexpr bool kNeedsPositive = true;
    double part(double a, double b) const { return a > 0 ? a * std::log(a / b) : 0; }
    double gain(double a, double b, double c, double d, double whole) const {
        return a > 0 && c > 0 ? part(a, b) + part(c, d) - whole : kNoGain;  // a leaf must predict above 0
    }
    double value(double a, double b) const { return b > 0 ? a / b : 0; }
    double part_at(double a, double b, double) const { return part(a, b); }
};

struct EntropyScore {
    static constexpr bool kNeedsPositive = false;
    static double x_log_x(double x) { return x > 0 ? x * std::log(x) : 0; }
    double part(double a, double b) const { return x_log_x(a) + x_log_x(b - a) - x_log_x(b); }
    double gain(double a, double b, double c, double d, double whole) const {
        return part(a, b) + part(c, d) - whole;
    }
    double value(double a, double b) const { return b > 0 ? a / b : 0; }
    double part_at(double a, double b, double) const { return part(a, b); }
};

struct CostScore {
    static constexpr bool kNeedsPositive = false;
    double part(double a, double) const { return std::abs(a); }
    double gain(double a, double, double c, double, double whole) const { return std::abs(a - c) - whole; }
    double value(double a, double) const { return a; }
    double part_at(double a, double b, double) const { return part(a, b); }
};

template <class Cells, class Score>
class SumAccumulator final : public Accumulator {
  public:
    SumAccumulator(Cells cells, Score score, Units units, LeafLimits limits, bool clips)
        : cells_(cells), score_(score), units_(units), limits_(limits), clips_(clips) {}

    int stride() const override { return Cells::kStride; }

    void count_matrix(const CodeColumns& columns, RowRange range, std::int64_t* histograms) const override {
        const std::uint8_t* matrix = columns.matrix();
        const int width = columns.width();
        if (!range.rows) {
            for (std::int64_t i = range.begin; i < range.end; ++i)
                add_row(matrix + i * width, width, cells_.load(static_cast<Row>(i)), histograms);
            return;
        }
        constexpr std::int64_t kAhead = 24;
        const std::int64_t far = std::max(range.begin, range.end - kAhead);
        for (std::int64_t i = range.begin; i < far; ++i) {
            const Row next = range.rows[i + kAhead], row = range.rows[i];
            cells_.prefetch(next);
            __builtin_prefetch(matrix + std::size_t(next) * width);
            if (width > 32) __builtin_prefetch(matrix + std::size_t(next) * width + 64);
            add_row(matrix + std::size_t(row) * width, width, cells_.load(row), histograms);
        }
        for (std::int64_t i = far; i < range.end; ++i) {
            const Row row = range.rows[i];
            add_row(matrix + std::size_t(row) * width, width, cells_.load(row), histograms);
        }
    }

    void count_column(const CodeColumn& column, RowRange range, std::int64_t* cells) const override {
        for (std::int64_t i = range.begin; i < range.end; ++i) {
            const Row row = range[i];
            Cells::add(cells + column.code(row) * Cells::kStride, cells_.load(row));
        }
    }

    void count_codes(const RowCode* codes, const Row* rows, std::int64_t n, std::int64_t* cells) const override {
        for (std::int64_t i = 0; i < n; ++i) Cells::add(cells + codes[i] * Cells::kStride, cells_.load(rows[i]));
    }

    void sum(RowRange range, std::int64_t* total) const override {
        for (std::int64_t i = range.begin; i < range.end; ++i) Cells::add(total, cells_.load(range[i]));
    }

    double value(const std::int64_t* total) const override {
        const Sum s = Cells::sum(total);
        return score_.value(units_.first(s), units_.second(s));
    }

    bool pure(RowRange range, const std::int64_t*) const override {
        Row heaviest = range[range.begin];  // a row of next to no weight tells nothing
        if constexpr (Cells::kStride == WeightedCells::kStride)
            for (std::int64_t i = range.begin; i < range.end; ++i)
                if (cells_.b[range[i]] > cells_.b[heaviest]) heaviest = range[i];
        for (std::int64_t i = range.begin; i < range.end; ++i)
            if (!cells_.same(range[i], heaviest)) return false;
        return true;
    }

    void scan(const ColumnCounts& counts, Split& best) const override {
        if (counts.column->category) return scan_category(counts, best);
        Walk walk(*this, counts, best);
        Sum left;
        int last = -1;
        for (int i = 0, n = counts.n_known(); i < n; ++i) {
            const Sum here = Cells::sum(counts.cells + std::size_t(i) * Cells::kStride);
            if (here.empty()) continue;
            const int code = counts.code(i);
            if (last >= 0) walk.offer(left, last, code);
            left = left + here;
            last = code;
        }
        walk.offer_missing(left, last);
    }

  private:
    static void add_row(const std::uint8_t* codes, int width, typename Cells::Value value, std::int64_t* histograms) {
        constexpr std::size_t kStep = std::size_t(kNarrow) * Cells::kStride;
        int p = 0;
        for (; p + 4 <= width; p += 4, histograms += 4 * kStep) {
            Cells::add(histograms + codes[p] * Cells::kStride, value);
            Cells::add(histograms + kStep + codes[p + 1] * Cells::kStride, value);
            Cells::add(histograms + 2 * kStep + codes[p + 2] * Cells::kStride, value);
            Cells::add(histograms + 3 * kStep + codes[p + 3] * Cells::kStride, value);
        }
        for (; p < width; ++p, histograms += kStep) Cells::add(histograms + codes[p] * Cells::kStride, value);
    }

    // One pass over the codes of a column: what is offered is compared with the best so far.
    struct Walk {
        const SumAccumulator& self;
        const ColumnCounts& counts;
        Split& best;
        Sum total, missing;
        double whole, least;
        bool some_missing, constrained;
        bool found = false;
        double gain;

        Walk(const SumAccumulator& accumulator, const ColumnCounts& column, Split& so_far)
            : self(accumulator), counts(column), best(so_far), total(Cells::sum(column.total)),
              constrained(column.bounds.any() || column.column->monotone), gain(so_far.gain) {
            if (column.n_known() < column.n)
                missing = Cells::sum(column.cells + std::size_t(column.n - 1) * Cells::kStride);
            some_missing = !missing.empty();
            least = self.limits_.weight;
            const double a = self.units_.first(total), b = self.units_.second(total);
            whole = self.score_.part(a, b);
            if (self.clips_ && column.bounds.any())
                whole = self.score_.part_at(a, b, column.bounds.clip(self.score_.value(a, b)));
        }

        // Rows of `left` go left and all others right; missing values either way.
        bool offer(const Sum& left, int code, int next) {
            bool better = offer_one(left, false, code, next);
            if (some_missing) better |= offer_one(left + missing, true, code, next);
            return better;
        }

        // All known values left, the missing ones right.
        bool offer_missing(const Sum& left, int last) {
            return some_missing && last >= 0 && !left.empty() && offer_one(left, false, last, counts.column->missing());
        }

        bool offer_one(const Sum& left, bool missing_left, int code, int next) {
            const Sum right = total - left;
            if (left.n < self.limits_.rows || right.n < self.limits_.rows) return false;
            const double a = self.units_.first(left), b = self.units_.second(left);
            const double c = self.units_.first(right), d = self.units_.second(right);
            if (b < least || d < least) return false;
            const double here = constrained ? within_bounds(a, b, c, d) : self.score_.gain(a, b, c, d, whole);
            if (!(here > gain)) return false;
            gain = here;
            best.gain = here;
            best.column = counts.index;
            best.code = code;
            best.next = next;
            best.missing_left = missing_left;
            best.saw_missing = some_missing;
            best.left.clear();
            return true;
        }

        // The gain where values are kept within bounds (boosting) or a split that leaves them is refused.
        double within_bounds(double a, double b, double c, double d) const {
            double left = self.score_.value(a, b), right = self.score_.value(c, d);
            if (!self.clips_) {
                if (!counts.bounds.hold(left) || !counts.bounds.hold(right)) return kNoGain;
            } else {
                left = counts.bounds.clip(left);
                right = counts.bounds.clip(right);
            }
            if (counts.column->monotone * (right - left) < 0) return kNoGain;
            if (!self.clips_) return self.score_.gain(a, b, c, d, whole);
            return self.score_.part_at(a, b, left) + self.score_.part_at(c, d, right) - whole;
        }
    };

    // Levels in the order of their value: one of the cuts of this order is the best of all subsets where the gain
    // is convex (Fisher 1958; Breiman et al. 1984, theorem 4.5).
    void scan_category(const ColumnCounts& counts, Split& best) const {
        struct Level {
            double value;
            int code;
            Sum sum;
        };
        thread_local std::vector<Level> levels;
        levels.clear();
        for (int i = 0, n = counts.n_known(); i < n; ++i) {
            const Sum s = Cells::sum(counts.cells + std::size_t(i) * Cells::kStride);
            if (!s.empty()) levels.push_back({score_.value(units_.first(s), units_.second(s)), counts.code(i), s});
        }
        std::sort(levels.begin(), levels.end(), [](const Level& x, const Level& y) {
            return x.value != y.value ? x.value < y.value : x.code < y.code;
        });
        Walk walk(*this, counts, best);
        const auto sweep = [&](std::size_t last_first) {
            // The cut after each level, the first `last_first` ones being moved to the end.
            Sum left;
            std::size_t taken = 0;
            for (std::size_t i = 0; i < levels.size(); ++i) {
                if (i && walk.offer(left, -1, -1)) taken = i;
                left = left + levels[(i + last_first) % levels.size()].sum;
            }
            if (walk.offer_missing(left, levels.empty() ? -1 : 0)) taken = levels.size();
            if (!taken) return;
            best.code = -1;
            best.left.clear();
            for (std::size_t i = 0; i < taken; ++i)
                best.left.push_back(static_cast<RowCode>(levels[(i + last_first) % levels.size()].code));
            std::sort(best.left.begin(), best.left.end());
        };
        sweep(0);
        if (!Score::kNeedsPositive) return;
        // Where a side must not be 0, levels that are 0 may have to stand with the highest ones instead.
        std::size_t zeros = 0;
        while (zeros < levels.size() && levels[zeros].sum.a <= 0) ++zeros;
        if (zeros && zeros < levels.size()) sweep(zeros);
    }

    Cells cells_;
    Score score_;
    Units units_;
    LeafLimits limits_;
    bool clips_;
};

}  // namespace treeml
