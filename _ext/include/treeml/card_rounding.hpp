// From real coefficients to points: rounding at many scales in the metric of the loss, then a local search on
// the loss itself. The same two steps give the first cards and those at the leaves of the exact search.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "treeml/card_calibration.hpp"
#include "treeml/card_fit.hpp"

namespace treeml {

// The quadratic model of the loss around coefficients beta of a support, the intercept minimised out: how far
// slope x points is from beta, for the best slope.
class PointMetric {
  public:
    PointMetric(const CardProblem& problem, const SupportFit& fit) : fixed_(problem.fixed_slope) {
        const int n = static_cast<int>(fit.beta.size());
        k_ = n - 1;
        matrix_.resize(k_ * k_);
        along_.assign(k_, 0);
        const double corner = std::max(fit.hessian[n * n - 1], 1e-300);
        for (int i = 0; i < k_; ++i)
            for (int j = 0; j < k_; ++j)
                matrix_[i * k_ + j] = fit.hessian[i * n + j] - fit.hessian[i * n + k_] * fit.hessian[k_ * n + j] / corner;
        for (int i = 0; i < k_; ++i) {
            for (int j = 0; j < k_; ++j) along_[i] += matrix_[i * k_ + j] * fit.beta[j];
            square_ += along_[i] * fit.beta[i];
        }
    }

    // A vector of points with what is needed to change single entries in constant time.
    struct Place {
        std::vector<int> points;
        std::vector<double> image;  // matrix x points
        double norm = 0, inner = 0;  // points' matrix points, points' matrix beta
    };

    Place place(std::vector<int> points) const {
        Place out{std::move(points), std::vector<double>(k_, 0.0)};
        for (int i = 0; i < k_; ++i) {
            if (!out.points[i]) continue;
            out.inner += along_[i] * out.points[i];
            for (int j = 0; j < k_; ++j) out.image[j] += matrix_[i * k_ + j] * out.points[i];
        }
        for (int i = 0; i < k_; ++i) out.norm += out.image[i] * out.points[i];
        return out;
    }
    double distance(const Place& at) const { return distance(at.norm, at.inner); }
    double distance(const Place& at, int i, int by) const {
        return distance(at.norm + by * (2 * at.image[i] + by * matrix_[i * k_ + i]), at.inner + by * along_[i]);
    }
    double distance(const Place& at, int i, int by, int j, int and_by) const {
        return distance(at.norm + by * (2 * at.image[i] + by * matrix_[i * k_ + i]) +
                            and_by * (2 * at.image[j] + and_by * matrix_[j * k_ + j]) + 2.0 * by * and_by * matrix_[i * k_ + j],
                        at.inner + by * along_[i] + and_by * along_[j]);
    }
    void shift(Place& at, int i, int by) const {
        at.norm += by * (2 * at.image[i] + by * matrix_[i * k_ + i]);
        at.inner += by * along_[i];
        at.points[i] += by;
        for (int j = 0; j < k_; ++j) at.image[j] += by * matrix_[i * k_ + j];
    }
    double slope(const Place& at) const { return fixed_ > 0 ? fixed_ : at.norm > 0 ? std::max(0.0, at.inner / at.norm) : 0; }

  private:
    double distance(double norm, double inner) const {
        if (fixed_ > 0) return square_ + fixed_ * (fixed_ * norm - 2 * inner);
        return norm > 1e-14 && inner > 0 ? square_ - inner * inner / norm : kInfinity;
    }

    double fixed_;
    int k_;
    std::vector<double> matrix_, along_;
    double square_ = 0;
};

class CardRounding {
  public:
    CardRounding(const CardProblem& problem, const std::vector<int>& support, const Patterns& patterns)
        : problem_(problem), support_(support), k_(static_cast<int>(support.size())),
          scorer_(problem, support, patterns.block) {}

    // The best card found near the fit; `thorough` tries more of the rounded vectors and of their neighbours.
    // Where coefficients are `steep`, the metric says little of the loss: every step by one is tried.
    Card run(const SupportFit& fit, bool thorough, bool steep) {
        best_ = {};
        known_.clear();
        const PointMetric metric(problem_, fit);
        std::vector<std::pair<double, std::vector<int>>> starts = rounded(metric, fit, thorough);
        std::sort(starts.begin(), starts.end());
        const std::size_t n = std::min<std::size_t>(starts.size(), thorough ? 10 : 5);
        for (std::size_t s = 0; s < n; ++s)
            evaluate(starts[s].second, metric.slope(metric.place(starts[s].second)), fit.intercept());
        if (best_.loss < kInfinity) polish(metric, fit, thorough, steep);
        return best_;
    }

  private:
    int nearest(int t, double x) const {
        const std::vector<int>& allowed = problem_.allowed[support_[t]];
        return *std::min_element(allowed.begin(), allowed.end(), [x](int a, int b) { return std::abs(a - x) < std::abs(b - x); });
    }
    // How far the next allowed value above or below is; 0 where there is none.
    int next(int t, int value, int direction) const {
        const std::vector<int>& allowed = problem_.allowed[support_[t]];
        const std::size_t at = std::lower_bound(allowed.begin(), allowed.end(), value) - allowed.begin();
        if (direction > 0) return at + 1 < allowed.size() ? allowed[at + 1] - value : 0;
        return at > 0 ? allowed[at - 1] - value : 0;
    }

