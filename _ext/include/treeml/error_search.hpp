// The least weight of errors of one tree with k cuts, exactly: for trees that may be wrong on some examples.
//
// E(A, k) never falls when A grows. Along a chain of nested sides the errors of the left side rise and those of the
// right side fall, so that two cuts bound all cuts between them: a range of cuts is left out where the errors of its
// smallest left side plus those of its smallest right side are too many (as in Brita, van der Linden and Demirović,
// "Optimal Classification Trees for Continuous Feature Data Using Dynamic Programming with Branch-and-Bound", AAAI 2025).
#pragma once

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <vector>

#include "treeml/size_search.hpp"

namespace treeml {

template <int W>
class ErrorSearch {
  public:
    using Bits = RowBits<W>;
    using Weight = std::int64_t;

    ErrorSearch(const CutRows<W>& rows, std::int64_t most_bytes, Control& control)
        : rows_(rows), most_bytes_(most_bytes), control_(control) {}
    ~ErrorSearch() { forget(); }

    // E(A, k) where it is at most `limit`; otherwise a number above the limit that it is not below.
    Weight least(const Bits& A, int k, Weight limit) {
        const Weight leaf = leaf_errors(A);
        if (k == 0 || leaf == 0) return leaf;
        if (k == 1) return stump(A, leaf).errors;
        while (int(known_.size()) <= k) known_.emplace_back();
        Weight low = 0;
        if (const auto found = known_[k].find(A); found != known_[k].end()) {
            if (found->second.exact || found->second.low > limit) return found->second.low;
            low = found->second.low;
        }
        if ((++nodes_ & 63) == 0 && control_.stop(true)) throw SearchStopped{};
        Cut best{leaf, -1, 0, 0};
        search(A, k, std::min(limit, leaf - 1), low, best);
        const bool exact = best.errors <= limit;
        remember(A, k, exact ? best.errors : std::max(low, limit + 1), exact);
        return exact ? best.errors : std::max(low, limit + 1);
    }

    // A tree of k cuts or fewer with so many errors; E(A, k) must not be above.
    CutTree build(const Bits& A, int k, Weight errors) {
        if (leaf_errors(A) <= errors) return leaf_tree(heaviest(A));
        Cut best{leaf_errors(A), -1, 0, 0};
        if (k == 1) {
            best = stump(A, best.errors);
        } else {
            search(A, k, errors, 0, best);
        }
        const auto& chain = rows_.chains[best.chain];
        const Bits right = A & chain.right[best.cut], left = A - right;
        const Weight on_left = least(left, best.on_left, errors);
        return join_trees(chain.column[best.cut], build(right, k - 1 - best.on_left, errors - on_left),
                          build(left, best.on_left, on_left));
    }

  private:
    struct Cut {
        Weight errors;
        int chain, cut, on_left;  // chain -1: a leaf
    };
    struct Known {
        Weight low;
        bool exact;
    };
    struct Sides {
        std::vector<Bits> right;
        std::vector<int> cut;
    };

    Weight leaf_errors(const Bits& A) const {
        Weight all = 0, most = 0;
        for (const Bits& of_class : rows_.of_class) {
            const Weight own = rows_.weigh(A & of_class);
            all += own, most = std::max(most, own);
        }
        return all - most;
    }
    int heaviest(const Bits& A) const {
        int best = 0;
        Weight most = -1;
        for (int c = 0; c < rows_.n_classes; ++c)
            if (const Weight own = rows_.weigh(A & rows_.of_class[c]); own > most) most = own, best = c;
        return best;
    }
    Cut stump(const Bits& A, Weight leaf) const {
        Cut best{leaf, -1, 0, 0};
        for (std::size_t f = 0; f < rows_.chains.size(); ++f) {
            const auto& chain = rows_.chains[f].right;
            Bits last = A;
            for (std::size_t c = 0; c < chain.size(); ++c) {
                const Bits right = A & chain[c];
                if (right == last) continue;
                last = right;
                if (!right.any()) break;
                const Weight errors = leaf_errors(right) + leaf_errors(A - right);
                if (errors < best.errors) best = {errors, int(f), int(c), 0};
            }
        }
        return best;
    }
    // The best cut with at most `limit` errors, if any; the search may end at `low`.
    void search(const Bits& A, int k, Weight limit, Weight low, Cut& best) {
        for (std::size_t f = 0; f < rows_.chains.size() && best.errors > low; ++f) {
            Sides sides;
            Bits last = A;
            const auto& chain = rows_.chains[f].right;
            for (std::size_t c = 0; c < chain.size(); ++c) {
                const Bits right = A & chain[c];
                if (right == last) continue;
                last = right;
                if (!right.any()) break;
                sides.right.push_back(right), sides.cut.push_back(int(c));
            }
            for (int on_left = 0; on_left < k; ++on_left)
                range(A, k, int(f), on_left, sides, 0, int(sides.cut.size()) - 1, 0, 0, limit, best);
        }
    }
    // Cuts first..last of a chain, whose left sides have at least a errors and right sides at least b.
    void range(const Bits& A, int k, int chain, int on_left, const Sides& sides, int first, int last, Weight a, Weight b,
               Weight limit, Cut& best) {
        const Weight below = std::min(limit, best.errors - 1);
        if (first > last || a + b > below) return;
        const int middle = (first + last) / 2;
        const Bits& right = sides.right[middle];
        const Weight x = std::max(a, least(A - right, on_left, below - b));
        Weight y = b;
        if (x + b <= below) {
            y = std::max(b, least(right, k - 1 - on_left, below - x));
            if (x + y <= below) best = {x + y, chain, sides.cut[middle], on_left};
        }
        range(A, k, chain, on_left, sides, first, middle - 1, a, y, limit, best);
        range(A, k, chain, on_left, sides, middle + 1, last, x, b, limit, best);
    }
    void remember(const Bits& A, int k, Weight low, bool exact) {
        const std::int64_t bytes = A.bytes() + 64;
        if (bytes_ + bytes > most_bytes_) forget();
        if (known_[k].insert_or_assign(A, Known{low, exact}).second) bytes_ += bytes, control_.allocated(bytes);
    }
    void forget() {
        for (auto& known : known_) known.clear();
        control_.allocated(-bytes_);
        bytes_ = 0;
    }

    const CutRows<W>& rows_;
    std::int64_t most_bytes_, bytes_ = 0, nodes_ = 0;
    Control& control_;
    std::vector<std::unordered_map<Bits, Known, RowBitsHash<W>>> known_;
};

}  // namespace treeml
