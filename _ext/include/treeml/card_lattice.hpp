// All points on a support: those that can be better than the best card are found by a search in a cone.
//
// Let (beta, b) be the fit of the support and H the Hessian there. The third derivative of log(1 + exp z) is at
// most the second, so along any D (F. Bach, "Self-concordant analysis for logistic regression", Electronic
// Journal of Statistics 2010, Proposition 1)
//     loss(fit + D) >= loss(fit) + gradient D + q psi(R),  q = D'HD, R = max |x'D|, psi(R) = (exp(-R) + R - 1) / R^2,
// and R <= rho sqrt(q) with rho^2 the largest x' H^-1 x of a pattern. As q psi(rho sqrt q) grows with q, a card
// below the cutoff has q <= u^2 / rho^2, where exp(-u) + u - 1 = rho^2 (cutoff - bound), and `bound` is the least
// of loss(fit) + gradient D over the box. Minimising q over slope and intercept turns the ball into a cone; its
// projections on the last coordinates (of a triangular factor) prune vectors that are only half chosen, as in
// sphere decoding (C. Schnorr, M. Euchner, Mathematical Programming 1994).
//
// `run` looks for better cards than the best one; `collect` for all cards up to a given loss.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "treeml/card_beam.hpp"

namespace treeml {

// All cards of a support that are to be found: each once, with its fit.
struct CardWish {
    std::vector<char> used;                   // by place in the support: whether the points must not be 0
    std::vector<std::vector<int>> one_of;     // places of which at least one must have points
    double most = 0;                          // largest loss
    std::function<void(const std::vector<int>& points, const Calibration&)> take;
};

class CardLattice {
  public:
    std::int64_t n_cards = 0;  // evaluated

    CardLattice(const CardProblem& problem, CardBeam& beam, Control& control) : problem_(problem), beam_(beam), control_(control) {}

    // Improves beam.best by any better card on the support. Returns a bound on those that were not looked at:
    // infinite where none can be better by more than `slack`, which shrinks with the loss of the best card; the
    // bound of the support where it was stopped.
    double run(const Support& support, double slack) {
        const Patterns patterns(problem_, support);
        const double bound = fitted_bound(support, patterns.block);
        slack_ = slack;
        relative_slack_ = slack / beam_.best.loss;
        if (bound >= cutoff()) return kInfinity;
        beam_.round(support, true);
        if (bound >= cutoff()) return kInfinity;
        if (problem_.real) return bound;
        return walk(support, patterns.block, bound);
    }

    // Gives `wish` every card on the support that it asks for, once: of the multiples of a vector of points, which are
    // the same card where the slope is free, the smallest one admitted; and none whose slope is best 0. Returns a
    // bound on the cards that were not looked at, or are neither surely below nor surely above the limit.
    double collect(const Support& support, const CardWish& wish) {
        const Patterns patterns(problem_, support);
        const double bound = fitted_bound(support, patterns.block);
        if (bound >= wish.most) return kInfinity;
        wish_ = &wish;
        rise_.assign(support.size(), 0.0);
        scale_.assign(support.size(), 0.0);
        const double rate = problem_.rows.total_positive / problem_.rows.total;
        for (int i = 0; i < patterns.block.n_rows; ++i) {
            const double excess = patterns.block.positive[i] - rate * patterns.block.weight[i];
            for (std::size_t t = 0; t < support.size(); ++t) {
                rise_[t] += excess * patterns.block.columns[t].at(i);
                scale_[t] += patterns.block.weight[i] * std::abs(patterns.block.columns[t].at(i));
            }
        }
        const double rest = walk(support, patterns.block, bound);
        wish_ = nullptr;
        return rest;
    }

    // The least loss on a support with real coefficients, as a bound.
    double fitted_bound(const Support& support, const Block& patterns) {
        fit_ = beam_.fit(support);
        NewtonFit(patterns, CardBeam::box(support, problem_.lower), CardBeam::box(support, problem_.upper))
            .run(fit_, 1e-20 * problem_.rows.total, 40);
        z_.assign(patterns.n_padded, fit_.intercept());
        for (std::size_t t = 0; t < support.size(); ++t)
            if (fit_.beta[t] != 0) patterns.add(static_cast<int>(t), fit_.beta[t], z_.data());
        return plane_bound(support, patterns);
    }

