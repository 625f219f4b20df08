// Bounds of the logistic loss over all cards that a node of the search stands for.
//
// From any logits z, with residuals r and g = X'r (logistic.hpp): for all coefficients beta and intercepts b
//     loss >= dual + g0 b + sum of g_j beta_j.
// The least value of the right side over coefficients in their box, of which at most `left` open ones are not
// 0, is a sum and a selection: every used or chosen term lowers it by at most c_j = max(-g_j lower_j, -g_j
// upper_j). So each point gives a valid bound, however far from optimal it is; the solver only looks for good
// points: minimisers of loss + lambda x sum over open terms of |beta_j| / box_j, lambda being the multiplier of
// "at most `left`" (the relaxation of D. Bertsimas, A. King, R. Mazumder, "Best subset selection via a modern
// optimization lens", Annals of Statistics 2016, in Lagrangian form).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "treeml/card_problem.hpp"
#include "treeml/cholesky.hpp"
#include "treeml/control.hpp"

namespace treeml {

// Which terms a node has decided, and how many of the open ones may still be used.
struct CardNode {
    std::vector<Use> use;
    std::vector<char> needed;  // of every group of terms: whether one of it must be used
    int left = 0;

    int count(Use what) const { return static_cast<int>(std::count(use.begin(), use.end(), what)); }
};

// Where a relaxation was solved, and the tangent plane there.
struct Relaxed {
    std::vector<double> beta;
    double intercept = 0, lambda = 0;
    double bound = -kInfinity;      // on all cards of the node
    double loss = 0, mass = 0;      // at the point; see LogisticSums
    double used = 0;                // sum over open terms of |beta| / box
    double rest = 0;                // the plane without the terms' parts: dual + least of g0 b, minus rounding
    std::vector<double> gradient;   // of every term that is not out
    std::vector<double> cost;       // c_j, with its rounding
};

class CardRelaxation {
  public:
    std::vector<double> lower, upper;  // the box; may shrink while the search goes on
    std::int64_t n_planes = 0, n_hessians = 0;

    CardRelaxation(const CardProblem& problem, Control& control)
        : lower(problem.lower), upper(problem.upper), problem_(problem), control_(control), block_(problem.block),
          d_(problem.rows.n_terms) {
        for (auto* rows : {&z_, &r_, &v_, &dz_, &trial_}) rows->resize(block_.n_padded);
        for (auto* rows : {&v32_, &t32_}) rows->resize(block_.n_padded);
        cheap_ = double(block_.n_rows) * (d_ + 1) * (d_ + 1) < 2.5e6;
        for (int j = 0; j < d_; ++j) all_.push_back(j);
        hessian_.assign(std::size_t(d_ + 1) * (d_ + 1), 0.0);
        box_changed();
    }

    bool cheap() const { return cheap_; }
    double curvature(int j) const { return hessian_[std::size_t(j) * (d_ + 1) + j]; }
    double entry(int i, int j) const { return hessian_[std::size_t(i) * (d_ + 1) + j]; }

    // To be called after the box has changed: how far the best intercept can be from that of no terms.
    void box_changed() {
        std::vector<double> reach(d_);
        for (int j = 0; j < d_; ++j) reach[j] = problem_.rows.columns[j].reach * std::max(upper[j], -lower[j]);
        const std::size_t k = std::min<std::size_t>(problem_.constraints.max_features, reach.size());
        std::partial_sort(reach.begin(), reach.begin() + k, reach.end(), std::greater<>());
        spread_ = 0;
        for (std::size_t j = 0; j < k; ++j) spread_ += reach[j];
    }

    // Solves without penalty and keeps the Hessian there for nodes of large problems.
    Relaxed root(const CardNode& node, double cutoff) {
        Relaxed at;
        at.beta.assign(d_, 0.0);
        at.intercept = problem_.base;
        const bool cheap = cheap_;
        cheap_ = true;
        solve(node, at, cutoff, 30, 1e-11 * problem_.rows.total);
        cheap_ = cheap;
        refresh(at);
        return at;
    }

    // The Hessian at a point becomes the one that large problems use.
    void refresh(const Relaxed& at) {
        logits(at);
        block_.kernels->derivatives(block_.n_padded, z_.data(), block_.positive, block_.weight, r_.data(), v_.data());
        std::vector<int> all = all_;
        all.push_back(d_);
        hessian(all, hessian_);
        have_hessian_ = true;
    }

