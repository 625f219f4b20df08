// The best points for terms of any kind: a walk over the points of one term after the other.
//
// Once the points of the first t terms are fixed, a card cuts, within each cell of rows that agree on the other
// terms, the order by the scores so far at one place; so each cell costs at least its least prefix sum of nets. For
// t = 0 this is the conflict bound, for t = s it is exact. Minus the points reverse the order: least prefixes become
// least suffixes, so one walk over points with w_1 > 0 serves both.
#pragma once

#include <numeric>
#include <tuple>

#include "treeml/slim_problem.hpp"

namespace treeml {

class SlimMerge {
  public:
    explicit SlimMerge(SlimState& state) : state_(state), problem_(state.problem), ranks_(problem_.n_terms) {}

    // As SlimPatterns::solve.
    SlimCard solve(std::span<const int> support, Cost cutoff, Cost& lower) {
        cutoff_ = cutoff;
        best_ = SlimCard();
        stopped_ = false;
        ++state_.counters.searched;
        set_up(support);
        Cost conflicts = problem_.all_positive;
        for (const Pattern& pattern : patterns_) conflicts += std::min<Cost>(0, pattern.net);
        lower = problem_.cost(conflicts, n_, rest_[0]);
        if (lower < cutoff_) {
            Level& root = levels_[0];
            root.order.resize(patterns_.size());
            std::iota(root.order.begin(), root.order.end(), 0);
            root.score.assign(patterns_.size(), 0);
            descend(0, 0, true, true);
        }
        if (!stopped_) lower = std::max(lower, cutoff_);
        return best_;
    }

    // Cheaper: the first term alone, in either direction.
    Cost bound(std::span<const int> support, Cost cutoff) {
        cutoff_ = cutoff;
        set_up(support);
        Level& root = levels_[0];
        root.order.resize(patterns_.size());
        std::iota(root.order.begin(), root.order.end(), 0);
        root.score.assign(patterns_.size(), 0);
        sort(0, 1);
        Cost up, down;
        bound(1, up, down);
        return problem_.cost(std::min(up, down), n_, rest_[0]);
    }

  private:
    struct Pattern {
        Cost net = 0;
        std::int64_t positive = 0, negative = 0;
    };
    struct Level {
        std::vector<int> order;            // patterns by rising score
        std::vector<std::int64_t> score;   // in that order
        std::vector<int> no, yes;          // places in order where a 0/1 term is 0, 1
    };

    // Terms with many values first: their points order the rows of a cell, those of yes/no terms only shift them.
    void set_up(std::span<const int> support) {
        support_.assign(support.begin(), support.end());
        n_ = static_cast<int>(support.size());
        std::stable_sort(support_.begin(), support_.end(), [&](int a, int b) {
            return ranks(a).n_distinct > ranks(b).n_distinct;
        });
        rest_.assign(n_ + 1, 0);
        for (int t = n_; t--;) rest_[t] = rest_[t + 1] + problem_.least_size(support_[t]);
        if (int(levels_.size()) <= n_) levels_.resize(n_ + 1);
        points_.assign(n_, 0);
        group();
    }

    struct Ranks {
        int n_distinct = 0;
        std::vector<std::int32_t> of_row;  // among the distinct values; empty for a 0/1 term
    };
    const Ranks& ranks(int j) {
        Ranks& out = ranks_[j];
        const std::vector<std::int64_t>& values = problem_.columns[j].values;
        if (problem_.columns[j].zero_one) out.n_distinct = 2;
        if (out.n_distinct) return out;
        std::vector<std::int64_t> distinct = values;
        std::sort(distinct.begin(), distinct.end());
        distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
        for (std::int64_t x : values)
            out.of_row.push_back(static_cast<std::int32_t>(
                std::lower_bound(distinct.begin(), distinct.end(), x) - distinct.begin()));
        out.n_distinct = static_cast<int>(distinct.size());
        return out;
    }

    // Rows that agree on all terms become one pattern; cells_[t]: of every pattern, which agree from term t on.
    void group() {
        const int n_rows = problem_.n_rows;
        std::vector<std::vector<int>> of_row(n_ + 1, std::vector<int>(n_rows, 0));
        n_cells_.assign(n_ + 1, 1);
        for (int t = n_; t--;) {
            const int j = support_[t];
            const Ranks& ranks = this->ranks(j);
            const std::int64_t base = ranks.n_distinct;
            keys_.resize(n_rows);
            for (int r = 0; r < n_rows; ++r)
                keys_[r] = of_row[t + 1][r] * base + (ranks.of_row.empty() ? problem_.rows.columns[j].bytes[r] : ranks.of_row[r]);
            n_cells_[t] = number(n_cells_[t + 1] * base, of_row[t]);
        }
        patterns_.assign(n_cells_[0], Pattern());
        std::vector<int> example(n_cells_[0]);
        for (int r = 0; r < n_rows; ++r) {
            Pattern& pattern = patterns_[of_row[0][r]];
            pattern.net += problem_.net[r];
            pattern.positive += problem_.positive[r];
            pattern.negative += problem_.negative[r];
            example[of_row[0][r]] = r;
        }
        cells_.assign(n_ + 1, std::vector<int>(patterns_.size()));
        values_.assign(n_, std::vector<std::int64_t>(patterns_.size()));
        for (std::size_t i = 0; i < patterns_.size(); ++i)
            for (int t = 0; t <= n_; ++t) {
                cells_[t][i] = of_row[t][example[i]];
                if (t == n_) break;
                values_[t][i] = problem_.value(support_[t], example[i]);
            }
        sums_.resize(patterns_.size());
        least_.resize(patterns_.size());
        most_.resize(patterns_.size());
    }

