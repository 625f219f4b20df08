// First cards: a beam search over supports with candidates screened by one Newton step, swaps, then points.
// After J. Liu, C. Zhong, B. Li, M. Seltzer, C. Rudin, "FasterRisk" (NeurIPS 2022) and J. Zhu et al., "A
// polynomial algorithm for best-subset selection" (PNAS 2020, splicing); screening and rounding are our own.
#pragma once

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <vector>

#include "treeml/card_groups.hpp"
#include "treeml/card_rounding.hpp"
#include "treeml/control.hpp"

namespace treeml {

using Support = std::vector<int>;  // ascending

struct SupportHash {
    std::size_t operator()(const Support& support) const {
        std::uint64_t h = 0x9E3779B97F4A7C15ull;
        for (int j : support) {
            h = (h ^ std::uint64_t(j + 1)) * 0xFF51AFD7ED558CCDull;
            h ^= h >> 29;
        }
        return static_cast<std::size_t>(h);
    }
};

class CardBeam {
  public:
    Card best;

    CardBeam(const CardProblem& problem, Control& control) : problem_(problem), control_(control) {}

    void run(int width, int n_candidates) {
        null_card();
        std::vector<Support> path, starts;
        std::vector<Support> level = grow(width, n_candidates, path);
        starts.assign(level.begin(), level.begin() + std::min<std::size_t>(2, level.size()));
        if (double(problem_.rows.n_rows) * problem_.rows.n_terms < kFewCells && !separated(starts)) {
            kin_.find(problem_);  // once more with candidates of different groups, which near copies would crowd out
            std::vector<Support> other;
            level = grow(3, n_candidates, other);
            kin_ = {};
            if (!level.empty() && std::find(starts.begin(), starts.end(), level[0]) == starts.end()) starts.push_back(level[0]);
        }
        if (!separated(starts)) overshoot(path, starts);
        if (!separated(starts)) pairs(path, starts);
        if (!separated(starts))
            for (Support start : starts) swap(std::move(start), std::min(n_candidates, 4));
        round_best();
    }

    // Real coefficients of a support, from those of an earlier fit where there is one.
    SupportFit& fit(const Support& support, const std::vector<double>* start = nullptr) {
        const auto [it, fresh] = seen_.try_emplace(support);
        if (!fresh) return it->second;
        if (start) it->second.beta = *start;
        else {
            it->second.beta.assign(support.size() + 1, 0.0);
            it->second.intercept() = problem_.base;
        }
        Patterns patterns(problem_, support);
        NewtonFit newton(patterns.block, box(support, problem_.lower), box(support, problem_.upper));
        newton.run(it->second, 1e-9 * problem_.rows.total + 1e-5, 25);
        if (start && it->second.decrement > 1e-3 && it->second.loss > 1e-9 * problem_.rows.total) {  // a saturated start
            SupportFit again;
            again.beta.assign(support.size() + 1, 0.0);
            again.intercept() = problem_.base;
            newton.run(again, 1e-9 * problem_.rows.total + 1e-5, 40);
            if (again.loss < it->second.loss) it->second = again;
        }
        return it->second;
    }

    // Points for a support; where coefficients are steep, also near fits with a little ridge.
    void round(const Support& support, bool thorough) {
        SupportFit& found = fit(support);
        const Patterns patterns(problem_, support);
        const std::vector<double> lower = box(support, problem_.lower), upper = box(support, problem_.upper);
        if (problem_.real) {
            NewtonFit(patterns.block, lower, upper).run(found, 1e-20 * problem_.rows.total, 60);
            take({support, {}, 1, found.intercept(), found.loss, {found.beta.begin(), found.beta.end() - 1}});
            return;
        }
        if (found.decrement > 1e-8) NewtonFit(patterns.block, lower, upper).run(found, 1e-9, 30);
        CardRounding rounding(problem_, support, patterns);
        double steepest = 0;
        for (std::size_t t = 0; t < support.size(); ++t)
            steepest = std::max(steepest, std::abs(found.beta[t]) * problem_.rows.columns[support[t]].size);
        take(rounding.run(found, thorough, steepest > 6));
        if (steepest <= 6) return;
        for (double ridge : {.02, .5}) {
            SupportFit near;
            near.beta.assign(support.size() + 1, 0.0);
            near.intercept() = problem_.base;
            NewtonFit(patterns.block, lower, upper).run(near, 1e-8, 40, ridge);
            near.loss = std::min(near.loss, found.loss);
            take(rounding.run(near, thorough, true));
        }
    }

    // Forgets fits where there are many; a long search comes by far more supports than it meets again.
    void trim() {
        if (seen_.size() > kMostFits) seen_.clear();
    }

    void take(const Card& card) {
        if (card.loss < best.loss - 1e-9) best = card;
    }