    // The best bound over some values of lambda, from a point nearby.
    Relaxed bound(const CardNode& node, const Relaxed& near, double cutoff, int tries) {
        Relaxed at = near, best;
        const double total = problem_.rows.total;
        const double tolerance = cheap_ ? 1e-10 * total : std::max(1e-10 * total, 1e-7 * std::max(cutoff - near.bound, 0.0));
        const double left = std::max(node.left, 1);
        double low = 0, low_used = 0, high = -1, high_used = 0, lambda = std::max(near.lambda, 0.0);
        for (int t = 0; t < tries; ++t) {
            at.lambda = lambda;
            solve(node, at, cutoff, cheap_ ? 10 : 13, tolerance);
            if (at.bound > best.bound) best = at;
            if (best.bound >= cutoff || control_.stop(true)) break;
            if (std::abs(at.used - node.left) < .02 * node.left + 1e-9) break;
            if (at.used > node.left) low = lambda, low_used = at.used;
            else if (lambda == 0) break;
            else high = lambda, high_used = at.used;
            if (high < 0) {
                lambda = lambda == 0 ? std::max(2e-5 * total, (cutoff - at.bound) / left * .5)
                                     : lambda * std::clamp(at.used / left, 1.3, 4.0);
            } else if (low == 0 && low_used == 0) {
                lambda = high * std::clamp(high_used / left, .25, .8);
            } else {
                lambda = low + (high - low) * std::clamp((low_used - node.left) / (low_used - high_used), .15, .85);
            }
            if (!(lambda >= 1e-12) || !(lambda < 1e6 * total)) break;
        }
        return best;
    }

    // The most that sign x beta_j can be where the loss is below `cutoff`: the coefficient is held at values
    // t, and the plane there says at which |beta_j| it passes the cutoff. Never more than `known`.
    double reach(CardNode node, int j, int sign, const Relaxed& near, double known, double cutoff, double inverse_curvature,
                 int tries) {
        held_ = j;
        node.left = std::max(0, node.left - (node.use[j] == Use::open));
        Relaxed at = near;
        double most = known;
        double t = std::max(sign * near.beta[j], 0.0) + std::sqrt(2 * std::max(cutoff - near.bound, 1e-12) * inverse_curvature);
        for (int step = 0; step < tries; ++step) {
            t = std::min(t, most);
            at.beta[j] = sign * t;
            solve(node, at, kInfinity, cheap_ ? 6 : 9, 1e-10 * problem_.rows.total);
            const double rise = sign * at.gradient[j] - block_.rounding() * at.mass * problem_.rows.columns[j].reach;
            if (!(rise > 1e-9)) break;
            const double reached = std::max(0.0, (cutoff - at.bound) / rise) * (1 + 1e-9);
            most = std::min(most, reached);
            if (std::abs(reached - t) < .05 * t) break;
            t = reached < t ? reached : .5 * (t + std::min(most, 2 * t));
        }
        held_ = -1;
        return most;
    }

  private:
    double penalty_slope(const CardNode& node, double lambda, int j, int side) const {
        if (node.use[j] != Use::open || lambda == 0) return 0;
        return lambda / std::abs(side > 0 ? upper[j] : lower[j]);  // infinite where the box ends at 0
    }
    double penalty(const CardNode& node, double lambda, int j, double beta) const {
        if (node.use[j] != Use::open || beta == 0) return 0;
        return lambda * (beta > 0 ? beta / upper[j] : beta / lower[j]);
    }

    void logits(const Relaxed& at) {
        std::fill(z_.begin(), z_.end(), at.intercept);
        block_.add(all_, at.beta, z_.data());
    }

    // Gram matrix of the columns `which` (d: the intercept), ascending, with the curvatures v_ as weights.
    void hessian(const std::vector<int>& which, std::vector<double>& out) {
        ++n_hessians;
        const int n = d_ + 1;
        for (int i = 0; i < block_.n_padded; ++i) v32_[i] = static_cast<float>(v_[i]);
        double total = 0;
        for (double v : v_) total += v;
        std::vector<int> until;
        std::vector<double> row(which.size());
        for (int j : which) {
            if (j == d_) {
                out[std::size_t(d_) * n + d_] = total;
                continue;
            }
            const double sum = block_.weigh(j, v32_.data(), t32_.data());
            until.push_back(j);
            block_.dots(until, t32_.data(), row.data());
            for (std::size_t a = 0; a < until.size(); ++a)
                out[std::size_t(j) * n + until[a]] = out[std::size_t(until[a]) * n + j] = row[a];
            out[std::size_t(j) * n + d_] = out[std::size_t(d_) * n + j] = sum;
        }
    }

