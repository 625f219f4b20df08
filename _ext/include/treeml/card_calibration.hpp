// Slope and intercept for the score of a card: the fit in two variables that ranks cards, with its bound.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "treeml/card_problem.hpp"

namespace treeml {

// Slope and intercept for a score, and a bound on the loss of any others in their ranges.
struct Calibration {
    double slope = 0, intercept = 0, loss = kInfinity, bound = 0;
};

struct CalibrationTask {
    const LogisticKernels* kernels;
    int n;  // a multiple of four
    const double *scores, *positive, *weight;
    double total, base, slope_low, slope_high;
    double widest = 0;  // largest |score|

    LineSums at(double slope, double intercept) const { return kernels->line(n, scores, slope, intercept, positive, weight); }

    // How far the best intercept of any slope is from `base` at most; see CardProblem::spread.
    double spread() const { return widest * slope_high; }

    // The least value of a tangent plane (or of a mean of some) over slopes and intercepts in their ranges.
    double bound(const LineSums& plane) const {
        const double slack = (n / 4 + 64) * 0x1p-53 * (plane.dual + plane.mass * (1 + plane.widest + std::abs(base) + 2 * spread()));
        return plane.dual + std::min(plane.g1 * slope_low, plane.g1 * slope_high) + plane.g0 * base -
               std::abs(plane.g0) * spread() - slack;
    }

    // Takes in what a point says; whether that is all that is wanted.
    bool take(Calibration& best, double slope, double intercept, const LineSums& at, double cutoff) const {
        best.bound = std::max(best.bound, bound(at));
        if (at.loss < best.loss) best = {slope, intercept, at.loss, best.bound};
        return best.bound >= cutoff || best.loss - best.bound <= 1e-10 * best.loss || best.loss < 1e-13 * total;
    }
};

// Newton's method in two variables with the slope in its range. Ends when it has converged, or when the bound
// of the tangent plane shows that no slope and intercept reach a loss below `cutoff`. Close to the minimum full
// steps go on although the loss itself is flat in floating point: the plane gets better by the root of that.
inline Calibration calibrate(const CalibrationTask& task, double slope, double intercept, double cutoff, int max_steps = 120) {
    Calibration best;
    slope = std::clamp(slope, task.slope_low, task.slope_high);
    double from_slope = slope, from_intercept = intercept, from_loss = kInfinity, da = 0, db = 0, length = 0, fall = kInfinity;
    int n_close = 0;
    for (int step = 0; step < max_steps; ++step) {
        const LineSums at = task.at(slope, intercept);
        if (task.take(best, slope, intercept, at, cutoff)) break;
        const bool close = fall < 1e-8 * at.loss;
        if (!close && length > 1e-9 && !(at.loss <= from_loss - 1e-4 * length * fall)) {
            length *= .5;
        } else {
            if (!close && !(at.loss < from_loss)) break;
            from_slope = slope;
            from_intercept = intercept;
            from_loss = at.loss;
            const bool stuck = (slope >= task.slope_high && at.g1 <= 0) || (slope <= task.slope_low && at.g1 >= 0);
            const double determinant = at.h0 * at.h2 - at.h1 * at.h1;
            if (!(at.h0 > 1e-290)) break;
            if (stuck || !(determinant > 1e-14 * at.h0 * at.h2)) {
                da = 0;
                db = at.g0 / at.h0;
            } else {
                db = (at.h2 * at.g0 - at.h1 * at.g1) / determinant;
                da = (at.h0 * at.g1 - at.h1 * at.g0) / determinant;
            }
            const double next = db * at.g0 + da * at.g1;
            if (close && (next < 1e-28 * at.loss || ++n_close > 60)) break;  // as far as floating point goes
            fall = next;
            length = 1;
        }
        slope = std::clamp(from_slope - length * da, task.slope_low, task.slope_high);
        intercept = from_intercept - length * db;
    }
    return best;
}

// The root of an increasing function: Newton's method, and the middle of what is left where it does not pay.
struct Bracket {
    double low, high, last = kInfinity;

    double next(double at, double value, double slope) {
        (value > 0 ? high : low) = at;
        const double newton = at - value / slope;
        const bool pays = std::abs(value) < .5 * std::abs(last) && newton > low && newton < high;
        last = value;
        return pays ? newton : .5 * (low + high);
    }
};

// The same by a bracket of the slope, and within it one of the intercept, which cannot fail where Newton's method
// saturates. Residuals of the two classes weigh the same at the best intercept of a slope; the logarithm of their
// ratio rises with the intercept. The mean of the planes at both ends of the bracket that is flat along the
// slope is a bound too, and has no need of a slope where the derivative is 0 in floating point.
class BracketedCalibration {
  public:
    BracketedCalibration(const CalibrationTask& task, double cutoff) : task_(task), cutoff_(cutoff), intercept_(task.base) {}

