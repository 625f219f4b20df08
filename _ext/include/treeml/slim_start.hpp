// First cards for SLIM: one that is admitted at all, then a beam over supports.
#pragma once

#include <set>

#include "treeml/slim_merge.hpp"
#include "treeml/slim_patterns.hpp"

namespace treeml {

// Some points for a support that obey ranges and order; false where there are none.
inline bool admitted_points(const SlimProblem& problem, std::span<const int> support, std::vector<int>& points,
                            std::size_t i = 0) {
    if (i == 0) points.assign(support.size(), 0);
    if (i == support.size()) return problem.admits_points(support, points);
    const int low = problem.constraints.low[support[i]], high = problem.constraints.high[support[i]];
    // With order, every value may matter; without, the first will do.
    for (int size = 1; size <= std::max(high, -low); ++size)
        for (int w : {size, -size}) {
            if (w < low || w > high) continue;
            points[i] = w;
            if (admitted_points(problem, support, points, i + 1)) return true;
            if (problem.constraints.order.empty()) return false;
        }
    return false;
}

// Goes through supports until `visit(support)` is true.
template <class Visit>
bool any_support(const SlimProblem& problem, std::vector<Use> use, const Visit& visit) {
    if (!problem.constraints.propagate(use)) return false;
    const auto open = std::find(use.begin(), use.end(), Use::open);
    if (open == use.end()) {
        std::vector<int> support;
        for (int j = 0; j < problem.n_terms; ++j)
            if (use[j] == Use::in) support.push_back(j);
        return problem.constraints.admits_support(support) && visit(support);
    }
    for (const Use to : {Use::out, Use::in}) {
        *open = to;
        if (any_support(problem, use, visit)) return true;
    }
    return false;
}

// Supports grow term by term; the best few of each size go on, ranked by their bound first and, where that is
// small, by the best card on them. In the end terms of the best card are exchanged while that helps.
template <class T>
class SlimStart {
  public:
    SlimStart(SlimState& state, SlimPatterns<T>& patterns, SlimMerge& merge)
        : state_(state), problem_(state.problem), patterns_(patterns), merge_(merge) {}

    void run(int most_terms) {
        std::vector<Known> beam{{kInfinite, {}, {}}};
        for (int n = 1; n <= most_terms && !state_.stop(); ++n) {
            beam = grow(beam);
            if (beam.empty()) return;
        }
        for (int turn = 0; turn < kTurns && state_.best.cost < kInfinite && !state_.stop(); ++turn) {
            const Cost before = state_.best.cost;
            exchange();
            if (state_.best.cost == before) break;
        }
    }

    // Improves points one by one while that helps; any support.
    SlimCard polish(std::vector<int> support, std::vector<int> points) {
        SlimCard best;
        if (problem_.admits_points(support, points)) best = problem_.exact(support, points);
        for (bool better = true; better && !state_.stop();) {
            better = false;
            for (std::size_t i = 0; i < support.size() && !state_.stop(); ++i) {
                const int at = points[i];
                int kept = at;
                for (int w = problem_.constraints.low[support[i]]; w <= problem_.constraints.high[support[i]]; ++w) {
                    points[i] = w;
                    if (!w || w == at || !problem_.admits_points(support, points)) continue;
                    const SlimCard card = problem_.exact(support, points);
                    if (card.cost >= best.cost) continue;
                    best = card;
                    kept = w;
                    better = true;
                }
                points[i] = kept;
            }
        }
        return best;
    }

  private:
    static constexpr int kBeam = 6, kTried = 24, kTurns = 6;

    struct Known {
        Cost cost;
        std::vector<int> support, points;
    };

    std::vector<Known> grow(const std::vector<Known>& beam) {
        std::set<std::vector<int>> seen;
        std::vector<Known> out;
        for (const Known& parent : beam)
            for (int j = 0; j < problem_.n_terms; ++j) {
                if (state_.stop()) return {};
                add(parent, j, seen, out);
            }
        return best_of(out);
    }

    void exchange() {
        std::set<std::vector<int>> seen;
        std::vector<Known> out;
        Known now{0, {}, {}};
        for (int j = 0; j < problem_.n_terms; ++j)
            if (state_.best.points[j]) {
                now.support.push_back(j);
                now.points.push_back(state_.best.points[j]);
            }
        for (std::size_t i = 0; i < now.support.size(); ++i) {
            Known parent = now;
            parent.support.erase(parent.support.begin() + i);
            parent.points.erase(parent.points.begin() + i);
            for (int j = 0; j < problem_.n_terms && !state_.stop(); ++j) add(parent, j, seen, out);
        }
        best_of(out);
    }

    void add(const Known& parent, int j, std::set<std::vector<int>>& seen, std::vector<Known>& out) {
        if (!problem_.constraints.usable(j)) return;
        const auto at = std::lower_bound(parent.support.begin(), parent.support.end(), j);
        if (at != parent.support.end() && *at == j) return;
        Known child = parent;
        const auto place = at - parent.support.begin();
        child.support.insert(child.support.begin() + place, j);
        if (!seen.insert(child.support).second) return;
        child.points.insert(child.points.begin() + place, problem_.constraints.high[j] > 0
                                                              ? std::max(1, problem_.constraints.low[j])
                                                              : std::min(-1, problem_.constraints.high[j]));
        child.cost = patterns_.takes(child.support) ? patterns_.bound(child.support, kInfinite)
                                                    : merge_.bound(child.support, kInfinite);
        out.push_back(std::move(child));
    }

    std::vector<Known> best_of(std::vector<Known>& known) {
        const auto cheaper = [](const Known& a, const Known& b) { return a.cost < b.cost; };
        std::stable_sort(known.begin(), known.end(), cheaper);
        if (known.size() > kTried) known.resize(kTried);
        for (Known& one : known) {
            if (state_.stop()) return {};
            Cost lower;
            const SlimCard card = patterns_.takes(one.support) ? patterns_.solve(one.support, kInfinite, lower)
                                                               : polish(one.support, one.points);
            one.cost = card.cost;
            if (card.cost == kInfinite) continue;
            for (std::size_t i = 0; i < one.support.size(); ++i) one.points[i] = card.points[one.support[i]];
            if (problem_.constraints.admits(card.points)) state_.offer(card);
        }
        std::stable_sort(known.begin(), known.end(), cheaper);
        if (known.size() > kBeam) known.resize(kBeam);
        return known;
    }

    SlimState& state_;
    const SlimProblem& problem_;
    SlimPatterns<T>& patterns_;
    SlimMerge& merge_;
};

}  // namespace treeml
