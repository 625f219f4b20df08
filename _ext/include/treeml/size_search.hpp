// The fewest cuts of one tree that is right on every example of a set, exactly, by iterative deepening.
//
// Q(A), the fewest cuts for A, never falls when A grows. Three facts are used, each proven at sight:
// - Clique bound. Two examples of one class are incompatible where an example of another class is on their side of
//   every cut that does not part them: no leaf holds both. Incompatible examples and examples of different classes
//   have different leaves, so Q(A) + 1 is at least the sum over classes of a clique of incompatible examples.
// - Peeling. Where a child of the root is a leaf, let it be the widest pure side of its chain: the rest shrinks.
// - Bisection. Along a chain Q of the left sides rises and Q of the right sides falls, so that what is known at one
//   cut bounds all cuts on one side of it.
// The problem is that of Komusiewicz, Kunz, Sommer and Sorge, "On Computing Optimal Tree Ensembles", ICML 2023.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "treeml/cut_rows.hpp"
#include "treeml/size_memo.hpp"

namespace treeml {

template <int W>
class SizeSearch {
  public:
    using Rows = CutRows<W>;
    using Bits = RowBits<W>;

    SizeSearch(const Rows& rows, std::int64_t memo_bytes, Control& control)
        : rows_(rows), control_(control), memo_(rows.n_words, memo_bytes, control), near_(rows.n, Bits(rows.n_words)),
          degree_(rows.n), listed_(rows.n) {}

    const Rows& rows() const { return rows_; }
    std::int64_t nodes() const { return nodes_; }
    std::int64_t replaced() const { return memo_.replaced(); }

    // Whether a tree of k cuts or fewer is right on all of A.
    bool solve(const Bits& A, int k) {
        const int kinds = count_classes(A);
        if (kinds < 2) return true;
        if (k + 1 < kinds) return false;
        Split found;
        if (k == 1) return part(A, found);
        int least = 0;
        if (const auto* known = memo_.find(A)) {
            if (known->lower > k) return false;
            if (known->upper <= k) return true;
        } else {
            least = bound(A);
            if (least > k) {
                memo_.put(A, least, kUnknown, 1);
                return false;
            }
        }
        const std::int64_t before = nodes_;
        if ((++nodes_ & 255) == 0) poll();
        if (nodes_ > last_) throw NodesSpent{};
        const bool ok = search(A, k, found);
        memo_.put(A, ok ? least : k + 1, ok ? k : kUnknown, static_cast<std::uint64_t>(nodes_ - before));
        return ok;
    }

    // No tree of fewer cuts is right on all of A.
    int lower(const Bits& A) {
        if (count_classes(A) < 2) return 0;
        if (const auto* known = memo_.find(A)) return known->lower;
        const int least = bound(A);
        memo_.put(A, least, kUnknown, 1);
        return least;
    }

    int optimum(const Bits& A) {
        int k = lower(A);
        while (!solve(A, k)) ++k;
        return k;
    }

    // A tree of k cuts or fewer that is right on all of A; where `solve` says that there is one.
    CutTree build(const Bits& A, int k) {
        if (!A.any()) return leaf_tree(0);
        const int kinds = count_classes(A);
        if (kinds < 2) return leaf_tree(rows_.label[A.first()]);
        if (const auto* known = memo_.find(A)) k = std::min<int>(k, known->upper);
        Split found;
        if (!(k == 1 ? part(A, found) : search(A, k, found))) return {};
        const auto& chain = rows_.chains[found.chain];
        const Bits right = A & chain.right[found.cut];
        return join_trees(chain.column[found.cut], build(right, found.on_right), build(A - right, found.on_left));
    }

    // So many further nodes at most; where they are not enough, NodesSpent is thrown.
    void allow(std::int64_t nodes) { last_ = nodes < 0 ? kNoEnd : nodes_ + nodes; }
    struct NodesSpent {};

    // Ask the clock.
    void poll() {
        if (control_.stop(true)) throw SearchStopped{};
    }

  private:
    static constexpr int kUnknown = SizeMemo<W>::kUnknown;
    static constexpr std::int64_t kNoEnd = std::int64_t(1) << 62;
    using Ranks = typename Rows::Ranks;

    // A cut and how many cuts are left for its sides.
    struct Split {
        int chain = -1, cut = 0, on_left = 0, on_right = 0;
    };
    // What is left when the widest pure side of a chain becomes a leaf.
    struct Peel {
        Bits rest;
        int chain, cut;
        bool right;  // the rest is on the right
        int size;
    };
    // Scratch of the calls with so many cuts.
    struct Level {
        std::vector<Peel> rests;
        std::vector<std::array<int, 2>> open;
        std::vector<Bits> sides;
        std::vector<int> cuts;
    };
    struct Extremes {
        Ranks first, second, last, last_but_one;  // least and second least over classes of their least rank, and so on
    };