    Calibration run() {
        LineSums high = settle(task_.slope_high);
        if (done_ || high.g1 <= 0 || task_.slope_low == task_.slope_high) return best_;
        LineSums low = settle(task_.slope_low);
        Bracket slopes{task_.slope_low, task_.slope_high};
        double slope = .5 * (slopes.low + slopes.high);
        while (!done_ && low.g1 < 0 && slope > slopes.low && slope < slopes.high) {
            const LineSums at = settle(slope);
            (at.g1 > 0 ? high : low) = at;
            take(slope, flat(low, high));
            slope = slopes.next(slope, at.g1, at.h2 - at.h1 * at.h1 / at.h0);
        }
        return best_;
    }

  private:
    void take(double slope, const LineSums& at) { done_ |= task_.take(best_, slope, intercept_, at, cutoff_); }

    // The best intercept of a slope.
    LineSums settle(double slope) {
        const double reach = slope * task_.widest;
        Bracket intercepts{task_.base - reach, task_.base + reach};
        intercept_ = std::clamp(intercept_, intercepts.low, intercepts.high);
        for (;;) {
            const LineSums at = task_.at(slope, intercept_);
            take(slope, at);
            if (done_ || std::abs(at.g0) * task_.spread() <= 1e-11 * at.loss) return at;
            const double least = 1e-16 * at.mass, up = std::max(at.mass + at.g0, least), down = std::max(at.mass - at.g0, least);
            const double next = intercepts.next(intercept_, std::log(up / down), 2 * at.h0 / at.mass);
            if (!(next > intercepts.low && next < intercepts.high)) return at;
            intercept_ = next;
        }
    }

    // The mean of two planes that has no slope; its loss is that of no point.
    static LineSums flat(const LineSums& low, const LineSums& high) {
        const double share = high.g1 / (high.g1 - low.g1), rest = 1 - share;
        LineSums out{};
        out.loss = kInfinity;
        out.dual = share * low.dual + rest * high.dual;
        out.g0 = share * low.g0 + rest * high.g0;
        out.g1 = share * low.g1 + rest * high.g1;
        out.mass = share * low.mass + rest * high.mass;
        out.widest = std::max(low.widest, high.widest);
        return out;
    }

    const CalibrationTask& task_;
    double cutoff_, intercept_;
    bool done_ = false;
    Calibration best_;
};

// Scores of cards on the patterns of a support; equal scores are summed up where they are whole numbers.
class CardScorer {
  public:
    CardScorer(const CardProblem& problem, const std::vector<int>& support, const Block& patterns)
        : problem_(problem), support_(support), patterns_(patterns) {
        for (int j : support) whole_ &= problem.rows.columns[j].whole;
    }

    Calibration evaluate(const std::vector<int>& points, double slope, double intercept, double cutoff) {
        const int n = patterns_.n_padded;
        scores_.assign(n, 0.0);
        for (int t = 0; t < patterns_.n_columns(); ++t)
            if (points[t]) patterns_.add(t, points[t], scores_.data());
        const double limit = problem_.slope_limit(support_, points);
        CalibrationTask task{patterns_.kernels, n, scores_.data(), patterns_.positive, patterns_.weight,
                             problem_.rows.total, problem_.base, problem_.free_slope() ? 0 : limit, limit};
        if (whole_) add_up(task);
        const double middle = center(task);
        slope = std::clamp(slope, task.slope_low, task.slope_high);
        Calibration found = calibrate(task, slope, intercept + slope * middle, cutoff);
        if (found.bound < cutoff && found.loss - found.bound > 1e-8 * found.loss && found.loss > 1e-13 * task.total) {
            const Calibration again = BracketedCalibration(task, cutoff).run();
            const double bound = std::max(found.bound, again.bound);
            if (again.loss < found.loss) found = again;
            found.bound = bound;
        }
        found.intercept -= found.slope * middle;
        return found;
    }

  private:
    // Takes the middle of their range off the scores, which keeps the range of the intercept small.
    double center(CalibrationTask& task) {
        double* scores = task.scores == scores_.data() ? scores_.data() : sums_.data();
        const auto [least, most] = std::minmax_element(scores, scores + task.n);
        const double middle = .5 * (*least + *most);
        task.widest = std::max(*most - middle, middle - *least);
        for (int i = 0; i < task.n; ++i) scores[i] -= middle;
        return middle;
    }

    void add_up(CalibrationTask& task) {
        const int n = patterns_.n_rows;
        const auto [least, most] = std::minmax_element(scores_.begin(), scores_.begin() + n);
        const double low = *least, range = *most - *least + 1;
        if (!(range < n)) return;
        const int n_scores = static_cast<int>(range), padded = (n_scores + 3) / 4 * 4;
        sums_.assign(3 * padded, 0.0);
        double *values = sums_.data(), *positive = values + padded, *weight = positive + padded;
        for (int s = 0; s < n_scores; ++s) values[s] = low + s;
        for (int i = 0; i < n; ++i) {
            const int s = static_cast<int>(scores_[i] - low);
            positive[s] += patterns_.positive[i];
            weight[s] += patterns_.weight[i];
        }
        task.n = padded;
        task.scores = values;
        task.positive = positive;
        task.weight = weight;
    }

    const CardProblem& problem_;
    const std::vector<int>& support_;
    const Block& patterns_;
    bool whole_ = true;
    std::vector<double> scores_, sums_;
};

}  // namespace treeml
