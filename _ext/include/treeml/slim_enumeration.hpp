// All scorecards whose 0-1 loss is nearly the least: the search of slim.hpp with a cutoff above the best cost.
//
// A card is a vector of points and the set of rows that score above its threshold: each gap between adjacent scores is
// another card. Cards that predict the same for all rows are left out, but for the two without points; and, where that
// is asked for, cards that predict what they would without one of their terms, with another threshold.
#pragma once

#include <map>

#include "treeml/card_members.hpp"
#include "treeml/slim.hpp"

namespace treeml {

// The largest cost for a least one: best + best x numerator / denominator (rounded down) + regret.
struct SlimMargin {
    std::int64_t numerator = 0, denominator = 1, regret = 0;

    Cost limit(Cost best) const {
        const Cost more = static_cast<Cost>(static_cast<__int128>(best) * numerator / denominator);
        return best + more + regret;
    }
};

class SlimEnumeration {
  public:
    // Costs are without the points, that is unit x errors + per_term x terms.
    SlimEnumeration(const SlimProblem& problem, const SlimOptions& options, const SlimMargin& margin, bool drop_trivial,
                    Control& control)
        : problem_(problem), options_(options), margin_(margin), control_(control), drop_trivial_(drop_trivial) {
        out_.members.width = std::min(problem.constraints.max_features, problem.n_terms);
    }

    CardSetResult run(SlimCounters& counters) {
        best_ = cost(problem_.net_size, out_.members.width);  // no card costs more
        if (problem_.constraints.admits(std::vector<int>(problem_.n_terms, 0))) empty_cards();
        std::vector<int> support, points;
        for (int j = 0; j < int(options_.start.size()); ++j)
            if (options_.start[j]) {
                support.push_back(j);
                points.push_back(options_.start[j]);
            }
        problem_.constraints.reduce(support, points);
        if (!support.empty()) best_ = std::min(best_, least(support, points));
        SlimResult found = problem_.net_size < (Cost(1) << 29) ? search<std::int32_t>() : search<std::int64_t>();
        if (!found.complete && !support.empty()) take(support, points);
        counters = found.counters;
        out_.complete = found.complete;
        out_.best = double(best_);
        out_.proven = double(found.complete ? margin_.limit(best_) : std::min(found.lower / problem_.weights.step - 1, margin_.limit(best_)));
        out_.stop = found.stop;
        return std::move(out_);
    }

  private:
    struct Pattern {
        std::vector<std::int64_t> values;  // of the terms
        Cost net;
    };

    Cost cost(Cost errors, int n_used) const { return problem_.cost(errors, n_used, 0) / problem_.weights.step; }
    // What points may add to a cost is less than a step.
    Cost cutoff() const { return (margin_.limit(best_) + 1) * problem_.weights.step; }

    void empty_cards() {
        Cost all = 0;
        for (Cost net : problem_.net) all += net;
        const Cost yes = cost(problem_.all_positive, 0), no = cost(problem_.all_positive + all, 0);
        best_ = std::min({best_, yes, no});
        out_.members.add({}, {}, double(yes), 1, 1, control_);
        out_.members.add({}, {}, double(no), 1, -1, control_);
    }

    template <class T>
    SlimResult search() {
        SlimSearch<T> search(problem_, options_, control_);
        return search.collect(cutoff(), [&](SlimState& state, std::span<const int> support, std::span<const int> points) {
            take(support, points);
            state.best.cost = std::min(state.best.cost, cutoff());
        });
    }

    void take(std::span<const int> support, std::span<const int> points) {
        scan(support, points, [&](Cost errors, double cut) {
            const Cost here = cost(errors, int(support.size()));
            if (here > margin_.limit(best_) || (drop_trivial_ && trivial(support, points, cut))) return;
            best_ = std::min(best_, here);
            add(support, points, here, cut);
        });
    }

    // Whether some term could go: the scores of the others separate the labels as well.
    bool trivial(std::span<const int> support, std::span<const int> points, double cut) {
        for (std::size_t out = 0; out < support.size(); ++out) {
            std::int64_t below = std::numeric_limits<std::int64_t>::min(), above = std::numeric_limits<std::int64_t>::max();
            for (const Pattern& pattern : patterns_) {
                std::int64_t score = 0;
                for (std::size_t t = 0; t < points.size(); ++t) score += points[t] * pattern.values[t];
                const std::int64_t rest = score - points[out] * pattern.values[out];
                if (double(score) > cut) above = std::min(above, rest);
                else below = std::max(below, rest);
            }
            if (below < above && admits_without(support, points, out)) return true;
        }
        return false;
    }

    bool admits_without(std::span<const int> support, std::span<const int> points, std::size_t out) const {
        std::vector<int> all(problem_.n_terms, 0);
        for (std::size_t t = 0; t < support.size(); ++t)
            if (t != out) all[support[t]] = points[t];
        return problem_.constraints.admits(all);
    }

    // Terms come in any order.
    void add(std::span<const int> support, std::span<const int> points, Cost here, double cut) {
        order_.resize(support.size());
        for (std::size_t t = 0; t < support.size(); ++t) order_[t] = {support[t], points[t]};
        std::sort(order_.begin(), order_.end());
        std::vector<int> terms, sizes;
        for (auto [j, w] : order_) {
            terms.push_back(j);
            sizes.push_back(w);
        }
        out_.members.add(terms, sizes, double(here), 1, -cut, control_);
    }

    Cost least(std::span<const int> support, std::span<const int> points) {
        Cost out = kInfinite;
        scan(support, points, [&](Cost errors, double cut) {
            if (!drop_trivial_ || !trivial(support, points, cut)) out = std::min(out, cost(errors, int(support.size())));
        });
        return out;
    }

    // Calls visit(errors, cut) for every gap between adjacent scores.
    template <class Visit>
    void scan(std::span<const int> support, std::span<const int> points, const Visit& visit) {
        if (!std::equal(support.begin(), support.end(), support_.begin(), support_.end())) group(support);
        scores_.resize(patterns_.size());
        for (std::size_t i = 0; i < patterns_.size(); ++i) {
            std::int64_t score = 0;
            for (std::size_t t = 0; t < points.size(); ++t) score += points[t] * patterns_[i].values[t];
            scores_[i] = {score, patterns_[i].net};
        }
        std::sort(scores_.begin(), scores_.end());
        Cost errors = problem_.all_positive;
        for (std::size_t i = 0; i + 1 < scores_.size(); ++i) {
            errors += scores_[i].second;
            const std::int64_t here = scores_[i].first, next = scores_[i + 1].first;
            if (here < next) visit(errors, .5 * (double(here) + double(next)));
        }
    }

    void group(std::span<const int> support) {
        support_.assign(support.begin(), support.end());
        std::map<std::vector<std::int64_t>, Cost> nets;
        std::vector<std::int64_t> values(support.size());
        for (int r = 0; r < problem_.n_rows; ++r) {
            for (std::size_t t = 0; t < support.size(); ++t) values[t] = problem_.value(support[t], r);
            nets[values] += problem_.net[r];
        }
        patterns_.clear();
        for (const auto& [key, net] : nets) patterns_.push_back({key, net});
    }

    const SlimProblem& problem_;
    const SlimOptions& options_;
    SlimMargin margin_;
    Control& control_;
    bool drop_trivial_;
    CardSetResult out_;
    Cost best_ = 0;
    std::vector<int> support_;
    std::vector<Pattern> patterns_;
    std::vector<std::pair<std::int64_t, Cost>> scores_;
    std::vector<std::pair<int, int>> order_;
};

}  // namespace treeml
