// Scorecards of least 0-1 loss (SLIM): what is minimised, in integers, and the best card known.
//
// A card predicts 1 where c + x.w > 0. Its cost is
//     step (unit x errors + per_term x #nonzero) + sum |w|,
// with step above twice the largest sum |w|: points only break ties, and nothing is rounded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "treeml/card_constraints.hpp"
#include "treeml/card_rows.hpp"
#include "treeml/control.hpp"

namespace treeml {

// A card and where it cuts: rows whose score is above `cut`, on the grid of the values, are predicted 1.
struct SlimCard {
    std::vector<int> points;  // of every term
    double cut = 0;
    Cost cost = kInfinite;
};

// low <= sum of of_term x points + of_cut x cut <= high.
struct SlimLinear {
    std::vector<double> of_term;
    double of_cut, low, high;
};

struct SlimWeights {
    Cost step = 1, unit = 1, per_term = 0;
    std::int64_t negative = 1, positive = 1;  // class weights
    std::int64_t most_false = -1;             // largest weight of zeros that may be predicted 1; -1: any
    std::int64_t least_true = -1;             // least weight of ones that must be
    std::int64_t one = 1;                     // what "1" of a 0/1 column is on the grid of the other columns
};

// One term over the merged rows, in whole numbers.
struct SlimColumn {
    bool zero_one = true;
    std::vector<std::int64_t> values;  // empty where 0/1
};

// The rows as the search reads them. Of equal rows every card errs on the lighter class or on the heavier one:
// `certain` errors are made by all cards, and only the difference is searched: a row of net > 0 costs net where
// it is predicted 0, a row of net < 0 costs -net where it is predicted 1.
struct SlimProblem {
    const CardRows& rows;
    const CardConstraints& constraints;
    SlimWeights weights;
    std::vector<SlimLinear> linear;
    std::vector<Cost> net;
    std::vector<std::int64_t> positive, negative;  // weights without those of the classes
    std::vector<SlimColumn> columns;
    Cost certain = 0;        // errors of every card
    Cost all_positive = 0;   // further errors where every row is predicted 1
    Cost net_size = 0;       // sum of |net|
    int n_rows, n_terms;

    SlimProblem(const CardRows& rows, const CardConstraints& constraints, const SlimWeights& weights,
                std::vector<SlimLinear> linear = {})
        : rows(rows), constraints(constraints), weights(weights), linear(std::move(linear)), n_rows(rows.n_rows), n_terms(rows.n_terms) {
        for (int r = 0; r < n_rows; ++r) {
            positive.push_back(static_cast<std::int64_t>(rows.positive[r]));
            negative.push_back(static_cast<std::int64_t>(rows.negative[r]));
            const Cost p = positive[r] * weights.positive, q = negative[r] * weights.negative;
            certain += std::min(p, q);
            net.push_back(p - q);
            all_positive += std::max<Cost>(0, q - p);
            net_size += std::abs(p - q);
        }
        for (const CardColumn& column : rows.columns) columns.push_back(measure(column));
    }

    // Whether some cuts of a card are not admitted.
    bool limited() const { return weights.most_false >= 0 || weights.least_true >= 0 || !linear.empty(); }
    // errors: beyond the certain ones.
    Cost cost(Cost errors, int n_used, std::int64_t sum) const {
        return weights.step * (weights.unit * (certain + errors) + weights.per_term * n_used) + sum;
    }
    int largest_points() const {
        int most = 1;
        for (int j = 0; j < n_terms; ++j) most = std::max({most, -constraints.low[j], constraints.high[j]});
        return most;
    }
    std::int64_t value(int j, int row) const {
        return columns[j].zero_one ? weights.one * rows.columns[j].bytes[row] : columns[j].values[row];
    }
    // Least |points| of a term that is used.
    int least_size(int j) const {
        const int low = constraints.low[j], high = constraints.high[j];
        return low > 0 ? low : high < 0 ? -high : 1;
    }
    std::int64_t bytes() const {
        std::int64_t out = std::int64_t(n_rows) * 40;
        for (const SlimColumn& column : columns)
            out += std::int64_t(column.values.size()) * 20 + std::int64_t(n_rows) * (column.zero_one ? 1 : 8);
        return out;
    }

    // Whether points of a support obey what is said about points: ranges and order.
    bool admits_points(std::span<const int> support, std::span<const int> points) const {
        for (std::size_t i = 0; i < support.size(); ++i)
            if (points[i] < constraints.low[support[i]] || points[i] > constraints.high[support[i]]) return false;
        if (constraints.order.empty()) return true;
        const auto of = [&](int j) {
            for (std::size_t i = 0; i < support.size(); ++i)
                if (support[i] == j) return points[i];
            return 0;
        };
        return std::all_of(constraints.order.begin(), constraints.order.end(),
                           [&](const auto& pair) { return of(pair.first) <= of(pair.second); });
    }

    // A card by its points, with the best cut of all rows.
    SlimCard exact(std::span<const int> support, std::span<const int> points) const;

  private:
    SlimColumn measure(const CardColumn& column) const {
        SlimColumn out;
        out.zero_one = column.zero_one;
        if (out.zero_one) return out;
        for (int r = 0; r < n_rows; ++r) out.values.push_back(static_cast<std::int64_t>(column.values[r]));
        return out;
    }
};

// Best cut of rows in the order of their scores: least errors of "1 above the cut" among the cuts that keep the limits
// on rates and the linear constraints. Fed with one group of equal scores after the other.
class SlimCut {
  public:
    Cost best = kInfinite;
    double cut = 0;