    int count_classes(const Bits& A) const {
        int kinds = 0;
        for (const Bits& rows : rows_.of_class) kinds += A.meets(rows);
        return kinds;
    }

    // The clique bound on the cuts for A.
    int bound(const Bits& A) {
        int leaves = 0;
        for (const Bits& rows : rows_.of_class) {
            const Bits own = A & rows;
            if (!own.any()) continue;
            leaves += rows_.between.empty() ? 1 : clique(own, A - rows);
        }
        return leaves - 1;
    }
    // Size of a clique of pairwise incompatible examples of one class, found greedily.
    int clique(const Bits& own, const Bits& other) {
        int size = 0;
        other.each([&](int o) { listed_[size++] = o; });
        int best = -1;
        own.each([&](int e) {
            const Bits* within = &rows_.between[std::size_t(e) * rows_.n];
            Bits near(rows_.n_words);
            for (int i = 0; i < size; ++i) near |= within[listed_[i]];
            near &= own;
            near_[e] = near, degree_[e] = near.count();
            if (best < 0 || degree_[e] > degree_[best]) best = e;
        });
        int found = 0;
        Bits open = own;
        for (;;) {
            ++found;
            open &= near_[best];
            if (!open.any()) return found;
            int most = -1;
            open.each([&](int e) {
                if (degree_[e] <= most) return;  // no more neighbours within than in all
                const int inside = (near_[e] & open).count();
                if (inside > most) most = inside, best = e;
            });
        }
    }

    void list_by_class(const Bits& A, int* ends, int& kinds) {
        int size = 0;
        kinds = 0;
        for (const Bits& rows : rows_.of_class) {
            const int before = size;
            (A & rows).each([&](int e) { listed_[size++] = e; });
            if (size > before) ends[kinds++] = size;
        }
    }

