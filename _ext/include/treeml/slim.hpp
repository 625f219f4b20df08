// Scorecards of least 0-1 loss, exactly: first cards, a scan of all supports, a search of the points of those left.
//
// The problem is SLIM of B. Ustun and C. Rudin, Supersparse linear integer models for optimized medical scoring
// systems, Machine Learning 102 (2016), section 2; the method is not theirs: no integer program, but bounds by
// conflicts (slim_scan.hpp) and by the order of scores (slim_patterns.hpp, slim_merge.hpp).
#pragma once

#include <bit>
#include <optional>

#include "treeml/slim_pool.hpp"
#include "treeml/slim_scan.hpp"
#include "treeml/slim_start.hpp"
#include "treeml/slim_tables.hpp"

namespace treeml {

struct SlimOptions {
    double tolerance = 0;         // the share of the cost that the bound may miss it by
    std::int64_t pool_bytes = 1 << 27, table_bytes = 1 << 28;
    std::vector<int> start;       // points of a card to begin with, or empty
    Cost least_errors = 0;        // what is known of the errors of every card, beyond the certain ones
};

struct SlimResult {
    SlimCard card;  // cost kInfinite: none is admitted (where stop is none)
    Cost lower = 0;
    bool complete = false;
    Stop stop = Stop::none;
    SlimCounters counters;
    std::int64_t bytes = 0;
    std::vector<Progress> progress;
};

template <class T>
class SlimSearch {
  public:
    SlimSearch(const SlimProblem& problem, const SlimOptions& options, Control& control)
        : problem_(problem), options_(options), kernels_(slim_kernels_for<T>(choose_isa())),
          state_(problem, control, options.tolerance), merge_(state_), pool_(control) {
        std::vector<int> yes_no;
        for (int j = 0; j < problem.n_terms; ++j) {
            if (!problem.constraints.usable(j)) continue;
            (problem.columns[j].zero_one ? yes_no : others_).push_back(j);
        }
        root_.fill(problem, yes_no, kernels_);
        most_terms_ = std::min<int>(problem.constraints.max_features, int(yes_no.size() + others_.size()));
        const int most_yes_no = std::min<int>(most_terms_, int(yes_no.size()));
        const int largest = problem.largest_points();
        int deepest = std::min(most_yes_no, SlimOrders::kMostTerms);
        while (deepest > 0 && !SlimOrders::fits(deepest, largest)) --deepest;
        if (deepest > 0) orders_.emplace(deepest, largest, control);
        patterns_.emplace(state_, root_, kernels_, orders_ ? &*orders_ : nullptr);
        control.allocated(problem.bytes() + root_.bytes() + std::int64_t(problem.n_rows) * (most_terms_ * 28 + 100));
    }

    // The best card of a quick search, and nothing about it.
    SlimCard quick() {
        state_.silent = true;
        if (first_cards()) SlimStart<T>(state_, *patterns_, merge_).run(most_terms_);
        return state_.best;
    }

    // All cards that cost less than `most`, by their points: for each, `take` is called once; it may lower the cost of
    // interest. Multiples of points are one card.
    SlimResult collect(Cost most, std::function<void(SlimState&, std::span<const int>, std::span<const int>)> take) {
        state_.silent = true;
        state_.best.cost = most;
        state_.collect = [&](std::span<const int> support, std::span<const int> points) { take(state_, support, points); };
        SlimResult out;
        out.complete = !state_.stop() && scan_all() && search_pool(0, true);
        out.stop = state_.control.reason();
        out.lower = out.complete ? state_.cutoff() : std::min(state_.proven, state_.cutoff());
        out.counters = state_.counters;
        return out;
    }