    SlimCut(const SlimProblem& problem, std::span<const int> support, std::span<const int> points)
        : problem_(problem), errors_(problem.all_positive),
          false_weight_(static_cast<std::int64_t>(problem.rows.total - problem.rows.total_positive)),
          true_weight_(static_cast<std::int64_t>(problem.rows.total_positive)) {
        for (const SlimLinear& row : problem.linear) {
            double fixed = 0, size = 1;
            for (std::size_t i = 0; i < support.size(); ++i) {
                fixed += row.of_term[support[i]] * points[i];
                size += std::abs(row.of_term[support[i]] * points[i]);
            }
            const double low = row.low - fixed - kRounding * size, high = row.high - fixed + kRounding * size;
            if (row.of_cut == 0) {
                possible_ &= low <= 0 && high >= 0;
                continue;
            }
            const double a = low / row.of_cut, b = high / row.of_cut;
            low_ = std::max(low_, std::min(a, b));
            high_ = std::min(high_, std::max(a, b));
        }
    }

    void group(std::int64_t score, Cost net, std::int64_t positive, std::int64_t negative) {
        look(first_ ? -kNone : double(last_), double(score));
        first_ = false;
        last_ = score;
        errors_ += net;
        false_weight_ -= negative;
        true_weight_ -= positive;
    }
    void end() { look(double(last_), kNone); }

  private:
    static constexpr double kNone = std::numeric_limits<double>::infinity(), kRounding = 1e-12, kStrictly = 1e-6;

    // The cuts from a on, below b.
    void look(double a, double b) {
        if (errors_ >= best || !possible_) return;
        if (problem_.weights.most_false >= 0 && false_weight_ > problem_.weights.most_false) return;
        if (true_weight_ < problem_.weights.least_true) return;
        double at = a == -kNone ? b - 1 : b == kNone ? a + 1 : (a + b) / 2;
        if (!problem_.linear.empty()) {
            at = std::min(std::max(at, low_), high_);
            if (low_ > high_ || at < a || at > b - kStrictly) return;
        }
        best = errors_;
        cut = at;
    }

    const SlimProblem& problem_;
    Cost errors_;                              // with all groups so far predicted 0
    std::int64_t false_weight_, true_weight_;  // still predicted 1
    double low_ = -kNone, high_ = kNone;       // of the cut, by the linear constraints
    bool possible_ = true, first_ = true;
    std::int64_t last_ = 0;
};

inline SlimCard SlimProblem::exact(std::span<const int> support, std::span<const int> points) const {
    std::vector<std::pair<std::int64_t, int>> scores(n_rows);
    for (int r = 0; r < n_rows; ++r) scores[r] = {0, r};
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < support.size(); ++i) {
        const int j = support[i], w = points[i];
        sum += std::abs(w);
        for (int r = 0; r < n_rows; ++r) scores[r].first += w * value(j, r);
    }
    std::sort(scores.begin(), scores.end());
    SlimCut cut(*this, support, points);
    for (int r = 0; r < n_rows;) {
        const std::int64_t score = scores[r].first;
        Cost nets = 0;
        std::int64_t p = 0, q = 0;
        for (; r < n_rows && scores[r].first == score; ++r) {
            const int row = scores[r].second;
            nets += net[row];
            p += positive[row];
            q += negative[row];
        }
        cut.group(score, nets, p, q);
    }
    cut.end();
    SlimCard out;
    if (cut.best == kInfinite) return out;
    out.points.assign(n_terms, 0);
    for (std::size_t i = 0; i < support.size(); ++i) out.points[support[i]] = points[i];
    out.cut = cut.cut;
    out.cost = cost(cut.best, static_cast<int>(support.size()), sum);
    return out;
}

// A search at work: limits, the best card so far, and what was done.
struct SlimCounters {
    std::int64_t supports = 0;   // whose conflicts were counted
    std::int64_t searched = 0;   // whose points were searched
    std::int64_t orders = 0;     // bounds of partly or wholly fixed points
};

struct SlimState {
    const SlimProblem& problem;
    Control& control;
    double tolerance;
    bool silent = false;  // nothing is reported
    SlimCard best;
    SlimCounters counters;
    Cost proven = 0;                // no card costs less
    // Where all cards below the cutoff are wanted: takes the points of one, each once; `best` has no more than its cost.
    std::function<void(std::span<const int> support, std::span<const int> points)> collect;

    SlimState(const SlimProblem& problem, Control& control, double tolerance)
        : problem(problem), control(control), tolerance(tolerance) {}

    // Whether to end. A search that knows no card goes on: one that obeys all limits must come back if there is
    // one; only an interruption ends it then.
    bool stop() {
        if (best.cost < kInfinite) return control.stop(true);
        if (++asked_ % 64 == 0) control.ask();
        return control.reason() == Stop::interrupted;
    }
    // Cards from here on are of no interest.
    Cost cutoff() const {
        if (best.cost == kInfinite) return kInfinite;
        return best.cost - static_cast<Cost>(tolerance * static_cast<double>(best.cost));
    }
    // Most errors, beyond those that every card makes, of a card of interest with n terms.
    Cost most_errors(int n) const {
        const SlimWeights& weights = problem.weights;
        const Cost left = cutoff() - 1 - weights.step * weights.per_term * n - n;
        return left < 0 ? -1 : left / (weights.step * weights.unit) - problem.certain;
    }
    void offer(const SlimCard& card) {
        if (card.cost >= best.cost) return;
        best = card;
        if (!silent) control.report(best.cost, std::min(proven, best.cost));
    }
    void prove(Cost lower) {
        if (lower <= proven) return;
        proven = lower;
        if (best.cost < kInfinite && !silent) control.report(best.cost, std::min(proven, best.cost));
    }

  private:
    std::int64_t asked_ = 0;
};

}  // namespace treeml