  private:
    static constexpr std::size_t kBatch = 1 << 16;

    double walk(const Support& support, const Block& patterns, double bound) {
        support_ = &support;
        bound_ = bound;
        k_ = static_cast<int>(support.size());
        CardScorer scorer(problem_, support, patterns);
        scorer_ = &scorer;
        if (!prepare(without_settled(support, patterns))) radius_ = kInfinity;  // a degenerate metric: every vector is looked at
        else update_radius();
        points_.assign(k_, 0);
        found_.clear();
        stopped_ = false;
        unproven_ = kInfinity;
        descend(k_ - 1, 0, 0, 0);
        if (!stopped_) evaluate_found();
        return stopped_ ? std::min(bound_, unproven_) : unproven_;
    }

    // Cards above this loss are of no interest.
    double goal() const { return wish_ ? wish_->most : beam_.best.loss; }

    // Where a proof stops: losses are known to 1e-13 of the total at best.
    double cutoff() const {
        if (wish_) return wish_->most;
        const double best = beam_.best.loss;
        return best - std::min(slack_, std::max(relative_slack_ * best, 1e-13 * problem_.rows.total));
    }

    // The least value of the plane at z_ over the box of the support; keeps the curvatures.
    double plane_bound(const Support& support, const Block& patterns) {
        r_.resize(patterns.n_padded);
        curvature_.resize(patterns.n_padded);
        const LogisticSums sums = patterns.kernels->derivatives(patterns.n_padded, z_.data(), patterns.positive,
                                                                patterns.weight, r_.data(), curvature_.data());
        const double spread = problem_.spread(support), rounding = patterns.rounding();
        double bound = sums.dual + sums.residual * problem_.base - std::abs(sums.residual) * spread -
                       rounding * (sums.dual + sums.mass * (1 + sums.widest + std::abs(problem_.base) + spread));
        for (std::size_t t = 0; t < support.size(); ++t) {
            const double g = patterns.dot(static_cast<int>(t), r_.data());
            const double low = problem_.lower[support[t]], high = problem_.upper[support[t]];
            bound += std::min(g * low, g * high) -
                     rounding * sums.mass * problem_.rows.columns[support[t]].reach * std::max(high, -low);
        }
        return bound;
    }