    static std::vector<double> box(const Support& support, const std::vector<double>& of) {
        std::vector<double> out;
        for (int j : support) out.push_back(of[j]);
        return out;
    }

  private:
    static constexpr std::size_t kMostFits = 1 << 14;
    static constexpr double kFewCells = 2.5e5;  // below this a second beam costs next to nothing

    // Whether a support fits all but perfectly: none is better.
    bool separated(const std::vector<Support>& starts) {
        return std::any_of(starts.begin(), starts.end(), [&](const Support& s) { return seen_[s].loss < 1e-6 * problem_.rows.total; });
    }

    int most() const { return std::min(problem_.constraints.max_features, problem_.rows.n_terms); }

    // A card without points, where the constraints allow it.
    void null_card() {
        if (!problem_.admits({}, {})) return;
        double loss = 0;
        for (int i = 0; i < problem_.rows.n_rows; ++i)
            loss += problem_.rows.weight[i] * (std::log1p(std::exp(-std::abs(problem_.base))) + std::max(problem_.base, 0.0)) -
                    problem_.rows.positive[i] * problem_.base;
        best = {{}, {}, 0, problem_.base, loss};
    }

    // The support with what its terms imply; empty uses where nothing is admitted.
    Support closed(const Support& support) const {
        if (!problem_.constraints.on_supports()) return support;
        std::vector<Use> use(problem_.rows.n_terms, Use::open);
        for (int j : support) use[j] = Use::in;
        if (!problem_.constraints.propagate(use)) return {};
        Support out;
        for (int j = 0; j < problem_.rows.n_terms; ++j)
            if (use[j] == Use::in) out.push_back(j);
        return out;
    }

    static Support with(const Support& support, int j) {
        Support out = support;
        out.insert(std::lower_bound(out.begin(), out.end(), j), j);
        return out;
    }

    // The support with one term more (and what that implies), fitted; null where it is not admitted.
    const Support* child(const Support& support, const SupportFit& from, int j) {
        child_ = closed(with(support, j));
        if (!std::binary_search(child_.begin(), child_.end(), j) || static_cast<int>(child_.size()) > most()) return nullptr;
        std::vector<double> start(child_.size() + 1, 0.0);
        for (std::size_t t = 0, s = 0; t < child_.size(); ++t)
            if (s < support.size() && support[s] == child_[t]) start[t] = from.beta[s++];
        start.back() = from.intercept();
        fit(child_, &start);
        return &child_;
    }

    // Level by level up to the most terms; `path` gets the best support of every size.
    std::vector<Support> grow(int width, int n_candidates, std::vector<Support>& path) {
        std::vector<Support> level{closed({})};
        fit(level[0]);
        path.assign(level[0].size() + 1, level[0]);
        while (static_cast<int>(level[0].size()) < most() && !control_.stop(true)) {
            std::vector<Support> next = expand(level, width, n_candidates);
            if (next.empty()) break;
            level = std::move(next);
            path.resize(std::max(path.size(), level[0].size() + 1));
            path[level[0].size()] = level[0];
            if (seen_[level[0]].loss < 1e-6 * problem_.rows.total) break;
        }
        return level;
    }

    std::vector<Support> expand(const std::vector<Support>& level, int width, int n_candidates) {
        std::set<std::pair<double, Support>> next;
        for (const Support& support : level) {
            const SupportFit from = seen_[support];
            for (int j : screen(support, from, n_candidates))
                if (const Support* made = child(support, from, j)) next.insert({seen_[*made].loss, *made});
        }
        std::vector<Support> out;
        for (const auto& [loss, support] : next)
            if (static_cast<int>(out.size()) < width) out.push_back(support);
        return out;
    }

    // The terms with the largest gain by one Newton step: first of the term and the intercept alone, then, for
    // the best of these, of all coefficients.
    std::vector<int> screen(const Support& support, const SupportFit& from, int top) {
        const Block& block = problem_.block;
        const int n = block.n_padded, k = static_cast<int>(support.size());
        for (auto* rows : {&z_, &r_, &v_}) rows->resize(n);
        for (auto* rows : {&r32_, &v32_, &t32_}) rows->resize(n);
        std::fill(z_.begin(), z_.end(), from.intercept());
        for (int t = 0; t < k; ++t)
            if (from.beta[t] != 0) block.add(support[t], from.beta[t], z_.data());
        block.kernels->derivatives(n, z_.data(), block.positive, block.weight, r_.data(), v_.data());
        double total = 0;
        for (int i = 0; i < n; ++i) {
            r32_[i] = static_cast<float>(r_[i]);
            v32_[i] = static_cast<float>(v_[i]);
            total += v_[i];
        }
        slope_sums(support);
        std::vector<std::pair<double, int>> gains;
        for (int j = 0; j < block.n_columns(); ++j) {
            const SlopeSums& at = sums_[j];
            if (!at.wanted || blocked(j, at.g)) continue;
            double h = at.h2 - at.h1 * at.h1 / std::max(total, 1e-300);
            if (h < 1e-9 * at.h2 + 1e-12) {
                if (std::abs(at.g) < 1e-6) continue;
                h = 1e-12 + 1e-3 * std::abs(at.g);
            }
            gains.push_back({-at.g * at.g / h, j});
        }
        const std::size_t few = std::min<std::size_t>(gains.size(), std::max(3 * top, 12));
        std::partial_sort(gains.begin(), gains.begin() + few, gains.end());
        gains.resize(few);
        if (k > 0) refine(support, from, gains);
        std::vector<int> out;
        std::vector<char> taken(kin_.size(), 0);
        for (std::size_t a = 0; a < gains.size() && static_cast<int>(out.size()) < top; ++a)
            if (!kin_.size() || !taken[kin_.of[gains[a].second]]++) out.push_back(gains[a].second);
        return out;
    }