    // Rounding at 24 scales, each improved by single steps and steps of two entries in the metric.
    std::vector<std::pair<double, std::vector<int>>> rounded(const PointMetric& metric, const SupportFit& fit, bool thorough) const {
        double largest = 0;
        int range = 1;
        for (int t = 0; t < k_; ++t) {
            largest = std::max(largest, std::abs(fit.beta[t]));
            range = std::max({range, std::abs(problem_.allowed[support_[t]].front()), problem_.allowed[support_[t]].back()});
        }
        std::map<std::vector<int>, double> found;
        if (!(largest > 0)) {
            std::vector<int> points(k_);
            for (int t = 0; t < k_; ++t) points[t] = nearest(t, 0);
            found[points] = 0;
        }
        const int n_scales = problem_.free_slope() ? 24 : 1;
        for (int s = 0; s < n_scales && largest > 0; ++s) {
            const double scale = problem_.free_slope() ? (.8 + (range + .45 - .8) * s / 23.0) / largest : 1 / problem_.fixed_slope;
            std::vector<int> points(k_);
            for (int t = 0; t < k_; ++t) points[t] = nearest(t, fit.beta[t] * scale);
            PointMetric::Place at = metric.place(std::move(points));
            double here = metric.distance(at);
            found[at.points] = here;
            for (int round = 0; round < 20 && descend(metric, at, here, k_ <= 6 || thorough); ++round) found[at.points] = here;
        }
        std::vector<std::pair<double, std::vector<int>>> out;
        for (auto& [points, distance] : found) out.push_back({distance, points});
        return out;
    }

    // The best step in the metric, if one improves.
    bool descend(const PointMetric& metric, PointMetric::Place& at, double& here, bool pairs) const {
        double best = here - 1e-12;
        int who = -1, by = 0, other = -1, other_by = 0;
        for (int i = 0; i < k_; ++i)
            for (int up : {-1, 1}) {
                const int step = next(i, at.points[i], up);
                if (!step) continue;
                const double d = metric.distance(at, i, step);
                if (d < best) best = d, who = i, by = step, other = -1;
                for (int j = i + 1; pairs && j < k_; ++j)
                    for (int up2 : {-1, 1}) {
                        const int step2 = next(j, at.points[j], up2);
                        if (!step2) continue;
                        const double d2 = metric.distance(at, i, step, j, step2);
                        if (d2 < best) best = d2, who = i, by = step, other = j, other_by = step2;
                    }
            }
        if (who < 0) return false;
        metric.shift(at, who, by);
        if (other >= 0) metric.shift(at, other, other_by);
        here = best;
        return true;
    }

    double evaluate(const std::vector<int>& points, double slope, double intercept) {
        const auto [it, fresh] = known_.try_emplace(points, kInfinity);
        if (!fresh || !problem_.admits(support_, points)) return it->second;
        const Calibration found = scorer_.evaluate(points, slope, intercept, kInfinity);
        it->second = found.loss;
        if (found.loss < best_.loss - 1e-9) best_ = {support_, points, found.slope, found.intercept, found.loss};
        return found.loss;
    }

    // Steps of one entry to any value, or of two by one, the most promising in the metric first.
    void polish(const PointMetric& metric, const SupportFit& fit, bool thorough, bool steep) {
        struct Step {
            double distance;
            int i, by, j, and_by;
        };
        for (int round = 0; round < 30; ++round) {
            const Card start = best_;
            const PointMetric::Place at = metric.place(start.points);
            std::vector<Step> steps;
            for (int i = 0; i < k_; ++i)
                for (int to : problem_.allowed[support_[i]]) {
                    const int by = to - at.points[i];
                    if (!by) continue;
                    steps.push_back({metric.distance(at, i, by), i, by, -1, 0});
                    if (by != next(i, at.points[i], by)) continue;
                    for (int j = i + 1; j < k_; ++j)
                        for (int up : {-1, 1})
                            if (const int and_by = next(j, at.points[j], up))
                                steps.push_back({metric.distance(at, i, by, j, and_by), i, by, j, and_by});
                }
            const std::size_t n = std::min<std::size_t>(steps.size(), thorough ? 30 : 10);
            std::partial_sort(steps.begin(), steps.begin() + n, steps.end(),
                              [](const Step& a, const Step& b) { return a.distance < b.distance; });
            const double promising = metric.distance(at) + 2 * (best_.loss - fit.loss) + 1e-9;
            for (std::size_t s = 0; s < n && (s <= 6 || steps[s].distance <= promising); ++s) {
                std::vector<int> points = start.points;
                points[steps[s].i] += steps[s].by;
                if (steps[s].j >= 0) points[steps[s].j] += steps[s].and_by;
                evaluate(points, best_.slope, best_.intercept);
            }
            for (int i = 0; steep && i < k_; ++i)
                for (int up : {-1, 1}) {
                    std::vector<int> points = start.points;
                    points[i] += next(i, points[i], up);
                    evaluate(points, best_.slope, best_.intercept);
                }
            if (!(best_.loss < start.loss - 1e-9)) return;
        }
    }

    const CardProblem& problem_;
    const std::vector<int> support_;
    int k_;
    CardScorer scorer_;
    Card best_;
    std::map<std::vector<int>, double> known_;
};

}  // namespace treeml