    // Whether one cut parts the classes of A, which must be two.
    bool part(const Bits& A, Split& found) {
        int size = 0, middle = -1;
        for (const Bits& rows : rows_.of_class) {
            const int before = size;
            (A & rows).each([&](int e) { listed_[size++] = e; });
            if (size == before || before == 0) continue;
            if (middle >= 0) return false;
            middle = before;
        }
        for (int lane = 0; lane < rows_.n_lanes; ++lane) {
            Ranks low = rows_.ranks(listed_[0])[lane], high = low;
            for (int i = 1; i < middle; ++i) widen(rows_.ranks(listed_[i])[lane], low, high);
            Ranks other_low = rows_.ranks(listed_[middle])[lane], other_high = other_low;
            for (int i = middle + 1; i < size; ++i) widen(rows_.ranks(listed_[i])[lane], other_low, other_high);
            const Ranks good = (high < other_low) | (other_high < low);
            if (!any(good)) continue;
            for (int k = 0; k < Rows::kLanes; ++k) {
                if (!good[k]) continue;
                found = {lane * Rows::kLanes + k, high[k] < other_low[k] ? high[k] : other_high[k], 0, 0};
                return true;
            }
        }
        return false;
    }
    static void widen(Ranks x, Ranks& low, Ranks& high) {
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    static bool any(Ranks mask) {
        typedef long long Pair __attribute__((vector_size(16)));
        const Pair pair = reinterpret_cast<Pair>(mask);
        return (pair[0] | pair[1]) != 0;
    }

    // Least, second least, greatest and second greatest ranks over the classes of the listed rows.
    Extremes extremes(int lane, const int* ends, int kinds) const {
        Extremes out;
        int i = 0;
        for (int c = 0; c < kinds; ++c) {
            Ranks low = rows_.ranks(listed_[i])[lane], high = low;
            for (++i; i < ends[c]; ++i) widen(rows_.ranks(listed_[i])[lane], low, high);
            if (c == 0) {
                out = {low, Ranks{} + Rows::kMostRank, high, ~Ranks{}};
                continue;
            }
            const Ranks later = low > out.first ? low : out.first, sooner = high < out.last ? high : out.last;
            out.second = later < out.second ? later : out.second;
            out.first = low < out.first ? low : out.first;
            out.last_but_one = sooner > out.last_but_one ? sooner : out.last_but_one;
            out.last = high > out.last ? high : out.last;
        }
        return out;
    }

    // What the widest pure sides leave, the smallest first, without those that hold another one; and for every chain
    // the cuts between whose first and last both sides hold two classes.
    void peel(const Bits& A, std::vector<Peel>& rests, std::vector<std::array<int, 2>>& open) {
        std::vector<int>& ends = ends_;
        ends.resize(rows_.n_classes);
        int kinds = 0;
        list_by_class(A, ends.data(), kinds);
        rests.clear(), open.clear();
        const int n_chains = static_cast<int>(rows_.chains.size());
        for (int lane = 0; lane < rows_.n_lanes; ++lane) {
            const Extremes at = extremes(lane, ends.data(), kinds);
            for (int k = 0; k < Rows::kLanes && lane * Rows::kLanes + k < n_chains; ++k) {
                const int f = lane * Rows::kLanes + k;
                const auto& right = rows_.chains[f].right;
                const int low = at.second[k], high = at.last_but_one[k];
                if (at.first[k] < low) rests.push_back({A & right[low - 1], f, low - 1, true, 0});
                if (at.last[k] > high) rests.push_back({A - right[high], f, high, false, 0});
                open.push_back({low, high - 1});
            }
        }
        for (Peel& peel : rests) peel.size = peel.rest.count();
        std::sort(rests.begin(), rests.end(), [](const Peel& a, const Peel& b) {
            return a.size != b.size ? a.size < b.size : a.rest < b.rest;
        });
        std::size_t kept = 0;
        for (std::size_t i = 0; i < rests.size(); ++i) {
            bool holds = false;
            for (std::size_t j = 0; j < kept && !holds; ++j) holds = rests[j].rest.within(rests[i].rest);
            if (!holds) {
                if (kept != i) rests[kept] = rests[i];
                ++kept;
            }
        }
        rests.erase(rests.begin() + static_cast<std::ptrdiff_t>(kept), rests.end());
    }

    // A root cut with which k >= 2 cuts suffice.
    bool search(const Bits& A, int k, Split& found) {
        while (int(levels_.size()) <= k) levels_.emplace_back(new Level);
        Level& level = *levels_[k];  // deeper calls have fewer cuts: it is theirs no longer
        peel(A, level.rests, level.open);
        for (const Peel& peel : level.rests) {
            if (!solve(peel.rest, k - 1)) continue;
            found = {peel.chain, peel.cut, peel.right ? 0 : k - 1, peel.right ? k - 1 : 0};
            return true;
        }
        if (k == 2) return false;
        for (std::size_t f = 0; f < level.open.size(); ++f) {
            const auto [first, last] = level.open[f];
            if (first > last) continue;
            found.chain = static_cast<int>(f);
            if (k == 3 ? one_each(A, first, last, found) : inner(A, k, level, first, last, found)) return true;
        }
        return false;
    }
    // One cut for both sides: of the left sides with one cut the widest decides.
    bool one_each(const Bits& A, int first, int last, Split& found) {
        const auto& right = rows_.chains[found.chain].right;
        Split ignored;
        int good = first - 1, bad = last + 1;
        while (bad - good > 1) {
            const int middle = (good + bad) / 2;
            (part(A - right[middle], ignored) ? good : bad) = middle;
        }
        found.cut = good, found.on_left = found.on_right = 1;
        return good >= first && part(A & right[good], ignored);
    }
    // The distinct sides between two cuts, then bisection.
    bool inner(const Bits& A, int k, Level& level, int first, int last, Split& found) {
        const auto& right = rows_.chains[found.chain].right;
        level.sides.clear(), level.cuts.clear();
        for (int c = first; c <= last; ++c) {
            Bits side = A & right[c];
            if (!level.sides.empty() && side == level.sides.back()) continue;
            level.sides.push_back(side), level.cuts.push_back(c);
        }
        return split(A, k, level, 0, int(level.sides.size()) - 1, 1, 1, found);
    }
    // Sides low..high; on the left at least a cuts are needed, on the right b.
    bool split(const Bits& A, int k, Level& level, int low, int high, int a, int b, Split& found) {
        if (low > high || a + b > k - 1) return false;
        const int middle = (low + high) / 2;
        const Bits right = level.sides[middle], left = A - right;
        int x = std::max(a, lower(left)), y = b;
        if (x + y <= k - 1) y = std::max(y, lower(right));
        while (x + y <= k - 1 && !solve(left, x)) ++x;
        if (x + y <= k - 1) {
            while (x + y <= k - 1 && !solve(right, y)) ++y;
            if (x + y <= k - 1) {
                found.cut = level.cuts[middle], found.on_left = x, found.on_right = y;
                return true;
            }
        }
        return split(A, k, level, low, middle - 1, a, y, found) || split(A, k, level, middle + 1, high, x, b, found);
    }

    const Rows& rows_;
    Control& control_;
    SizeMemo<W> memo_;
    std::int64_t nodes_ = 0, last_ = kNoEnd;
    std::vector<Bits> near_;
    std::vector<int> degree_, listed_, ends_;
    std::vector<std::unique_ptr<Level>> levels_;
};

}  // namespace treeml