    // Whether a step along the gradient leaves the box at once.
    bool blocked(int j, double g) const { return (g > 0 && !(problem_.lower[j] < 0)) || (g < 0 && !(problem_.upper[j] > 0)); }

    // Of every term that may be added: sums of residual x, curvature x, curvature x^2.
    void slope_sums(const Support& support) {
        const Block& block = problem_.block;
        const std::uint8_t* four[4];
        int who[4], waiting = 0;
        sums_.assign(block.n_columns(), {});
        for (int j = 0; j < block.n_columns(); ++j) {
            SlopeSums& at = sums_[j];
            at.wanted = problem_.constraints.usable(j) && !std::binary_search(support.begin(), support.end(), j);
            if (!at.wanted) continue;
            if (!block.columns[j].bytes) {
                at.g = block.dot(j, r_.data());
                at.h1 = block.weigh(j, v32_.data(), t32_.data());
                at.h2 = block.dot(j, static_cast<const float*>(t32_.data()));
                continue;
            }
            four[waiting] = block.columns[j].bytes;
            who[waiting++] = j;
            if (waiting == 4) take_sums(four, who, waiting);
        }
        const int rest = waiting;
        for (int c = rest; c > 0 && c < 4; ++c) four[c] = four[0];
        if (rest) take_sums(four, who, waiting = rest);
    }

    void take_sums(const std::uint8_t* const* four, const int* who, int& waiting) {
        double out[8];
        problem_.block.kernels->four_two_dots_bytes(problem_.block.n_padded, four, r32_.data(), v32_.data(), out);
        for (int c = 0; c < waiting; ++c) {
            sums_[who[c]].g = out[c];
            sums_[who[c]].h1 = sums_[who[c]].h2 = out[4 + c];
        }
        waiting = 0;
    }

    void refine(const Support& support, const SupportFit& from, std::vector<std::pair<double, int>>& gains) {
        const Block& block = problem_.block;
        const int n = static_cast<int>(support.size()) + 1;
        Cholesky factor;
        factor.factor(n, from.hessian, 1e-6);
        std::vector<double> cross(n);
        for (auto& [gain, j] : gains) {
            cross[n - 1] = block.weigh(j, v32_.data(), t32_.data());
            block.dots(support, t32_.data(), cross.data());
            const double own = block.columns[j].bytes ? cross[n - 1] : block.dot(j, static_cast<const float*>(t32_.data()));
            factor.forward(cross.data());
            double rest = own;
            for (double c : cross) rest -= c * c;
            const double g = block.dot(j, r_.data());
            gain = rest > 1e-5 * own ? -g * g / rest : 0;
        }
        std::sort(gains.begin(), gains.end());
    }

    // From a support on the path: a few terms more than allowed, then those out that cost least. Labels that are
    // all but separated deserve more of them.
    void overshoot(const std::vector<Support>& path, std::vector<Support>& starts) {
        const int k = most();
        if (!problem_.plain || k >= problem_.rows.n_terms || starts.empty()) return;
        const int more = k <= 5 ? 3 : 2;
        overshoot(path, std::max(1, k - 2), k + more, starts);
        overshoot(path, k, k + more, starts);
        if (seen_[starts[0]].loss < .05 * problem_.rows.total) overshoot(path, k, k + 6, starts);
    }