    // Numbers the distinct keys_ below `size`, in the order of keys so that rows may come in any order.
    int number(std::int64_t size, std::vector<int>& numbers) {
        int n = 0;
        if (size <= 4 * std::int64_t(keys_.size()) + 1024) {
            table_.assign(size, -1);
            for (std::int64_t key : keys_) table_[key] = 0;
            for (int& at : table_)
                if (at == 0) at = n++;
            for (std::size_t r = 0; r < keys_.size(); ++r) numbers[r] = table_[keys_[r]];
            return n;
        }
        std::vector<std::int64_t> distinct = keys_;
        std::sort(distinct.begin(), distinct.end());
        distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
        for (std::size_t r = 0; r < keys_.size(); ++r)
            numbers[r] = static_cast<int>(std::lower_bound(distinct.begin(), distinct.end(), keys_[r]) - distinct.begin());
        return static_cast<int>(distinct.size());
    }

    // Points of the first t terms are fixed; up, down: whether they, or minus them, may lead to a card.
    void descend(int t, std::int64_t sum, bool up, bool down) {
        if (t == n_) return;
        const int j = support_[t];
        Level& level = levels_[t];
        if (problem_.columns[j].zero_one) {
            level.no.clear();
            level.yes.clear();
            for (int i = 0; i < int(level.order.size()); ++i) (values_[t][level.order[i]] ? level.yes : level.no).push_back(i);
        }
        const int low = problem_.constraints.low[j], high = problem_.constraints.high[j];
        const int most = std::max({high, -low, 0});
        for (int w = t ? -most : 1; w <= most && !stopped_; ++w) {
            const bool can_up = up && w >= low && w <= high, can_down = down && -w >= low && -w <= high;
            if (!w || !(can_up || can_down)) continue;
            points_[t] = w;
            const std::int64_t now = sum + std::abs(w);
            const bool hope_up = can_up && linear_hope(t + 1, 1), hope_down = can_down && linear_hope(t + 1, -1);
            if (!hope_up && !hope_down) continue;
            if (problem_.columns[j].zero_one) merge(t, w);
            else sort(t, w);
            look(t + 1, now, hope_up, hope_down);
        }
    }

    // What scores in the order of levels_[t] cost at least; goes on where that leaves hope.
    void look(int t, std::int64_t sum, bool up, bool down) {
        if (++visits_ % 64 == 0 && state_.stop()) {
            stopped_ = true;
            return;
        }
        ++state_.counters.orders;
        Cost errors_up, errors_down;
        bound(t, errors_up, errors_down);
        up = up && problem_.cost(errors_up, n_, sum + rest_[t]) < cutoff_;
        down = down && problem_.cost(errors_down, n_, sum + rest_[t]) < cutoff_;
        if (!up && !down) return;
        if (t < n_) return descend(t, sum, up, down);
        if (up) accept(errors_up, sum);
        if (down) {
            for (int& w : points_) w = -w;
            accept(errors_down, sum);
            for (int& w : points_) w = -w;
        }
    }

    // Whether points of the first t terms, times sign, leave hope for the linear constraints on points alone.
    bool linear_hope(int t, int sign) const {
        for (const SlimLinear& row : problem_.linear) {
            if (row.of_cut != 0) continue;
            double least = 0, most = 0, size = 1;
            for (int i = 0; i < n_; ++i) {
                const int j = support_[i];
                const double a = row.of_term[j];
                const double x = a * (i < t ? sign * points_[i] : problem_.constraints.low[j]);
                const double y = a * (i < t ? sign * points_[i] : problem_.constraints.high[j]);
                least += std::min(x, y);
                most += std::max(x, y);
                size += std::max(std::abs(x), std::abs(y));
            }
            if (most < row.low - 1e-12 * size || least > row.high + 1e-12 * size) return false;
        }
        return true;
    }

    void accept(Cost errors, std::int64_t sum) {
        if (problem_.cost(errors, n_, sum) >= cutoff_ || !problem_.admits_points(support_, points_)) return;
        if (state_.collect) {
            if (!problem_.constraints.smallest(support_, points_)) return;
            state_.collect(support_, points_);
            cutoff_ = state_.cutoff();
            return;
        }
        if (problem_.limited()) {
            const Cost found = limited();
            if (found == kInfinite || problem_.cost(found, n_, sum) >= cutoff_) return;
        }
        best_ = problem_.exact(support_, points_);
        cutoff_ = best_.cost;
    }

