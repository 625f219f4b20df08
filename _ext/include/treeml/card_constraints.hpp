// Which scorecards are admitted, and what that leaves open at a node of a search over supports.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace treeml {

// Where a term stands in a search: undecided, used, not used.
enum class Use : std::uint8_t { open, in, out };

struct CardConstraints {
    using Terms = std::vector<int>;
    struct Limit {
        std::vector<Terms> items;  // an item is used where one of its terms is
        int most;
    };

    std::vector<int> low, high;  // points of a term that is used; 0 is always allowed
    std::vector<Terms> required;
    std::vector<Limit> limits;
    std::vector<std::pair<Terms, Terms>> implications;  // one of the first is used: so is one of the second
    std::vector<std::pair<int, int>> order;             // points[first] <= points[second]
    int max_features = 0;

    int n_terms() const { return static_cast<int>(low.size()); }
    bool usable(int j) const { return low[j] < 0 || high[j] > 0; }
    bool on_supports() const { return !required.empty() || !limits.empty() || !implications.empty(); }

    // points: of every term.
    bool admits(std::span<const int> points) const {
        int used = 0;
        for (int j = 0; j < n_terms(); ++j) {
            if (!points[j]) continue;
            if (points[j] < low[j] || points[j] > high[j]) return false;
            ++used;
        }
        if (used > max_features) return false;
        for (auto [a, b] : order)
            if (points[a] > points[b]) return false;
        const auto any = [&](const Terms& terms) {
            return std::any_of(terms.begin(), terms.end(), [&](int j) { return points[j] != 0; });
        };
        for (const Terms& terms : required)
            if (!any(terms)) return false;
        for (const Limit& limit : limits)
            if (std::count_if(limit.items.begin(), limit.items.end(), any) > limit.most) return false;
        for (const auto& [if_used, then] : implications)
            if (any(if_used) && !any(then)) return false;
        return true;
    }

    // Whether points of a support are the smallest multiple of their direction that the ranges admit. All else that is
    // asked of points is the same for multiples.
    bool smallest(std::span<const int> support, std::span<const int> points) const {
        int divisor = 0;
        for (int w : points) divisor = std::gcd(divisor, w);
        for (int by = 2; by <= divisor; ++by)
            if (divisor % by == 0 && divides(support, points, by)) return false;
        return true;
    }

    // Points of a support become the smallest multiple of their direction that the ranges admit; returns how many
    // times as large they were.
    int reduce(std::span<const int> support, std::span<int> points) const {
        int divisor = 0;
        for (int w : points) divisor = std::gcd(divisor, w);
        for (int by = divisor; by > 1; --by) {
            if (divisor % by || !divides(support, points, by)) continue;
            for (int& w : points) w /= by;
            return by;
        }
        return 1;
    }

    // Draws the conclusions for terms that are open; false where no support is admitted any more. What stays
    // open may still not be admitted together: a support is asked again when it is complete.
    bool propagate(std::vector<Use>& use) const {
        for (bool changed = true; changed;) {
            changed = false;
            const auto set = [&](int j, Use to) {
                use[j] = to;
                changed = true;
            };
            const auto count = [&](const Terms& terms, Use what) {
                return static_cast<int>(std::count_if(terms.begin(), terms.end(), [&](int j) { return use[j] == what; }));
            };
            const auto need = [&](const Terms& terms) {  // one of them must be used
                if (count(terms, Use::in)) return true;
                const int open = count(terms, Use::open);
                if (open == 1)
                    for (int j : terms)
                        if (use[j] == Use::open) set(j, Use::in);
                return open > 0;
            };
            const auto forbid = [&](const Terms& terms) {
                for (int j : terms)
                    if (use[j] == Use::open) set(j, Use::out);
            };
            int in = 0;
            for (int j = 0; j < n_terms(); ++j) {
                if (use[j] == Use::open && !usable(j)) set(j, Use::out);
                if (use[j] == Use::in && !usable(j)) return false;
                in += use[j] == Use::in;
            }
            if (in > max_features) return false;
            if (in == max_features)
                for (int j = 0; j < n_terms(); ++j)
                    if (use[j] == Use::open) set(j, Use::out);
            for (const Terms& terms : required)
                if (!need(terms)) return false;
            for (const Limit& limit : limits) {
                int hit = 0;
                for (const Terms& item : limit.items) hit += count(item, Use::in) > 0;
                if (hit > limit.most) return false;
                if (hit == limit.most)
                    for (const Terms& item : limit.items)
                        if (!count(item, Use::in)) forbid(item);
            }
            for (const auto& [if_used, then] : implications) {
                if (count(if_used, Use::in)) {
                    if (!need(then)) return false;
                } else if (!count(then, Use::in) && !count(then, Use::open)) {
                    forbid(if_used);
                }
            }
        }
        return true;
    }

    // Whether a complete support can be the exact set of used terms, the order of points aside.
    bool admits_support(std::span<const int> support) const {
        std::vector<int> points(n_terms(), 0);
        for (int j : support) {
            if (!usable(j)) return false;
            points[j] = high[j] > 0 ? high[j] : low[j];
        }
        CardConstraints free = *this;
        free.order.clear();
        return free.admits(points);
    }

  private:
    // Whether points divided by a common divisor are within the ranges.
    bool divides(std::span<const int> support, std::span<const int> points, int by) const {
        for (std::size_t t = 0; t < support.size(); ++t)
            if (points[t] && (points[t] / by < low[support[t]] || points[t] / by > high[support[t]])) return false;
        return true;
    }
};

}  // namespace treeml
