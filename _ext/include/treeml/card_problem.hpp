// A risk score problem: rows, constraints, how steep a card may be; and what a card is.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "treeml/card_constraints.hpp"
#include "treeml/card_rows.hpp"
#include "treeml/logistic.hpp"

namespace treeml {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Terms and their points, with logits slope x score + intercept; or terms and real coefficients.
struct Card {
    std::vector<int> support, points;
    double slope = 0, intercept = 0, loss = kInfinity;
    std::vector<double> beta = {};
};

struct CardProblem {
    const CardRows& rows;
    CardConstraints constraints;
    double max_logit;    // |slope x points x largest |x|| of a term, where the slope is free
    double fixed_slope;  // 0: free
    bool real;           // coefficients instead of points: best subsets
    Block block;         // all rows
    double base = 0;     // logit of the share of positives
    std::vector<double> lower, upper;        // of slope x points, for every term
    std::vector<std::vector<int>> allowed;   // points of every term, 0 among them, ascending
    bool plain = true;                       // no constraints but ranges of points

    CardProblem(const CardRows& rows, CardConstraints rules, double max_logit, double fixed_slope, bool real = false)
        : rows(rows), constraints(std::move(rules)), max_logit(max_logit), fixed_slope(fixed_slope), real(real) {
        block.kernels = &logistic_kernels();
        block.n_rows = rows.n_rows;
        block.n_padded = rows.n_padded;
        block.positive = rows.positive.data();
        block.weight = rows.weight.data();
        for (const CardColumn& column : rows.columns)
            block.columns.push_back({column.zero_one ? column.bytes.data() : nullptr, column.values.data()});
        base = std::log(rows.total_positive / (rows.total - rows.total_positive));
        plain = !constraints.on_supports() && constraints.order.empty();
        for (int j = 0; j < rows.n_terms; ++j) {
            const int low = constraints.low[j], high = constraints.high[j];
            const double size = rows.columns[j].size;
            const double steepest = fixed_slope > 0 ? 0 : max_logit / std::max(size, 1e-300);
            lower.push_back(low >= 0 || !(size > 0) ? 0 : fixed_slope > 0 ? fixed_slope * low : -steepest);
            upper.push_back(high <= 0 || !(size > 0) ? 0 : fixed_slope > 0 ? fixed_slope * high : steepest);
            allowed.emplace_back();
            for (int w = std::min(low, 0); w <= std::max(high, 0); ++w)
                if (w == 0 || (w >= low && w <= high)) allowed[j].push_back(w);
        }
    }

    bool free_slope() const { return !(fixed_slope > 0); }

    // The steepest slope of a card.
    double slope_limit(const std::vector<int>& support, const std::vector<int>& points) const {
        if (!free_slope()) return fixed_slope;
        double steepest = 0;
        for (std::size_t t = 0; t < support.size(); ++t)
            steepest = std::max(steepest, std::abs(points[t]) * rows.columns[support[t]].size);
        return steepest > 0 ? max_logit / steepest : 0;
    }

    bool admits(const std::vector<int>& support, const std::vector<int>& points) const {
        if (plain) return true;
        std::vector<int> all(rows.n_terms, 0);
        for (std::size_t t = 0; t < support.size(); ++t) all[support[t]] = points[t];
        return constraints.admits(all);
    }

    // Whether no smaller points that are admitted point in the same direction.
    bool smallest(const std::vector<int>& support, const std::vector<int>& points) const {
        return constraints.smallest(support, points);
    }

    // The largest |x . beta| of a row for `terms` and any coefficients in the box: at most `most` of the open
    // ones are used. The best intercept differs from `base` by no more: at the best intercept the sigmoids of
    // all rows sum to the positives, so some row has a logit at or above `base`, and some at or below it.
    double spread(const std::vector<int>& terms) const {
        double sum = 0;
        for (int j : terms) sum += rows.columns[j].reach * std::max(upper[j], -lower[j]);
        return sum;
    }
};

}  // namespace treeml