    // The plane at z_: derivatives, gradient and the bound that follows.
    void plane(const CardNode& node, Relaxed& at) {
        ++n_planes;
        const LogisticSums sums = block_.kernels->derivatives(block_.n_padded, z_.data(), block_.positive, block_.weight,
                                                              r_.data(), v_.data());
        terms_.clear();
        for (int j = 0; j < d_; ++j)
            if (node.use[j] != Use::out) terms_.push_back(j);
        dots_.resize(terms_.size());
        block_.dots(terms_, r_.data(), dots_.data());
        gradient_.assign(d_, 0.0);
        for (std::size_t a = 0; a < terms_.size(); ++a) gradient_[terms_[a]] = dots_[a];
        gradient0_ = sums.residual;
        loss_ = sums.loss;
        const double rounding = block_.rounding();
        const double slack = rounding * (sums.dual + sums.mass * (1 + sums.widest + std::abs(problem_.base) + spread_));
        const double rest = sums.dual - slack + gradient0_ * problem_.base - std::abs(gradient0_) * spread_;
        cost_.assign(d_, 0.0);
        double bound = rest;
        open_.clear();
        for (int j : terms_) {
            if (j == held_) continue;
            cost_[j] = std::max(-gradient_[j] * lower[j], -gradient_[j] * upper[j]) +
                       rounding * sums.mass * problem_.rows.columns[j].reach * std::max(upper[j], -lower[j]);
            if (node.use[j] == Use::in) bound -= cost_[j];
            else open_.push_back(cost_[j]);
        }
        if (static_cast<int>(open_.size()) > node.left) {
            std::nth_element(open_.begin(), open_.begin() + node.left, open_.end(), std::greater<>());
            open_.resize(node.left);
        }
        for (double c : open_) bound -= c;
        if (bound > at.bound || held_ >= 0) {
            at.bound = bound;
            at.rest = rest;
            at.loss = loss_;
            at.mass = sums.mass;
            at.gradient = gradient_;
            at.cost = cost_;
        }
    }

    // Proximal Newton steps from at.beta until the model promises less than `tolerance`.
    void solve(const CardNode& node, Relaxed& at, double cutoff, int max_steps, double tolerance) {
        const int n = d_ + 1;
        for (int j = 0; j < d_; ++j) {
            if (node.use[j] == Use::out) at.beta[j] = 0;
            else if (j != held_) at.beta[j] = std::clamp(at.beta[j], lower[j], upper[j]);
        }
        logits(at);
        at.bound = -kInfinity;
        bool local = false;
        double promised = kInfinity;
        for (int step = 0;; ++step) {
            plane(node, at);
            if (step == max_steps || (held_ < 0 && at.bound >= cutoff)) break;
            choose(node, at);
            std::vector<double>* metric = &hessian_;
            if (cheap_ || !have_hessian_) hessian(working_, hessian_);
            else if (local || (step >= 4 && step % 4 == 0 && promised > 50 * tolerance)) {
                metric = &local_;
                if (!local || step % 4 == 0) {
                    local_.resize(std::size_t(n) * n);
                    hessian(working_, local_);
                }
                local = true;
            }
            minimise_model(node, at, *metric, tolerance);
            promised = direction(node, at);
            if (promised < tolerance && (held_ < 0 || promised < 1e-3 * tolerance)) break;
            if (!step_along(node, at, promised)) {
                if (metric == &local_ || cheap_ || !have_hessian_) break;
                local_.resize(std::size_t(n) * n);
                hessian(working_, local_);
                local = true;
            }
        }
        at.used = 0;
        for (int j = 0; j < d_; ++j)
            if (j != held_ && node.use[j] == Use::open && at.beta[j] != 0)
                at.used += at.beta[j] > 0 ? at.beta[j] / upper[j] : at.beta[j] / lower[j];
    }

    // The coordinates that can move.
    void choose(const CardNode& node, const Relaxed& at) {
        working_.clear();
        for (int j = 0; j < d_; ++j) {
            if (node.use[j] == Use::out || j == held_ || lower[j] >= upper[j]) continue;
            const bool moves = (lower[j] < 0 && gradient_[j] > penalty_slope(node, at.lambda, j, -1)) ||
                               (upper[j] > 0 && -gradient_[j] > penalty_slope(node, at.lambda, j, 1));
            if (node.use[j] == Use::in || at.lambda == 0 || at.beta[j] != 0 || moves) working_.push_back(j);
        }
        working_.push_back(d_);
    }

    // Minimises the quadratic model with penalty and box into x_: at once where that stays inside, else by
    // coordinate descent that tries the step of its active coordinates now and then.
    void minimise_model(const CardNode& node, const Relaxed& at, const std::vector<double>& h, double tolerance) {
        const int n = d_ + 1;
        x_.resize(n);
        model_.resize(n);
        for (int j : working_) {
            x_[j] = j < d_ ? at.beta[j] : at.intercept;
            model_[j] = j < d_ ? gradient_[j] : gradient0_;
        }
        if (at.lambda == 0 && newton_step(node, at, h, working_)) return;
        for (int sweep = 0; sweep < 80; ++sweep) {
            double largest = 0;
            for (int j : working_) {
                const double* row = h.data() + std::size_t(j) * n;
                if (row[j] < 1e-12) continue;
                const double to = j == d_ ? x_[j] - model_[j] / row[j] : coordinate(node, at, j, row[j]);
                const double by = to - x_[j];
                if (by == 0) continue;
                x_[j] = to;
                for (int l : working_) model_[l] += row[l] * by;
                largest = std::max(largest, by * by * row[j]);
            }
            if (largest < 1e-3 * tolerance + 1e-14) return;
            if (sweep != 7 && sweep != 30) continue;
            active_.clear();
            for (int j : working_)
                if (j == d_ || (x_[j] < upper[j] && x_[j] > lower[j] && (x_[j] != 0 || node.use[j] == Use::in))) active_.push_back(j);
            newton_step(node, at, h, active_);
        }
    }