    SlimResult run() {
        bool complete = false;
        const bool some = first_cards();
        if (some && !problem_.linear.empty() && state_.best.cost == kInfinite) return {};  // another search is better
        if (some) {
            if (state_.proven < state_.cutoff()) SlimStart<T>(state_, *patterns_, merge_).run(most_terms_);
            complete = state_.proven >= state_.cutoff() || (scan_all() && search_pool(0, true));
        } else {
            complete = true;
        }
        SlimResult out;
        out.complete = complete;
        out.stop = state_.control.reason();
        out.card = state_.best;
        out.lower = complete ? std::max(state_.proven, state_.cutoff()) : state_.proven;
        out.lower = std::min(out.lower, out.card.cost);
        if (out.card.cost < kInfinite) state_.control.report(out.card.cost, out.lower);
        out.counters = state_.counters;
        out.bytes = state_.control.bytes();
        out.progress = state_.control.progress();
        return out;
    }

  private:
    // What is known before any search; false where no card at all is admitted.
    bool first_cards() {
        state_.proven = problem_.cost(options_.least_errors, 0, 0);
        offer({}, {});
        if (!options_.start.empty()) {
            std::vector<int> support, points;
            for (int j = 0; j < problem_.n_terms; ++j)
                if (options_.start[j]) {
                    support.push_back(j);
                    points.push_back(options_.start[j]);
                }
            offer(support, points);
            const SlimCard better = SlimStart<T>(state_, *patterns_, merge_).polish(support, points);
            if (better.cost < kInfinite && problem_.constraints.admits(better.points)) state_.offer(better);
        }
        if (state_.best.cost < kInfinite) return true;
        return any_support(problem_, std::vector<Use>(problem_.n_terms, Use::open), [&](const std::vector<int>& support) {
            std::vector<int> points;
            if (!admitted_points(problem_, support, points)) return false;
            offer(support, points);
            return true;
        });
    }
    void offer(const std::vector<int>& support, const std::vector<int>& points) {
        std::vector<int> all(problem_.n_terms, 0);
        for (std::size_t i = 0; i < support.size(); ++i) all[support[i]] = points[i];
        if (problem_.constraints.admits(all)) state_.offer(problem_.exact(support, points));
    }

    // Tables are made for supports of two terms, then three, ..., as long as they fit.
    bool scan_yes_no(int n) {
        const auto search = [&](std::span<const int> support) { return take(support); };
        const auto fits = [&](int m) {
            return m <= SlimTables<T>::kMostTerms &&
                   SlimTables<T>::bytes(root_.n_columns, m) <= double(options_.table_bytes);
        };
        if (fits(n)) {
            if (n == 2) tables_.emplace(state_, root_.names, kernels_);
            return tables_->run(n, n < std::min(most_terms_, root_.n_columns) && fits(n + 1), search);
        }
        tables_.reset();
        return SlimScan<T>(state_, root_, kernels_).run(n, search);
    }

    bool scan_all() {
        for (int n = 1; n <= most_terms_; ++n)
            for (int n_others = std::min<int>(n, int(others_.size())); n_others >= 0; --n_others) {
                const int n_yes_no = n - n_others;
                if (n_yes_no > root_.n_columns) continue;
                if (n_others == 0 && n_yes_no > 1) {
                    if (!scan_yes_no(n_yes_no)) return false;
                } else {
                    std::vector<int> support;
                    if (!combine(support, n_others, 0, n_yes_no)) return false;
                }
            }
        return true;
    }

    // Supports with terms of many values, one by one.
    bool combine(std::vector<int>& support, int n_others, int from, int n_yes_no) {
        const std::vector<int>& terms = n_others ? others_ : root_.names;
        const int left = n_others ? n_others : n_yes_no;
        if (left == 0) {
            ++state_.counters.supports;
            return !state_.stop() && take(support);
        }
        for (int c = from; c + left <= int(terms.size()); ++c) {
            support.push_back(terms[c]);
            const bool ended = n_others ? combine(support, n_others - 1, n_others > 1 ? c + 1 : 0, n_yes_no)
                                        : combine(support, 0, c + 1, n_yes_no - 1);
            support.pop_back();
            if (!ended) return false;
        }
        return true;
    }

