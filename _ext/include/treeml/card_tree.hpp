// The tree that searches for risk scores go down, best first over which terms are used.
//
// A node fixes some terms as used and some as not; its bound is that of card_relaxation.hpp. Costs c_j of one
// plane also decide terms: leaving out a term among the `left` largest costs raises the bound by its cost minus
// the next one, using another by the smallest of the chosen minus its cost. A node with as many open terms as
// may be used is a support. Nodes are split on groups of kindred
// terms first (card_groups.hpp): one child uses none of the group, the other one at least one term; when the
// groups that must be used take all terms that are left, the others are out.
//
// Boxes hold for twins of cards (card_boxes.hpp). That is enough to rule out a node: the twin of a card has its loss
// and no other terms, and the bound of a node lets terms that are used have no coefficient; and so for both kinds of
// costs above.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "treeml/card_beam.hpp"
#include "treeml/card_boxes.hpp"
#include "treeml/card_groups.hpp"
#include "treeml/card_lattice.hpp"
#include "treeml/card_relaxation.hpp"

namespace treeml {

struct CardCounters {
    std::int64_t nodes = 0, supports = 0, planes = 0, hessians = 0, cards = 0;
};

class CardTree {
  public:
    virtual ~CardTree() = default;

  protected:
    // each_once: supports of the leaves do not overlap, if terms that are `in` must have points.
    CardTree(const CardProblem& problem, Control& control, bool each_once)
        : problem_(problem), control_(control), beam_(problem, control), relaxation_(problem, control),
          lattice_(problem, beam_, control), each_once_(each_once) {}

    virtual double limit() const = 0;   // what the loss of a card of interest is at most
    virtual double cutoff() const = 0;  // nodes whose bound is this or more are of no interest
    virtual bool enough() const { return false; }  // whether no better bound is wanted

    struct Open {
        double bound;
        CardNode node;
        std::vector<float> beta;
        double intercept, lambda;
        bool leaf = false;

        bool operator<(const Open& other) const { return bound > other.bound; }  // for heaps: the least bound on top
        std::int64_t bytes() const { return sizeof(Open) + node.use.size() + node.needed.size() + sizeof(float) * beta.size(); }
    };

    void raise(double bound) { lower_ = std::max(lower_, bound); }

    void count(CardCounters& counters) const {
        counters.planes = relaxation_.n_planes;
        counters.hessians = relaxation_.n_hessians;
        counters.cards = lattice_.n_cards;
    }

    // The loss of the best function of x: no card is below the entropy of the labels of equal rows.
    double saturated() const {
        double sum = 0;
        for (int i = 0; i < problem_.rows.n_rows; ++i) {
            const double p = problem_.rows.positive[i], q = problem_.rows.weight[i] - p;
            if (p > 0 && q > 0) sum -= p * std::log(p / (p + q)) + q * std::log(q / (p + q));
        }
        return std::max(0.0, sum * (1 - 1e-11));
    }

    // Depth first for any card at all, where the beam met none that the constraints admit.
    void find_any() {
        CardNode root = start();
        if (!root.use.empty()) find_below(root.use);
    }

    bool find_below(std::vector<Use> use) {
        if (control_.reason() == Stop::interrupted || (++searched_ % 4096 == 0 && control_.ask())) return true;
        const auto open = std::find(use.begin(), use.end(), Use::open);
        if (open == use.end()) {
            Support support;
            for (int j = 0; j < problem_.rows.n_terms; ++j)
                if (use[j] == Use::in) support.push_back(j);
            if (!problem_.constraints.admits_support(support)) return false;
            beam_.round(support, false);
            if (beam_.best.loss < kInfinity) return true;
            std::vector<int> points(support.size());
            return find_points(support, points, 0);
        }
        for (Use to : {Use::in, Use::out}) {
            std::vector<Use> child = use;
            child[open - use.begin()] = to;
            if (problem_.constraints.propagate(child) && find_below(std::move(child))) return true;
        }
        return false;
    }

    bool find_points(const Support& support, std::vector<int>& points, std::size_t t) {
        if (t == support.size()) {
            if (!problem_.admits(support, points)) return false;
            const Patterns patterns(problem_, support);
            const Calibration found = CardScorer(problem_, support, patterns.block).evaluate(points, 0, problem_.base, kInfinity);
            beam_.take({support, points, found.slope, found.intercept, found.loss});
            return true;
        }
        for (int w : problem_.allowed[support[t]]) {
            points[t] = w;
            if (w && find_points(support, points, t + 1)) return true;
        }
        return false;
    }

