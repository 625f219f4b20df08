// The exact search for risk scores: the tree of card_tree.hpp, whose supports the lattice search of card_lattice.hpp
// ends.
#pragma once

#include "treeml/card_tree.hpp"

namespace treeml {

struct CardSearchResult {
    Card card;
    double lower = 0;
    bool found = false;    // whether a card is admitted at all; where not, `stop` says whether that is proven
    bool optimal = false;  // lower is within the tolerance of the card's loss
    Stop stop = Stop::none;
    CardCounters counters;
};

class CardSearch : CardTree {
  public:
    // What "equal" means for a loss: a proof stops this close to the best card.
    static constexpr double kRelativeTolerance = 2e-7, kAbsoluteTolerance = 2e-13;

    CardSearch(const CardProblem& problem, Control& control) : CardTree(problem, control, false) {}

    CardSearchResult run(double gap_tol, double time_limit) {
        CardSearchResult out;
        lower_ = saturated();
        beam_.run(5, 6);
        if (!(beam_.best.loss < kInfinity)) find_any();
        if (beam_.best.loss < kInfinity) {
            out.found = true;
            gap_tol_ = gap_tol;
            report();
            if (!enough()) prove(time_limit, out);
        }
        out.card = beam_.best;
        out.lower = std::min(lower_, out.card.loss);
        out.optimal = out.found && lower_ >= out.card.loss - 2 * tolerance();
        out.stop = control_.reason();
        count(out.counters);
        return out;
    }

  private:
    double tolerance() const {
        return std::max(kRelativeTolerance * beam_.best.loss, kAbsoluteTolerance * problem_.rows.total);
    }
    double limit() const override { return beam_.best.loss; }
    double cutoff() const override { return beam_.best.loss - tolerance(); }
    bool enough() const override { return beam_.best.loss - lower_ <= std::max(gap_tol_ * beam_.best.loss, tolerance()); }

    void report() {
        const double unit = 0x1p40 / problem_.rows.total;
        control_.report(static_cast<Cost>(std::ceil(beam_.best.loss * unit)), static_cast<Cost>(std::floor(std::max(lower_, 0.0) * unit)));
    }

    void prove(double time_limit, CardSearchResult& out) {
        const double begin = control_.elapsed();
        const double time = time_limit < 0 ? kInfinity : std::max(0.0, time_limit - begin);
        CardNode root;
        const Relaxed at = rooted(root, begin, time);
        if (control_.stop(true) || enough()) return;
        add(root, at.bound, at);
        while (!open_.empty() && open_.front().bound < cutoff()) {
            raise(std::min(open_.front().bound, unfinished_));
            if (enough()) return;
            if (control_.stop(true)) return;
            Open node = take();
            beam_.trim();
            ++out.counters.nodes;
            if ((out.counters.nodes & 63) == 0) report();
            if (node.leaf) {
                ++out.counters.supports;
                close(node);
            } else {
                expand(std::move(node));
            }
        }
        raise(std::min({open_.empty() ? kInfinity : open_.front().bound, unfinished_, cutoff()}));
        report();
    }

    void close(const Open& node) {
        Support support;
        for (int j = 0; j < problem_.rows.n_terms; ++j)
            if (node.node.use[j] != Use::out) support.push_back(j);
        if (!support.empty()) unfinished_ = std::min(unfinished_, lattice_.run(support, tolerance()));
    }

    double gap_tol_ = 0;
};

}  // namespace treeml
