// Three trees of fewest cuts by a join over error sets.
//
// A row is right when two trees are, so the error sets O1, O2, O3 of the trees are pairwise disjoint, and the first,
// the largest tree, only has to be right on O2 and O3: S = min |T2| + |T3| + Q(O2 | O3) over disjoint O2, O3. Only
// error sets without a smaller one within matter, since Q never falls when a set grows. They are enumerated by family:
// the minimal error sets on A of trees of k cuts that are right on `forced`, kept where the first tree can still mend
// them. A third tree's error set is forced on the second, so that a family that is not empty is the whole join.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "treeml/size_search.hpp"

namespace treeml {

template <int W>
class ErrorFamilies {
  public:
    using Bits = RowBits<W>;

    // What the trees are wrong on, and their cuts, the largest first; the first one is right on both sets.
    struct Join {
        Bits second, third;
        std::array<int, 3> cuts;
    };

    ErrorFamilies(SizeSearch<W>& search, std::int64_t most_bytes, Control& control)
        : search_(search), most_bytes_(most_bytes), control_(control), forced_(search.rows().n_words) {}
    ~ErrorFamilies() { forget(); }

    // Whether three trees of S cuts in all are right on A.
    bool within_total(const Bits& A, int S, Join& out) {
        for (int third = 0; third * 3 <= S; ++third) {
            const std::vector<Bits> thirds = errors(A, third, S - 2 * third);
            for (int second = third; 2 * second <= S - third; ++second)
                if (join(A, thirds, {S - second - third, second, third}, out)) return true;
        }
        return false;
    }
    // Whether three trees of s cuts each are.
    bool within_each(const Bits& A, int s, Join& out) { return join(A, errors(A, s, s), {s, s, s}, out); }

  private:
    static constexpr std::size_t kMany = 4096, kLately = 16;

    // What is known of the families of one number of cuts, and scratch of the call that is at it.
    struct Level {
        std::unordered_map<Bits, std::vector<Bits>, RowBitsHash<W>> known;
        std::vector<Bits> left, out;
    };

    struct Lately {
        std::vector<Bits> sets;
        std::size_t next = 0;
        void add(const Bits& rows) {
            if (sets.size() < kLately) {
                sets.push_back(rows);
            } else {
                sets[next++ % kLately] = rows;
            }
        }
    };

    // The minimal error sets of trees of k cuts that a tree of `first` cuts mends.
    std::vector<Bits> errors(const Bits& A, int k, int first) {
        start(Bits(A.size()), first);
        return family(A, k);
    }
    bool join(const Bits& A, const std::vector<Bits>& thirds, std::array<int, 3> cuts, Join& out) {
        for (const Bits& third : thirds) {
            if (!search_.solve(third, cuts[1])) continue;
            start(third, cuts[0]);
            const std::vector<Bits>& seconds = family(A, cuts[1]);
            if (seconds.empty()) continue;
            out = {seconds.front(), third, cuts};
            return true;
        }
        return false;
    }
    void start(const Bits& forced, int first) {
        forced_ = forced, first_ = first;
        for (Lately& lately : lately_) lately.sets.clear();
        forget();
    }
    void forget() {
        for (auto& level : levels_)
            if (!level->known.empty()) level->known.clear();
        control_.allocated(-bytes_);
        bytes_ = 0;
    }
    // Whether the first tree can be right on the errors too; most answers follow from one of the last few.
    bool mends(const Bits& errors) {
        const Bits rows = errors | forced_;
        for (const Bits& refuted : lately_[0].sets)
            if (refuted.within(rows)) return false;
        for (const Bits& right : lately_[1].sets)
            if (rows.within(right)) return true;
        const bool ok = search_.solve(rows, first_);
        lately_[ok].add(rows);
        return ok;
    }

    // Valid until the next call.
    const std::vector<Bits>& family(const Bits& A, int k) {
        while (int(levels_.size()) <= k) levels_.emplace_back(new Level);
        Level& level = *levels_[k];  // what is below has fewer cuts
        if (k == 0) {
            leaves(A, level.out);
            return level.out;
        }
        if (const auto found = level.known.find(A); found != level.known.end()) return found->second;
        if ((++families_ & 63) == 0) search_.poll();
        if (!leaves(A, level.out) && search_.solve(A & forced_, k)) cuts(A, k, level);
        keep_minimal(level.out);
        const std::int64_t bytes = std::int64_t(level.out.size() + 4) * A.bytes() + 64;
        if (bytes_ + bytes > most_bytes_) forget();
        bytes_ += bytes;
        control_.allocated(bytes);
        return level.known.emplace(A, level.out).first->second;
    }
    // Error sets of single leaves; true where A has one class.
    bool leaves(const Bits& A, std::vector<Bits>& out) {
        out.clear();
        for (const Bits& rows : search_.rows().of_class) {
            if (!A.meets(rows)) continue;
            const Bits wrong = A - rows;
            if (!wrong.any()) {
                out.assign(1, wrong);
                return true;
            }
            if (!wrong.meets(forced_) && mends(wrong)) out.push_back(wrong);
        }
        if (!A.any()) out.assign(1, A);
        return !A.any();
    }
    void cuts(const Bits& A, int k, Level& level) {
        for (const auto& chain : search_.rows().chains) {
            Bits last = A;
            for (const Bits& side : chain.right) {
                const Bits right = A & side;
                if (right == last) continue;
                if (!right.any()) break;
                last = right;
                products(A - right, right, k, level);
            }
            if (level.out.size() > kMany) keep_minimal(level.out);
        }
    }
    void products(const Bits& left, const Bits& right, int k, Level& level) {
        const Bits left_forced = left & forced_, right_forced = right & forced_;
        for (int i = 0; i < k; ++i) {
            if (!search_.solve(left_forced, i) || !search_.solve(right_forced, k - 1 - i)) continue;
            level.left = family(left, i);
            if (level.left.empty()) continue;
            for (const Bits& other : family(right, k - 1 - i))
                for (const Bits& one : level.left) {
                    const Bits both = one | other;
                    if (one.any() && other.any() && !mends(both)) continue;
                    level.out.push_back(both);
                }
        }
    }
    // Drop equal sets and those that hold another one.
    void keep_minimal(std::vector<Bits>& sets) {
        if (sets.size() < 2) return;
        sized_.clear();
        for (const Bits& set : sets) sized_.emplace_back(set.count(), set);
        std::sort(sized_.begin(), sized_.end());
        sets.clear();
        for (const auto& [size, set] : sized_) {
            bool holds = false;
            for (std::size_t j = 0; j < sets.size() && !holds; ++j) holds = sets[j].within(set);
            if (!holds) sets.push_back(set);
        }
    }

    SizeSearch<W>& search_;
    std::int64_t most_bytes_, bytes_ = 0, families_ = 0;
    Control& control_;
    Bits forced_;
    int first_ = 0;
    std::vector<std::unique_ptr<Level>> levels_;
    std::vector<std::pair<int, Bits>> sized_;
    std::array<Lately, 2> lately_;  // sets that the first tree cannot be right on, and those that it can
};

}  // namespace treeml