    // The root after the first conclusions; no uses where nothing is admitted.
    CardNode start() const {
        CardNode root;
        root.use.assign(problem_.rows.n_terms, Use::open);
        root.needed.assign(groups_.size(), 0);
        if (!problem_.constraints.propagate(root.use)) root.use.clear();
        root.left = std::min(problem_.constraints.max_features, problem_.rows.n_terms) -
                    static_cast<int>(std::count(root.use.begin(), root.use.end(), Use::in));
        return root;
    }

    // The root with its bound, and boxes made small where that pays.
    Relaxed rooted(CardNode& root, double begin, double time) {
        groups_.find(problem_);
        root = start();
        Relaxed at = relaxation_.root(root, kInfinity);
        raise(at.bound);
        if (control_.stop(true) || enough()) return at;
        if (root.left < root.count(Use::open) && at.loss > 1e-3 * beam_.best.loss) at = boxed(root, at, begin, time);
        return at;
    }

    // The box is shrunk while that pays, for at most two thirds of the time.
    Relaxed boxed(const CardNode& root, const Relaxed& plain, double begin, double time) {
        CardBoxes boxes(problem_, relaxation_, control_);
        boxes.shrink(root, plain, limit(), begin + .35 * time);
        Relaxed at = relaxation_.bound(root, plain, cutoff(), 14);
        if (at.bound < plain.bound) at = plain;
        raise(at.bound);
        for (int round = 0; round < 4 && at.bound < cutoff() && !control_.stop(true); ++round) {
            const double before = at.bound;
            if (!relaxation_.cheap()) relaxation_.refresh(at);
            boxes.shrink_again(root, at, limit(), begin + (.35 + .1 * (round + 1)) * time);
            Relaxed next = relaxation_.bound(root, at, cutoff(), 8);
            if (next.bound > at.bound) at = next;
            raise(at.bound);
            if (at.bound - before < .03 * (limit() - before)) break;
        }
        return at;
    }

    void add(const CardNode& node, double bound, const Relaxed& near, bool leaf = false) {
        if (bound >= cutoff()) return;
        open_.push_back({bound, node, {near.beta.begin(), near.beta.end()}, near.intercept, near.lambda, leaf});
        control_.allocated(open_.back().bytes());
        std::push_heap(open_.begin(), open_.end());
    }

    Open take() {
        std::pop_heap(open_.begin(), open_.end());
        Open out = std::move(open_.back());
        open_.pop_back();
        control_.allocated(-out.bytes());
        return out;
    }

    void expand(Open&& open) {
        CardNode& node = open.node;
        if (node.count(Use::open) <= node.left) {
            add(node, open.bound, point(open), true);
            return;
        }
        Relaxed at = relaxation_.bound(node, point(open), cutoff(), 3);
        const double bound = std::max(at.bound, open.bound);
        if (bound >= cutoff()) return;
        fix(node, at);
        if (!settle(node)) return;
        const int n_open = node.count(Use::open);
        if (n_open <= node.left) {
            add(node, bound, at, true);
            return;
        }
        if (node.left == 1) {
            last_terms(node, bound, at);
            return;
        }
        split(node, bound, at);
    }

    // One more term may be used: each choice is a support, bounded by its own fit.
    void last_terms(const CardNode& node, double bound, const Relaxed& at) {
        if (each_once_ || problem_.constraints.on_supports()) {  // a further term may be admitted nowhere
            CardNode none = node;
            std::replace(none.use.begin(), none.use.end(), Use::open, Use::out);
            none.left = 0;
            if (settle(none)) add(none, bound, at, true);
        }
        for (int j = 0; j < problem_.rows.n_terms; ++j) {
            if (node.use[j] != Use::open) continue;
            CardNode child = node;
            std::replace(child.use.begin(), child.use.end(), Use::open, Use::out);
            child.use[j] = Use::in;
            child.left = 0;
            if (!settle(child)) continue;
            Support support;
            for (int l = 0; l < problem_.rows.n_terms; ++l)
                if (child.use[l] == Use::in) support.push_back(l);
            const Patterns patterns(problem_, support);
            add(child, std::max(bound, lattice_.fitted_bound(support, patterns.block)), at, true);
        }
    }