    // A support that conflicts do not rule out.
    bool take(std::span<const int> support) {
        if (problem_.constraints.on_supports() && !problem_.constraints.admits_support(support)) return true;
        const Cost cutoff = state_.cutoff();
        const Cost bound = patterns_->takes(support) ? patterns_->bound(support, cutoff) : merge_.bound(support, cutoff);
        if (bound >= cutoff) return true;
        pool_.add(bound, support);
        if (pool_.bytes() <= options_.pool_bytes) return true;
        return search_pool(options_.pool_bytes / 2, false);
    }

    // Searches the pool by halves until it is no larger than `bytes`. last: all supports have been scanned, so it is
    // searched to its end, and its least bound is one of all cards. False where stopped.
    bool search_pool(std::int64_t bytes, bool last) {
        while (!pool_.empty() && (last || pool_.bytes() > bytes)) {
            bool stopped = false;
            pool_.drain(
                last ? pool_.size() : pool_.size() / 2 + 1,
                [&](Cost bound, const std::vector<int>& support) {
                    if (last) state_.prove(std::min(bound, state_.cutoff()));
                    Cost lower = 0;
                    const SlimCard card = patterns_->takes(support) ? patterns_->solve(support, state_.cutoff(), lower)
                                                                    : merge_.solve(support, state_.cutoff(), lower);
                    if (card.cost < state_.best.cost) state_.offer(card);
                    stopped = state_.stop();
                    return !stopped;
                },
                [&] { return state_.cutoff(); });
            if (stopped) return false;
        }
        return true;
    }

    const SlimProblem& problem_;
    const SlimOptions& options_;
    SlimKernels<T> kernels_;
    SlimState state_;
    std::vector<int> others_;  // terms that are not 0/1
    SlimLayer<T> root_;
    std::optional<SlimOrders> orders_;
    std::optional<SlimPatterns<T>> patterns_;
    SlimMerge merge_;
    SlimPool pool_;
    std::optional<SlimTables<T>> tables_;
    int most_terms_ = 0;
};

// The search with the narrowest nets that hold every sum.
inline SlimResult search_slim(const SlimProblem& problem, const SlimOptions& options, Control& control) {
    if (problem.net_size < (Cost(1) << 29)) return SlimSearch<std::int32_t>(problem, options, control).run();
    return SlimSearch<std::int64_t>(problem, options, control).run();
}

// Where rows are many and have many values, exact cuts are slow: a first card from some of the rows. They are chosen by
// their values, so that the order of rows does not matter.
inline std::vector<int> points_of_sample(std::span<const double> matrix, int n_terms, std::span<const std::int32_t> codes,
                                         std::span<const double> weights, const SlimProblem& whole, Control& control) {
    constexpr int kEnough = 3000;
    const bool yes_no = std::all_of(whole.columns.begin(), whole.columns.end(), [](const auto& c) { return c.zero_one; });
    if (yes_no || whole.n_rows < 2 * kEnough || whole.limited()) return {};
    const int share = whole.n_rows / kEnough;
    std::vector<double> rows, some_weights;
    std::vector<std::int32_t> some_codes;
    for (std::size_t i = 0; i < codes.size(); ++i) {
        const double* row = matrix.data() + i * n_terms;
        std::uint64_t h = 0;
        for (int j = 0; j < n_terms; ++j) h = (h ^ std::bit_cast<std::uint64_t>(row[j] + 0.0)) * 0xFF51AFD7ED558CCDull;
        if ((h >> 40) % share) continue;
        rows.insert(rows.end(), row, row + n_terms);
        some_codes.push_back(codes[i]);
        some_weights.push_back(weights[i]);
    }
    if (std::none_of(some_weights.begin(), some_weights.end(), [](double w) { return w > 0; })) return {};
    const std::int64_t before = control.bytes();
    control.allocated(std::int64_t(rows.size()) * 8);
    const CardRows merged(rows, n_terms, some_codes, some_weights);
    const SlimProblem problem(merged, whole.constraints, whole.weights, whole.linear);
    const SlimOptions options;
    std::vector<int> points = SlimSearch<std::int64_t>(problem, options, control).quick().points;
    control.allocated(before - control.bytes());
    return points;
}

}  // namespace treeml
