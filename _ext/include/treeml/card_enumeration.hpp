// All risk scores whose loss is nearly the least: the Rashomon set of score cards.
//
// The tree of card_tree.hpp with a limit above the best loss known: no node is ruled out that may hold a card up to the
// limit, its supports do not overlap, and the lattice search gives every card of a support. As nodes come by rising
// bound, all cards below the bound of the next one are known at any time. The limit falls with the best loss, which is
// proven when the tree ends.
#pragma once

#include "treeml/card_members.hpp"
#include "treeml/card_tree.hpp"

namespace treeml {

class CardEnumeration : CardTree {
  public:
    // Losses of equal cards differ by rounding: the limit holds with this tolerance.
    static constexpr double kTolerance = 1e-9, kAbsoluteTolerance = 1e-13;

    // regret < 0: the limit is (1 + epsilon) x the least loss; else the least loss + regret, a sum over rows.
    CardEnumeration(const CardProblem& problem, Control& control, double epsilon, double regret)
        : CardTree(problem, control, true), epsilon_(epsilon), regret_(regret) {}

    CardSetResult run(double time_limit, CardCounters& counters) {
        CardMembers& members = out_.members;
        members.width = std::min(problem_.constraints.max_features, problem_.rows.n_terms);
        lower_ = saturated();
        beam_.run(5, 6);
        if (!(beam_.best.loss < kInfinity)) find_any();
        out_.best = beam_.best.loss;
        if (out_.best < kInfinity) {
            if (problem_.admits({}, {})) {
                const Calibration none = base_rate();
                out_.best = std::min(out_.best, none.loss);
                if (none.loss <= limit()) members.add({}, {}, none.loss, none.slope, none.intercept, control_);
            }
            search(time_limit, counters);
        } else {
            out_.complete = control_.reason() == Stop::none;
        }
        if (!out_.complete) add_first(limit());
        out_.proven = out_.complete ? limit() : std::min(lower_, limit());
        out_.stop = control_.reason();
        count(counters);
        return std::move(out_);
    }

  private:
    double limit() const override {
        const double at = regret_ < 0 ? out_.best * (1 + epsilon_) : out_.best + regret_;
        return at * (1 + kTolerance) + kAbsoluteTolerance * problem_.rows.total;
    }
    // A little above the limit, for what rounding may do to bounds and losses.
    double cutoff() const override { return limit() * (1 + kTolerance) + kAbsoluteTolerance * problem_.rows.total; }

    // The best card known joins the members where its support was not reached.
    void add_first(double most) {
        Card first = beam_.best;
        if (first.support.empty() || !(first.loss <= most)) return;
        if (problem_.free_slope() && !(first.loss < base_rate().loss * (1 - kTolerance))) return;  // best without slope
        if (problem_.free_slope()) first.slope *= problem_.constraints.reduce(first.support, first.points);
        out_.members.add(first.support, first.points, first.loss, first.slope, first.intercept, control_);
    }

    // The card without points.
    Calibration base_rate() const {
        const double p = problem_.rows.total_positive, n = problem_.rows.total;
        Calibration out;
        out.loss = -(p * std::log(p / n) + (n - p) * std::log(1 - p / n));
        out.intercept = problem_.base;
        out.slope = 1;
        return out;
    }

    void search(double time_limit, CardCounters& counters) {
        const double begin = control_.elapsed();
        const double time = time_limit < 0 ? kInfinity : std::max(0.0, time_limit - begin);
        CardNode root;
        const Relaxed at = rooted(root, begin, time);
        if (root.use.empty()) {  // no terms
            out_.complete = true;
            return;
        }
        add(root, at.bound, at);
        while (!open_.empty() && open_.front().bound < cutoff()) {
            raise(std::min(open_.front().bound, unfinished_));
            if (control_.stop(true)) return;
            Open node = take();
            beam_.trim();
            ++counters.nodes;
            if (node.leaf) {
                ++counters.supports;
                close(node);
            } else {
                expand(std::move(node));
            }
            if (control_.reason() != Stop::none) unfinished_ = std::min(unfinished_, lower_);
        }
        raise(std::min(unfinished_, cutoff()));
        out_.complete = control_.reason() == Stop::none && unfinished_ >= limit();
    }

    void close(const Open& open) {
        Support support;
        CardWish wish;
        for (int j = 0; j < problem_.rows.n_terms; ++j) {
            if (open.node.use[j] == Use::out) continue;
            support.push_back(j);
            wish.used.push_back(open.node.use[j] == Use::in);
        }
        if (support.empty()) return;
        for (int g = 0; g < groups_.size(); ++g) {
            if (!open.node.needed[g]) continue;
            wish.one_of.emplace_back();
            for (std::size_t t = 0; t < support.size(); ++t)
                if (groups_.of[support[t]] == g) wish.one_of.back().push_back(static_cast<int>(t));
        }
        wish.most = limit();
        wish.take = [&](const std::vector<int>& points, const Calibration& card) {
            out_.members.add(support, points, card.loss, card.slope, card.intercept, control_);
            out_.best = std::min(out_.best, card.loss);
        };
        unfinished_ = std::min(unfinished_, lattice_.collect(support, wish));
    }

    double epsilon_, regret_;
    CardSetResult out_;
};

}  // namespace treeml