    Cost limited() const {
        const Level& level = levels_[n_];
        const int n = static_cast<int>(level.order.size());
        const bool reversed = points_[0] < 0;
        SlimCut cut(problem_, support_, points_);
        for (int i = 0; i < n;) {
            const auto at = [&](int k) { return reversed ? n - 1 - k : k; };
            const std::int64_t score = level.score[at(i)];
            Pattern group;
            for (; i < n && level.score[at(i)] == score; ++i) {
                const Pattern& pattern = patterns_[level.order[at(i)]];
                group.net += pattern.net;
                group.positive += pattern.positive;
                group.negative += pattern.negative;
            }
            cut.group(reversed ? -score : score, group.net, group.positive, group.negative);
        }
        cut.end();
        return cut.best;
    }

    // levels_[t + 1] from levels_[t] where term t is 0/1: two sorted lists, one shifted by w.
    void merge(int t, int w) {
        const Level& from = levels_[t];
        Level& to = levels_[t + 1];
        const std::size_t n = from.order.size();
        to.order.resize(n);
        to.score.resize(n);
        const std::int64_t shift = w * problem_.weights.one;
        std::size_t a = 0, b = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const bool take_no = b == from.yes.size() ||
                                 (a < from.no.size() && from.score[from.no[a]] <= from.score[from.yes[b]] + shift);
            const int at = take_no ? from.no[a++] : from.yes[b++];
            to.order[i] = from.order[at];
            to.score[i] = from.score[at] + (take_no ? 0 : shift);
        }
    }

    void sort(int t, int w) {
        const Level& from = levels_[t];
        Level& to = levels_[t + 1];
        const std::size_t n = from.order.size();
        to.order.resize(n);
        to.score.resize(n);
        scores_.resize(n);
        std::int64_t least = std::numeric_limits<std::int64_t>::max(), most = std::numeric_limits<std::int64_t>::min();
        for (std::size_t i = 0; i < n; ++i) {
            scores_[i] = from.score[i] + w * values_[t][from.order[i]];
            least = std::min(least, scores_[i]);
            most = std::max(most, scores_[i]);
        }
        int shift = 0;  // scores that differ below this bit share a bucket
        while ((most - least) >> shift > 4 * std::int64_t(n) + 256) ++shift;
        table_.assign(((most - least) >> shift) + 2, 0);
        for (std::int64_t score : scores_) ++table_[((score - least) >> shift) + 1];
        for (std::size_t k = 1; k < table_.size(); ++k) table_[k] += table_[k - 1];
        by_score_.resize(n);
        for (std::size_t i = 0; i < n; ++i) by_score_[table_[(scores_[i] - least) >> shift]++] = {scores_[i], from.order[i]};
        if (shift) {  // now table_[k] is where bucket k ends
            int begin = 0;
            for (int end : table_) {
                if (end - begin > 1) std::sort(by_score_.begin() + begin, by_score_.begin() + end);
                begin = end;
            }
        }
        for (std::size_t i = 0; i < n; ++i) std::tie(to.score[i], to.order[i]) = by_score_[i];
    }

    // Sum over cells of the least errors of a cut, for the scores and for minus the scores.
    void bound(int t, Cost& up, Cost& down) {
        const Level& level = levels_[t];
        const std::vector<int>& cell = cells_[t];
        const int n = static_cast<int>(level.order.size()), n_cells = n_cells_[t];
        std::fill_n(sums_.begin(), n_cells, 0);
        std::fill_n(least_.begin(), n_cells, 0);
        std::fill_n(most_.begin(), n_cells, 0);
        for (int i = 0; i < n;) {
            int end = i;
            for (; end < n && level.score[end] == level.score[i]; ++end)
                sums_[cell[level.order[end]]] += patterns_[level.order[end]].net;
            for (; i < end; ++i) {
                const int c = cell[level.order[i]];
                least_[c] = std::min(least_[c], sums_[c]);
                most_[c] = std::max(most_[c], sums_[c]);
            }
        }
        up = down = problem_.all_positive;
        for (int c = 0; c < n_cells; ++c) {
            up += least_[c];
            down += sums_[c] - most_[c];
        }
    }

    SlimState& state_;
    const SlimProblem& problem_;
    int n_ = 0, visits_ = 0;
    bool stopped_ = false;
    Cost cutoff_ = 0;
    std::vector<Ranks> ranks_;  // of the terms that were asked for
    std::vector<int> support_, points_;
    std::vector<std::int64_t> rest_;  // least sum of sizes of the terms from t on
    std::vector<Pattern> patterns_;
    std::vector<std::vector<int>> cells_;
    std::vector<int> n_cells_;
    std::vector<std::vector<std::int64_t>> values_;
    std::vector<Level> levels_;
    std::vector<std::int64_t> keys_, scores_;
    std::vector<int> table_;
    std::vector<std::pair<std::int64_t, int>> by_score_;
    std::vector<Cost> sums_, least_, most_;
    SlimCard best_;
};

}  // namespace treeml