    // On the group whose part in the logits varies most, while there is one that may or may not be used; then on
    // the terms of groups that must.
    void split(const CardNode& node, double bound, const Relaxed& at) {
        int group = -1, term = -1;
        double group_score = -1, term_score = -1;
        for (int g = 0; g < groups_.size(); ++g) {
            std::vector<int> open;
            bool in = false;
            for (int j : groups_.members[g]) {
                if (node.use[j] == Use::open) open.push_back(j);
                in |= node.use[j] == Use::in;
            }
            if (open.empty()) continue;
            if (!in && !node.needed[g]) {
                const double score = variation(open, at);
                if (score > group_score) group_score = score, group = g;
            }
            for (int j : open) {
                const double score = variation({j}, at) + 1e-9 * std::abs(at.gradient[j]);
                if (score > term_score) term_score = score, term = j;
            }
        }
        for (bool use : {true, false}) {
            CardNode child = node;
            if (group >= 0 && use) {
                child.needed[group] = 1;
            } else if (group >= 0) {
                for (int j : groups_.members[group]) child.use[j] = Use::out;
            } else {
                child.use[term] = use ? Use::in : Use::out;
                child.left -= use;
            }
            if (settle(child)) add(child, bound, at);
        }
    }

    // Weighted variance of the logits that some terms contribute, times the weight: what their absence costs, at
    // least where the others cannot stand in.
    double variation(const std::vector<int>& terms, const Relaxed& at) const {
        const int intercept = problem_.rows.n_terms;
        double square = 0, sum = 0;
        for (int a : terms) {
            sum += at.beta[a] * relaxation_.entry(a, intercept);
            for (int b : terms) square += at.beta[a] * at.beta[b] * relaxation_.entry(a, b);
        }
        return square - sum * sum / std::max(relaxation_.entry(intercept, intercept), 1e-300);
    }

    static Relaxed point(const Open& open) {
        Relaxed at;
        at.beta.assign(open.beta.begin(), open.beta.end());
        at.intercept = open.intercept;
        at.lambda = open.lambda;
        at.bound = open.bound;
        return at;
    }

    // Decides terms by the costs of one plane (its own bound and costs belong together).
    void fix(CardNode& node, const Relaxed& at) const {
        std::vector<std::pair<double, int>> costs;
        for (int j = 0; j < problem_.rows.n_terms; ++j)
            if (node.use[j] == Use::open) costs.push_back({at.cost[j], j});
        if (static_cast<int>(costs.size()) <= node.left || node.left == 0) return;
        std::sort(costs.rbegin(), costs.rend());
        const double last = costs[node.left - 1].first, next = costs[node.left].first;
        const int left = node.left;
        for (int a = 0; a < static_cast<int>(costs.size()); ++a) {
            const auto [cost, j] = costs[a];
            if (a < left && at.bound + cost - next >= cutoff()) {
                node.use[j] = Use::in;
                --node.left;
            } else if (a >= left && at.bound + last - cost >= cutoff()) {
                node.use[j] = Use::out;
            }
        }
    }

    // What constraints and needed groups conclude, and the count; false where no card is left.
    bool settle(CardNode& node) const {
        for (bool changed = true; changed;) {
            changed = false;
            const int before = node.count(Use::in), open = node.count(Use::open);
            if (problem_.constraints.on_supports()) {
                if (!problem_.constraints.propagate(node.use)) return false;
                node.left -= node.count(Use::in) - before;
            }
            if (!settle_groups(node) || node.left < 0) return false;
            if (node.left == 0) std::replace(node.use.begin(), node.use.end(), Use::open, Use::out);
            changed = node.count(Use::open) != open;
        }
        return true;
    }

    bool settle_groups(CardNode& node) const {
        std::vector<char> missing(groups_.size(), 0);  // needed groups that have no term yet
        int n_missing = 0;
        for (int g = 0; g < groups_.size(); ++g) {
            if (!node.needed[g]) continue;
            int last = -1, n_open = 0;
            bool in = false;
            for (int j : groups_.members[g]) {
                in |= node.use[j] == Use::in;
                if (node.use[j] == Use::open) last = j, ++n_open;
            }
            if (in) continue;
            if (n_open == 0) return false;
            if (n_open == 1) {
                node.use[last] = Use::in;
                --node.left;
                continue;
            }
            missing[g] = 1;
            ++n_missing;
        }
        if (n_missing > node.left) return false;
        if (n_missing == node.left)
            for (int j = 0; j < problem_.rows.n_terms; ++j)
                if (node.use[j] == Use::open && !missing[groups_.of[j]]) node.use[j] = Use::out;
        return true;
    }

    const CardProblem& problem_;
    Control& control_;
    CardBeam beam_;
    CardRelaxation relaxation_;
    CardLattice lattice_;
    TermGroups groups_;
    std::vector<Open> open_;
    double lower_ = 0, unfinished_ = kInfinity;
    std::uint64_t searched_ = 0;
    bool each_once_;
};

}  // namespace treeml
