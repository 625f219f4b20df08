// Scores of leaves that follow from the probability in the leaf: how many of its rows have one that is far from what
// another tree gives them. They take the place of sums over rows and labels in ranges.hpp, which then finds the member
// that is far on most rows (discrepancy of probabilities; Watson-Daniels, Parkes and Ustun, AAAI 2023).
#pragma once

#include <cmath>
#include <vector>

#include "treeml/leaf_counts.hpp"

namespace treeml {

// Rows are in groups of one probability each that the other tree gives.
struct Departure {
    LeafShares shares{0, false};
    int chosen = 0;                // the class whose probability counts
    std::vector<Share> of_group;
    Score delta = 0, unit = 1;     // far: by delta / unit or more
};

template <class T>
class Departures {
  public:
    // Of a part of a node: as PairSums::Sums, for every label alike.
    class Sums {
      public:
        Score all(int) const {
            return score([&](int k) { return of_->all(k + 1); });
        }
        Score side(int, int g, bool answer) const {
            return score([&](int k) { return of_->side(k + 1, g, answer); });
        }
        Score cell(int, int g, bool on, int j, bool answer) const {
            return score([&](int k) { return of_->cell(k + 1, g, on, j, answer); });
        }

      private:
        friend class Departures;
        template <class Number>
        Score score(Number number) const {
            const Departure& by = *departure_;
            const Share share = by.shares.share(by.chosen, number);
            const int first = by.shares.n_numbers();
            Score out = 0;
            for (std::size_t l = 0; l < by.of_group.size(); ++l)
                if (const Score rows = number(first + int(l)))
                    if (is_far(share, by.of_group[l], by)) out += rows;
            return out;
        }
        const typename PairSums<T>::Sums* of_ = nullptr;
        const Departure* departure_ = nullptr;
    };

    Departures(RashomonGraph<T>& graph, const Departure& departure) : departure_(departure), sums_(graph) {}

    // numbers[number][traced row]: what probabilities are made of, then rows of each group.
    void set_scores(const std::vector<Score>& numbers) {
        sums_.set_numbers(numbers, departure_.shares.n_numbers() + int(departure_.of_group.size()));
    }
    Score base() const { return 0; }
    void open(const Node<T>& node) { sums_.open(node); }
    const Sums& whole() { return wrap(sums_.whole(), whole_); }
    const Sums& half(int f, bool side) { return wrap(sums_.half(f, side), half_[side]); }

  private:
    static bool is_far(const Share& a, const Share& b, const Departure& by) {
        const double apart = std::abs(a.value() - b.value()), delta = double(by.delta) / double(by.unit);
        if (std::abs(apart - delta) > 1e-9) return apart > delta;
        const __int128 over = static_cast<__int128>(a.count) * b.total - static_cast<__int128>(b.count) * a.total;
        return (over < 0 ? -over : over) * by.unit >= static_cast<__int128>(a.total) * b.total * by.delta;
    }
    const Sums& wrap(const typename PairSums<T>::Sums& of, Sums& out) const {
        out.of_ = &of, out.departure_ = &departure_;
        return out;
    }

    Departure departure_;
    PairSums<T> sums_;
    Sums whole_, half_[2];
};

}  // namespace treeml