    // Patterns that the fit separates all but perfectly have next to no curvature, which makes rho large, and
    // next to no loss: without them the bound holds as well. Their weights become 0 in a copy of the sums.
    Block without_settled(const Support& support, const Block& patterns) {
        std::vector<std::pair<double, int>> settled;
        for (int i = 0; i < patterns.n_rows; ++i) {
            const double p = patterns.positive[i], w = patterns.weight[i], z = z_[i];
            const double loss = w * (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)))) - p * z;
            if (loss < 1e-8 * w) settled.push_back({loss, i});
        }
        std::sort(settled.begin(), settled.end());
        Block out = patterns;
        positive_.assign(patterns.positive, patterns.positive + patterns.n_padded);
        weight_.assign(patterns.weight, patterns.weight + patterns.n_padded);
        double dropped = 0;
        for (auto [loss, i] : settled) {
            dropped += loss;
            if (dropped > .02 * (goal() - bound_)) break;
            positive_[i] = weight_[i] = 0;
        }
        out.positive = positive_.data();
        out.weight = weight_.data();
        const double bound = plane_bound(support, out);
        if (goal() - bound > 1.1 * (goal() - bound_)) {
            plane_bound(support, patterns);
            return patterns;
        }
        bound_ = bound;
        return out;
    }

    // The triangular factor of the metric with the intercept minimised out, and rho; false where degenerate.
    bool prepare(const Block& patterns) {
        const int n = k_ + 1;
        std::vector<double> h(n * n, 0.0), x(n);
        for (int i = 0; i < patterns.n_rows; ++i) {
            if (!(patterns.weight[i] > 0)) continue;
            row(patterns, i, x);
            for (int a = 0; a < n; ++a)
                for (int b = 0; b <= a; ++b) h[a * n + b] += curvature_[i] * x[a] * x[b];
        }
        for (int a = 0; a < n; ++a)
            for (int b = a + 1; b < n; ++b) h[a * n + b] = h[b * n + a];
        if (!(h[0] > 1e-9)) return false;
        factor_.factor(n, h, 1e-9);
        dependent_.clear();
        double largest = 0;
        for (int i = 0; i < patterns.n_rows; ++i) {
            if (!(patterns.weight[i] > 0)) continue;
            row(patterns, i, x);
            if (!spanned(x)) return false;
            factor_.forward(x.data());
            double sum = 0;
            for (double v : x) sum += v * v;
            largest = std::max(largest, sum);
        }
        rho2_ = largest * (1 + 1e-6);
        // With the intercept first, the rest of the factor is that of the Schur complement.
        along_.assign(k_, 0.0);
        for (int i = 0; i < k_; ++i)
            for (int j = i; j < k_; ++j) along_[i] += factor_.at(j + 1, i + 1) * fit_.beta[j];
        double square = 0;
        for (double v : along_) square += v * v;
        margin_ = 1e-9 * (square + 1);
        return rho2_ < 1e12 && square > 0;
    }

    static void row(const Block& patterns, int i, std::vector<double>& x) {
        x[0] = 1;
        for (int t = 0; t < patterns.n_columns(); ++t) x[t + 1] = patterns.columns[t].at(i);
    }

    // Whether a column that the factor leaves out is, in this row, what the others make of it.
    bool spanned(const std::vector<double>& x) {
        for (int j = 0; j <= k_; ++j) {
            if (!factor_.left_out(j)) continue;
            if (dependent_.size() != x.size() || dependent_[j].empty()) solve_dependence(j);
            double sum = -x[j];
            for (int l = 0; l < j; ++l) sum += dependent_[j][l] * x[l];
            if (std::abs(sum) > 1e-7) return false;
        }
        return true;
    }

    void solve_dependence(int j) {
        // Row j of the factor times the inverse of the leading block.
        dependent_.resize(k_ + 1);
        std::vector<double> x(k_ + 1, 0.0);
        for (int l = j - 1; l >= 0; --l) {
            if (factor_.left_out(l)) continue;
            double sum = factor_.at(j, l);
            for (int m = l + 1; m < j; ++m) sum -= factor_.at(m, l) * x[m];
            x[l] = sum / factor_.at(l, l);
        }
        dependent_[j] = x;
    }

    void update_radius() {
        const double c = rho2_ * std::max(goal() - bound_, 0.0);
        if (!(c < 1e300)) {
            radius_ = kInfinity;
            return;
        }
        double low = 0, high = c + 2;
        for (int step = 0; step < 100; ++step) {
            const double u = .5 * (low + high);
            (std::exp(-u) + u - 1 > c ? high : low) = u;
        }
        radius_ = high * high / rho2_ * (1 + 1e-9) + margin_;
    }

    // Chooses the points of term t, then of those before it; c0, c1, c2 are the sums over the coordinates from
    // t + 1 on of along^2, along x image, image^2.
    void descend(int t, double c0, double c1, double c2) {
        if (stopped_) return;
        if (t < 0) {
            complete(cone(c0, c1, c2));
            return;
        }
        if ((++polls_ & 1023) == 0 && control_.stop(true)) {
            stopped_ = true;
            return;
        }
        const std::vector<int>& allowed = problem_.allowed[(*support_)[t]];
        for (int w : allowed) {
            if (!w && wish_ && wish_->used[t]) continue;
            points_[t] = w;
            if (radius_ == kInfinity) {
                descend(t - 1, 0, 0, 0);
                continue;
            }
            double image = 0;
            for (int l = t; l < k_; ++l) image += factor_.at(l + 1, t + 1) * points_[l];
            const double d0 = c0 + along_[t] * along_[t], d1 = c1 + along_[t] * image, d2 = c2 + image * image;
            if (cone(d0, d1, d2) <= radius_) descend(t - 1, d0, d1, d2);
        }
        points_[t] = 0;
    }

    double cone(double c0, double c1, double c2) const {
        if (problem_.fixed_slope > 0) return c0 + problem_.fixed_slope * (problem_.fixed_slope * c2 - 2 * c1);
        return c1 > 0 && c2 > 0 ? c0 - c1 * c1 / c2 : c0;
    }

    void complete(double distance) {
        if (!problem_.admits(*support_, points_)) return;
        if (wish_ && !wanted()) return;
        found_.push_back({radius_ == kInfinity ? 0 : distance, points_});
        if (found_.size() >= kBatch) evaluate_found();
    }

    // Whether this card is one of those that are collected, its loss aside.
    bool wanted() const {
        const auto used = [&](int t) { return points_[t] != 0; };
        if (std::none_of(points_.begin(), points_.end(), [](int w) { return w != 0; })) return false;
        for (const std::vector<int>& places : wish_->one_of)
            if (std::none_of(places.begin(), places.end(), used)) return false;
        if (!problem_.free_slope()) return true;
        double rise = 0, scale = 0;
        for (int t = 0; t < k_; ++t) {
            rise += points_[t] * rise_[t];
            scale += std::abs(points_[t]) * scale_[t];
        }
        return rise > 1e-12 * scale && problem_.smallest(*support_, points_);
    }

    void evaluate_found() {
        std::sort(found_.begin(), found_.end());
        for (const auto& [distance, points] : found_) {
            if (distance > radius_) break;
            if ((++n_cards & 63) == 0 && control_.stop(true)) {
                stopped_ = true;
                break;
            }
            double norm = 0, inner = 0;
            for (int i = 0; i < k_ && radius_ < kInfinity; ++i) {
                double image = 0;
                for (int l = i; l < k_; ++l) image += factor_.at(l + 1, i + 1) * points[l];
                norm += image * image;
                inner += image * along_[i];
            }
            const Calibration card = scorer_->evaluate(points, norm > 0 ? std::max(0.0, inner / norm) : .01, fit_.intercept(),
                                                       cutoff());
            if (wish_) {
                if (card.loss <= wish_->most) wish_->take(points, card);
                else if (card.bound < wish_->most && card.loss - card.bound > 1e-9 * card.loss) unproven_ = std::min(unproven_, card.bound);
                continue;
            }
            if (card.loss < beam_.best.loss) {
                take(points, card);
                if (radius_ < kInfinity) update_radius();
            }
            if (card.bound < cutoff()) unproven_ = std::min(unproven_, card.bound);  // not converged
        }
        found_.clear();
    }

    void take(const std::vector<int>& points, const Calibration& found) {
        Card card{{}, {}, found.slope, found.intercept, found.loss};
        for (int t = 0; t < k_; ++t)
            if (points[t]) {
                card.support.push_back((*support_)[t]);
                card.points.push_back(points[t]);
            }
        beam_.best = card;
    }

    const CardProblem& problem_;
    CardBeam& beam_;
    Control& control_;
    const Support* support_ = nullptr;
    CardScorer* scorer_ = nullptr;
    const CardWish* wish_ = nullptr;
    std::vector<double> rise_, scale_;  // of every term: how its sum over positives exceeds that of all, and its size
    SupportFit fit_;
    Cholesky factor_;
    std::vector<double> z_, r_, curvature_, positive_, weight_, along_;
    std::vector<std::vector<double>> dependent_;
    std::vector<int> points_;
    std::vector<std::pair<double, std::vector<int>>> found_;
    double bound_ = 0, slack_ = 0, relative_slack_ = 0, unproven_ = kInfinity, rho2_ = 0, radius_ = 0, margin_ = 0;
    int k_ = 0;
    bool stopped_ = false;
    std::uint64_t polls_ = 0;
};

}  // namespace treeml