    double coordinate(const CardNode& node, const Relaxed& at, int j, double curvature) const {
        double to = x_[j] - model_[j] / curvature;
        if (node.use[j] == Use::open && at.lambda > 0) {
            const double up = penalty_slope(node, at.lambda, j, 1) / curvature, down = penalty_slope(node, at.lambda, j, -1) / curvature;
            to = to > up ? to - up : to < -down ? to + down : 0;
        }
        return std::clamp(to, lower[j], upper[j]);
    }

    // Moves the coordinates `which` to the minimum of the model, unless one leaves its box or its side of 0.
    bool newton_step(const CardNode& node, const Relaxed& at, const std::vector<double>& h, const std::vector<int>& which) {
        const int k = static_cast<int>(which.size()), n = d_ + 1;
        std::vector<double> matrix(std::size_t(k) * k), step(k);
        for (int a = 0; a < k; ++a) {
            const int j = which[a];
            for (int b = 0; b < k; ++b) matrix[a * k + b] = h[std::size_t(j) * n + which[b]];
            double slope = 0;
            if (j < d_ && x_[j] != 0) slope = x_[j] > 0 ? penalty_slope(node, at.lambda, j, 1) : -penalty_slope(node, at.lambda, j, -1);
            step[a] = -(model_[j] + slope);
        }
        cholesky_.factor(k, std::move(matrix), 1e-6);
        cholesky_.solve(step.data());
        for (int a = 0; a < k; ++a) {
            const int j = which[a];
            if (j == d_) continue;
            const double to = x_[j] + step[a];
            if (to > upper[j] || to < lower[j]) return false;
            if (at.lambda > 0 && node.use[j] == Use::open && x_[j] != 0 && to * x_[j] <= 0) return false;
        }
        for (int a = 0; a < k; ++a) {
            const int j = which[a];
            x_[j] += step[a];
            if (&which == &working_) continue;
            for (int l : working_) model_[l] += h[std::size_t(j) * n + l] * step[a];
        }
        return true;
    }

    // The logits of the step to x_; returns how far the model falls along it.
    double direction(const CardNode& node, const Relaxed& at) {
        const double by0 = x_[d_] - at.intercept;
        std::fill(dz_.begin(), dz_.end(), by0);
        double fall = -gradient0_ * by0;
        penalty_change_ = 0;
        moved_.clear();
        moves_.clear();
        for (int j : working_) {
            if (j == d_ || x_[j] == at.beta[j]) continue;
            fall -= gradient_[j] * (x_[j] - at.beta[j]);
            penalty_change_ += penalty(node, at.lambda, j, x_[j]) - penalty(node, at.lambda, j, at.beta[j]);
            moved_.push_back(j);
            moves_.push_back(x_[j] - at.beta[j]);
        }
        block_.add(moved_, moves_, dz_.data());
        return fall - penalty_change_;
    }

    bool step_along(const CardNode&, Relaxed& at, double promised) {
        double length = 1;
        for (int halving = 0; halving < 12; ++halving, length *= .5) {
            for (int i = 0; i < block_.n_padded; ++i) trial_[i] = z_[i] + length * dz_[i];
            const double loss = block_.kernels->loss(block_.n_padded, trial_.data(), block_.positive, block_.weight);
            if (loss + length * penalty_change_ > loss_ - .1 * length * promised + 1e-12 * std::abs(loss_)) continue;
            z_.swap(trial_);
            for (int j : working_) (j < d_ ? at.beta[j] : at.intercept) += length * (x_[j] - (j < d_ ? at.beta[j] : at.intercept));
            return true;
        }
        return false;
    }

    const CardProblem& problem_;
    Control& control_;
    const Block& block_;
    int d_;
    bool cheap_ = true, have_hessian_ = false;
    int held_ = -1;
    double spread_ = 0, gradient0_ = 0, loss_ = 0, penalty_change_ = 0;
    std::vector<double> z_, r_, v_, dz_, trial_, hessian_, local_, gradient_, cost_, open_, dots_, x_, model_;
    std::vector<float> v32_, t32_;
    std::vector<double> moves_;
    std::vector<int> all_, terms_, working_, active_, moved_;
    Cholesky cholesky_;
};

}  // namespace treeml
