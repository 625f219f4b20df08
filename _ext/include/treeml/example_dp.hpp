// The dynamic program over examples, for few of them: the fewest cuts of a tree for every set of examples, then the
// best pair of error sets of the second and third tree (error_families.hpp has the argument). The table is all the
// cost: only error sets to which no example can be added back for free are listed.
#pragma once

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <vector>

#include "treeml/cut_rows.hpp"

namespace treeml {

class ExampleProgram {
  public:
    using Set = std::uint32_t;
    static constexpr int kMostRows = 26;

    struct Join {
        int cost = kNone;  // cuts of all trees, or of the largest
        Set second = 0, third = 0;
        int cuts[3] = {0, 0, 0};
    };
    static constexpr int kNone = 1 << 20;

    template <class Rows>
    ExampleProgram(const Rows& rows, Control& control) : n_(rows.n), control_(control) {
        if (n_ > kMostRows) throw std::invalid_argument("the dynamic program over examples takes up to 26 of them");
        full_ = n_ ? static_cast<Set>((std::uint64_t(1) << n_) - 1) : 0;
        for (const auto& of_class : rows.of_class) class_.push_back(n_ ? static_cast<Set>(of_class.word[0]) : 0);
        for (const auto& chain : rows.chains)
            for (const auto& right : chain.right) {
                const Set side = static_cast<Set>(right.word[0]);
                cuts_.push_back(2 * std::popcount(side) > n_ ? side ^ full_ : side);
            }
        // Balanced cuts are optimal most often, so that the loop over them meets its bound early.
        std::sort(cuts_.begin(), cuts_.end(), [](Set a, Set b) {
            const int x = std::popcount(a), y = std::popcount(b);
            return x != y ? x > y : a < b;
        });
        size_.resize(std::size_t(full_) + 1);
        control_.allocated(std::int64_t(size_.size()));
        if (control_.stop(true)) throw SearchStopped{};
        fill();
    }
    ~ExampleProgram() { control_.allocated(-std::int64_t(size_.size())); }
    ExampleProgram(const ExampleProgram&) = delete;
    ExampleProgram& operator=(const ExampleProgram&) = delete;

    Set full() const { return full_; }
    int single(Set rows) const { return size_[rows]; }

    // Three trees that are right on `rows`, of fewest cuts in all, or with the largest as small as can be.
    Join triple(Set rows, bool largest) {
        Join best;
        const int single = size_[rows];
        if (class_.size() == 2) {  // one tree and two constants
            best = {single, rows & class_[0], rows & class_[1], {single, 0, 0}};
        } else {  // a tree twice and any third one
            best = {largest ? single : 2 * single, 0, rows, {single, single, 0}};
        }
        list(rows, best.cost, largest);
        for (std::size_t i = 0; i < third_.size(); ++i) join(third_[i], largest, best);
        return best;
    }

  private:
    struct Errors {
        Set rows;
        int cuts;
    };

    bool is_pure(Set rows) const {
        for (const Set own : class_)
            if (!(rows & ~own)) return true;
        return false;
    }
    void fill() {
        for (Set rows = 1; rows <= full_ && rows; ++rows) {
            if ((rows & 0xffff) == 0 && control_.stop(true)) throw SearchStopped{};
            if (is_pure(rows)) continue;
            int least = 1;
            for (Set left = rows; left; left &= left - 1) least = std::max<int>(least, size_[rows & ~(left & (~left + 1))]);
            int best = 255;
            for (const Set cut : cuts_) {
                const Set yes = rows & cut, no = rows ^ yes;
                if (!yes || !no) continue;
                best = std::min(best, size_[yes] + size_[no] + 1);
                if (best <= least) break;
            }
            size_[rows] = static_cast<std::uint8_t>(best);
        }
    }
    // Minimal error sets of second and third trees that can be part of something better than `below`.
    void list(Set rows, int below, bool largest) {
        second_.clear(), third_.clear();
        Set out = 0;
        std::int64_t seen = 0;
        do {
            if ((++seen & 0xffff) == 0 && control_.stop(true)) throw SearchStopped{};
            const Set right = rows ^ out;
            const int k = size_[right], mend = size_[out];
            const bool second = largest ? std::max(k, mend) < below : 2 * k < below && k + mend < below;
            const bool third = largest ? second : 3 * k < below && k + 2 * mend < below;
            if (second || third) {
                bool minimal = true;
                for (Set left = out; left && minimal; left &= left - 1) minimal = size_[right | (left & (~left + 1))] > k;
                if (minimal && second) second_.push_back({out, k});
                if (minimal && third) third_.push_back({out, k});
            }
            out = (out - rows) & rows;
        } while (out);
        std::sort(second_.begin(), second_.end(), [](const Errors& a, const Errors& b) { return a.cuts < b.cuts; });
    }
    void join(const Errors& third, bool largest, Join& best) {
        const int mend = size_[third.rows];
        for (const Errors& second : second_) {
            if (second.rows & third.rows) continue;
            if (!largest) {
                if (second.cuts < std::max(third.cuts, mend)) continue;
                if (second.cuts + third.cuts + std::max(second.cuts, mend) >= best.cost) break;
            } else if (std::max({second.cuts, third.cuts, mend}) >= best.cost) {
                continue;
            }
            const int first = size_[second.rows | third.rows];
            const int cost = largest ? std::max({first, second.cuts, third.cuts}) : first + second.cuts + third.cuts;
            if (cost < best.cost) best = {cost, second.rows, third.rows, {first, second.cuts, third.cuts}};
        }
    }

    int n_;
    Set full_;
    Control& control_;
    std::vector<Set> class_, cuts_;
    std::vector<std::uint8_t> size_;
    std::vector<Errors> second_, third_;
};

}  // namespace treeml