    void overshoot(const std::vector<Support>& path, int size, int goal, std::vector<Support>& starts) {
        if (size >= static_cast<int>(path.size()) || control_.stop(true)) return;
        Support support = path[size];
        goal = std::min(goal, problem_.rows.n_terms);
        while (static_cast<int>(support.size()) < goal) {
            const SupportFit from = seen_[support];
            Support grown;
            for (int j : screen(support, from, 2)) {
                Support made = with(support, j);
                std::vector<double> start = from.beta;
                start.insert(start.begin() + (std::lower_bound(made.begin(), made.end(), j) - made.begin()), 0.0);
                const double loss = fit(made, &start).loss;
                if (grown.empty() || loss < seen_[grown].loss) grown = std::move(made);
            }
            if (grown.empty()) break;
            support = std::move(grown);
        }
        while (static_cast<int>(support.size()) > most()) {
            Support least;
            for (std::size_t t = 0; t < support.size(); ++t) {
                const Support made = without(support, t);
                if (least.empty() || seen_[made].loss < seen_[least].loss) least = made;
            }
            support = std::move(least);
        }
        if (std::find(starts.begin(), starts.end(), support) != starts.end()) return;
        if (seen_[support].loss < seen_[starts.back()].loss) starts.back() = support;
    }

    // The support without its t-th term, fitted.
    Support without(const Support& support, std::size_t t) {
        Support made = support;
        made.erase(made.begin() + t);
        std::vector<double> start = seen_[support].beta;
        start.erase(start.begin() + t);
        fit(made, &start);
        return made;
    }

    // Two terms at once, which finds pairs that only help together: the last two, or all of them where labels
    // are all but separated.
    void pairs(const std::vector<Support>& path, std::vector<Support>& starts) {
        const int k = most();
        const bool separable = !starts.empty() && seen_[starts[0]].loss < .05 * problem_.rows.total;
        if (!problem_.plain || k < 2 || (k > 5 && !separable)) return;
        int size = separable ? k % 2 : k - 2;
        if (size >= static_cast<int>(path.size())) return;
        Support support = path[size];
        for (; size < k && !control_.stop(true); size += 2) {
            const int few = size + 2 == k ? 12 : 10;
            support = best_pair(support, few);
            if (support.empty()) return;
        }
        if (static_cast<int>(support.size()) != k || std::find(starts.begin(), starts.end(), support) != starts.end()) return;
        if (starts.empty() || seen_[support].loss < seen_[starts.back()].loss) starts.push_back(support);
    }

    // The support with the two terms of least loss among the `few` best screened ones; empty where there are none.
    Support best_pair(const Support& support, int few) {
        const SupportFit from = fit(support);
        const std::vector<int> top = screen(support, from, few);
        Support found;
        for (std::size_t a = 0; a < top.size(); ++a) {
            const Support one = with(support, top[a]);
            SupportFit middle = from;
            middle.beta.insert(middle.beta.begin() + (std::lower_bound(one.begin(), one.end(), top[a]) - one.begin()), 0.0);
            for (std::size_t b = a + 1; b < top.size(); ++b) {
                const Support* made = child(one, middle, top[b]);
                if (made && (found.empty() || seen_[*made].loss < seen_[found].loss)) found = *made;
            }
        }
        return found;
    }

    // One term out, the best one in, while that helps.
    Support swap(Support support, int n_candidates) {
        for (int round = 0; round < 8 && !support.empty() && !control_.stop(true); ++round) {
            Support better;
            double least = seen_[support].loss - 1e-7;
            for (std::size_t t = 0; t < support.size(); ++t) {
                Support made = support;
                made.erase(made.begin() + t);
                if (!swapped_.insert(made).second) continue;
                made = without(support, t);
                const SupportFit from = seen_[made];
                for (int j : screen(made, from, n_candidates)) {
                    if (j == support[t]) continue;
                    const Support* next = child(made, from, j);
                    if (next && seen_[*next].loss < least) least = seen_[*next].loss, better = *next;
                }
            }
            if (better.empty()) break;
            support = better;
        }
        return support;
    }

    void round_best() {
        std::vector<std::pair<double, Support>> order;
        for (const auto& [support, found] : seen_) {
            if (support.empty() || static_cast<int>(support.size()) > most()) continue;
            if (!problem_.plain && !problem_.constraints.admits_support(support)) continue;
            order.push_back({found.loss, support});
        }
        std::sort(order.begin(), order.end());
        int done = 0;
        for (const auto& [loss, support] : order) {
            if (loss >= best.loss - 1e-9 || done >= 10 || (done > 0 && control_.stop(true))) break;
            round(support, done++ < 3);
        }
    }

    const CardProblem& problem_;
    Control& control_;
    std::unordered_map<Support, SupportFit, SupportHash> seen_;
    std::set<Support> swapped_;
    TermGroups kin_;  // while candidates must differ
    Support child_;
    struct SlopeSums {
        bool wanted = false;
        double g = 0, h1 = 0, h2 = 0;
    };
    std::vector<SlopeSums> sums_;
    std::vector<double> z_, r_, v_;
    std::vector<float> r32_, v32_, t32_;
};

}  // namespace treeml
