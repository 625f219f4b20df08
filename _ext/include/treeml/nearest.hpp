// The member of a Rashomon set whose additive score is nearest to 0: from the scores of all trees below the root
// (score_sets.hpp) where they are not too many; else depth first branch and bound over partial trees, bounded by the ranges of scores of their open parts (ranges.hpp). That 0 is within a range does not mean that a
// member is near: sums of scores are what they are, so that the search ends with a proof (all that could be nearer
// is refuted), at a score that is near enough, or with a bound. An open part has one cost and one slice, hence all
// completions of a partial tree are members. The widest part is opened first: narrow ones do the fine tuning.
#pragma once

#include <algorithm>
#include <vector>

#include "treeml/ranges.hpp"
#include "treeml/score_sets.hpp"

namespace treeml {

struct NearestMember {
    Score score = 0;  // of the tree
    Score bound = 0;  // no member is nearer than this
    MemberTree tree;  // empty: the set is
};

template <class T>
class Nearest {
  public:
    explicit Nearest(RashomonGraph<T>& graph)
        : graph_(graph), tables_(graph.tables()), membership_(graph.query().membership), high_(graph), low_(graph) {}

    // Among the members of the slices that count. A score up to `goal` is near enough; at most so many parts are
    // opened. False: a limit ended it before the ranges were known.
    bool find(const std::vector<Score>& scores, const std::vector<std::uint8_t>& slices, Score goal, std::int64_t steps,
              Control& control, NearestMember& out) {
        out = {};
        if (graph_.is_empty()) return true;
        // all members, where there are not too many trees below the root
        if (!membership_.drop_trivial && ScoreSets<T>(graph_).find(scores, slices, goal, control, out.score, out.tree)) {
            out.bound = distance(out.score) > goal ? distance(out.score) : 0;
            return true;
        }
        std::vector<Score> negated(scores.size());
        for (std::size_t k = 0; k < scores.size(); ++k) negated[k] = -scores[k];
        if (!high_.find(scores, control) || !low_.find(negated, control)) return false;
        control_ = &control, steps_ = steps, ended_ = false;
        const std::vector<Option> roots = start(slices);
        if (roots.empty()) return true;
        goal_ = std::max(goal, distance(roots[0].lo, roots[0].hi));
        for (const Option& root : roots) {
            if (is_done() || distance(root.lo, root.hi) >= distance(best_)) break;
            search({MemberTree(1), {root.part[0]}, root.lo, root.hi});
        }
        const bool refuted = !ended_ && distance(best_) > goal_;  // all that is nearer
        const Score bound = refuted ? distance(best_) : distance(roots[0].lo, roots[0].hi);
        out = {best_, bound, std::move(tree_)};
        return true;
    }

  private:
    using Graph = RashomonGraph<T>;
    using Stored = typename Graph::Stored;
    using Edge = typename Graph::Edge;
    using Context = typename Graph::Context;
    using Side = typename Ranges<T>::Side;

    // A part of a tree: a leaf, or open, a split of one cost in one slice.
    struct Part {
        int label = -1;
        const Stored* node = nullptr;  // it is one; or what it is below:
        int depth = 0;
        int f = -1, g = -1;  // a side of a column, of depth two or one, or a side of a side
        bool side = false, side_of_g = false;
        Cost cost = 0, outer = 0;  // `outer`: of the tree of depth two around it
        int slice = 0;
        Score lo = 0, hi = 0;
        int at = 0;  // place in the partial tree; while sides are paired: cost over the least
    };
    struct Option {
        MemberNode root{-1, -1, -1, -1};
        Part part[2];
        Score lo, hi;  // of all trees that it leads to
    };
    struct Partial {
        MemberTree nodes;
        std::vector<Part> open;
        Score lo, hi;
    };

    static Score distance(Score lo, Score hi) { return std::max<Score>({0, lo, -hi}); }
    static Score distance(Score x) { return x < 0 ? -x : x; }
    static bool is_better(const Option& a, const Option& b) {  // 0 is deeper within
        return std::min(a.hi, -a.lo) > std::min(b.hi, -b.lo);
    }
    bool is_done() const { return ended_ || distance(best_) <= goal_; }

    // All members as options, the nearest first, and the nearest end of a range as the best one so far.
    std::vector<Option> start(const std::vector<std::uint8_t>& slices) {
        std::vector<Option> out;
        const Stored& root = graph_.root();
        bool any = false;
        for (Cost cost = root.least; cost <= root.budget; ++cost)
            for (int slice = 0; slice < graph_.n_slices(); ++slice) {
                const Cost whole = cost + graph_.certain();
                const Score high = slices[slice] ? high_.greatest(whole, slice) : kNoScore;
                if (high == kNoScore) continue;
                Option option;
                option.hi = high, option.lo = -low_.greatest(whole, slice);
                option.part[0].node = &root, option.part[0].depth = 3;
                option.part[0].cost = cost, option.part[0].slice = slice;
                option.part[0].lo = option.lo, option.part[0].hi = option.hi;
                for (const bool upper : {true, false}) {
                    const Score end = upper ? option.hi : option.lo;
                    if (any && distance(end) >= distance(best_)) continue;
                    best_ = end, any = true;
                    tree_ = upper ? high_.attaining(whole, slice) : low_.attaining(whole, slice);
                }
                out.push_back(option);
            }
        std::stable_sort(out.begin(), out.end(), is_better);
        return out;
    }

    void search(Partial tree) {
        if (tree.open.empty()) {
            if (distance(tree.lo) >= distance(best_)) return;
            best_ = tree.lo;
            tree_.clear();
            put_in_order(tree.nodes, 0);
            return;
        }
        if (steps_-- <= 0 || control_->stop(true)) {
            ended_ = true;
            return;
        }
        const auto widest = std::max_element(tree.open.begin(), tree.open.end(),
                                             [](const Part& a, const Part& b) { return a.hi - a.lo < b.hi - b.lo; });
        const Part part = *widest;
        tree.open.erase(widest);
        tree.lo -= part.lo, tree.hi -= part.hi;
        std::vector<Option> options;
        options_ = &options, rest_lo_ = tree.lo, rest_hi_ = tree.hi;
        open(part);
        std::stable_sort(options.begin(), options.end(), is_better);
        const std::int64_t bytes = std::int64_t(options.size() * sizeof(Option));
        control_->allocated(bytes);
        for (const Option& option : options) {
            if (is_done() || distance(option.lo, option.hi) >= distance(best_)) break;
            search(with(tree, part.at, option));
        }
        control_->allocated(-bytes);
    }
    static Partial with(const Partial& tree, int at, const Option& option) {
        Partial out = tree;
        out.lo = option.lo, out.hi = option.hi;
        MemberNode here = option.root;
        if (here.column >= 0) {
            const bool turned = here.label;
            here.label = -1;
            for (const bool answer : {true, false}) {
                Part part = option.part[answer != turned];
                part.at = (answer ? here.if_true : here.if_false) = int(out.nodes.size());
                out.nodes.push_back({-1, -1, -1, part.label});
                if (part.label < 0) out.open.push_back(part);
            }
        }
        out.nodes[at] = here;
        return out;
    }
    int put_in_order(const MemberTree& nodes, int k) {
        const int here = int(tree_.size());
        tree_.push_back(nodes[k]);
        if (nodes[k].column < 0) return here;
        tree_[here].if_true = put_in_order(nodes, nodes[k].if_true);
        const int no = put_in_order(nodes, nodes[k].if_false);
        tree_[here].if_false = no;
        return here;
    }

    // The options of a part that could lead nearer than the best tree.
    void open(const Part& part) {
        const Context at = graph_.context(*part.node);
        high_.open(at);
        low_.sums_.open(*at.node);
        if (part.f < 0) return open_stored(at, part);
        if (part.depth == 2) return open_two(at, part);
        if (part.g < 0) {
            tables_.read_sides(part.f);
            return open_one(at, high_.sums_.whole(), part.f, part.side, part);
        }
        high_.visit_two(*at.variants, part.f, part.side, part.outer, [&](int g, Cost, Cost, int) {
            if (g != part.g) return true;
            open_one(at, high_.sums_.half(part.f, part.side), g, part.side_of_g, part);
            return false;
        });
    }
    void open_stored(const Context& at, const Part& part) {
        const Stored& node = *part.node;
        if (&node == &graph_.root() && !part.slice)
            tables_.visit_leaves(at.node->counts.total.data(), part.cost, [&](int label, Cost cost) {
                const Score score = high_.sums_.whole().all(label) + high_.sums_.base();
                if (cost == part.cost) add({{-1, -1, -1, label}, {}, score, score});
            });
        const Score base = &node == &graph_.root() ? high_.sums_.base() : 0;
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge) {
            const Cost total = part.cost - edge->cost1 - edge->cost0;
            if (total < 0) continue;
            const int f = at.node->place[edge->column];
            high_.make_sides(node, at, *edge);
            low_.make_sides(node, at, *edge);
            Part below[2];
            for (const bool side : {true, false}) {
                const Side& of = high_.sides_[side];
                below[side].depth = of.depth;
                below[side].node = of.stored ? of.stored : &node;
                if (!of.stored) below[side].f = f, below[side].side = side;
                below[side].cost = edge->cost(side);
            }
            pair_sides(at, f, int(total), part.slice, base, below);
        }
    }
    void open_two(const Context& at, const Part& part) {
        const auto& sums = low_.sums_.half(part.f, part.side);
        high_.visit_two(*at.variants, part.f, part.side, part.cost, [&](int g, Cost a1, Cost a0, int n) {
            Part below[2] = {part, part};
            for (const bool v : {true, false}) {
                const Cost least = v ? a1 : a0;
                low_.set_leaves(sums, g, v, least, n, low_.sides_[v]);
                low_.make_one(sums, *at.variants, g, v, least, n, low_.sides_[v], low_.inner_[v]);
                below[v].depth = 1, below[v].g = g, below[v].side_of_g = v;
                below[v].cost = least, below[v].outer = part.cost;
            }
            pair_sides(at, g, n - 1, part.slice, 0, below);
            return true;
        });
    }
    void open_one(const Context& at, const typename PairSums<T>::Sums& sums, int g, bool side, const Part& part) {
        const Variants& variants = *at.variants;
        tables_.visit_one(variants, side, part.cost, [](int, Cost) {}, [&](int j, int label1, int label0, Cost cost) {
            if (cost != part.cost) return;
            const Score score = sums.cell(label1, g, side, j, true) + sums.cell(label0, g, side, j, false);
            for (int v = variants.first[j]; v < variants.first[j + 1]; ++v) {
                if (membership_.join_leaves(int(variants.mark[v])) != part.slice) continue;
                Option option{split_on(graph_, *at.node, j, int(variants.mark[v])), {}, score, score};
                option.part[1].label = label1, option.part[0].label = label0;
                add(option);
            }
        });
    }

    // Options of a split of the column, from those of the sides that the ranges were asked for last.
    void pair_sides(const Context& at, int f, int total, int slice, Score base, const Part below[2]) {
        for (const bool side : {true, false}) list_parts(side, total, below[side], parts_[side]);
        by_cost_.assign(total + 1, {});
        for (const Part& part0 : parts_[0]) by_cost_[part0.at].push_back(&part0);
        for (int v = at.variants->first[f]; v < at.variants->first[f + 1]; ++v) {
            const int mark = int(at.variants->mark[v]);
            for (const Part& part1 : parts_[1])
                for (const Part* part0 : by_cost_[total - part1.at]) {
                    if (membership_.join(part1.slice, part0->slice, mark) != slice) continue;
                    if (membership_.drop_trivial && part1.label >= 0 && part1.label == part0->label) continue;
                    const Score lo = part1.lo + part0->lo + base, hi = part1.hi + part0->hi + base;
                    if (distance(rest_lo_ + lo, rest_hi_ + hi) >= distance(best_)) continue;
                    add({split_on(graph_, *at.node, f, mark), {*part0, part1}, lo, hi});
                }
        }
    }
    void list_parts(bool side, int total, const Part& below, std::vector<Part>& out) const {
        const Side &high = high_.sides_[side], &low = low_.sides_[side];
        out.clear();
        Part part = below;
        for (const auto& leaf : high.leaves) {
            if (leaf.at > total) continue;
            part.label = leaf.label, part.at = leaf.at, part.slice = 0;
            part.lo = part.hi = leaf.score;
            out.push_back(part);
        }
        part.label = -1;
        for (int a = 0; high.splits && a < high.n_slices; ++a)
            for (int i = 0; i <= total; ++i) {
                part.hi = high.splits[a * high.stride + i];
                if (!is_score(part.hi)) continue;
                part.lo = -low.splits[a * low.stride + i];
                part.at = i, part.slice = a, part.cost = below.cost + i;
                out.push_back(part);
            }
    }
    void add(Option option) {
        option.lo += rest_lo_, option.hi += rest_hi_;
        if (distance(option.lo, option.hi) < distance(best_)) options_->push_back(option);
    }

    Graph& graph_;
    Tables<T>& tables_;
    const Membership& membership_;
    Ranges<T> high_, low_;  // low_ has the negated scores
    Control* control_ = nullptr;
    std::int64_t steps_ = 0;
    bool ended_ = false;
    Score goal_ = 0, best_ = 0;
    MemberTree tree_;  // the best
    std::vector<Option>* options_ = nullptr;
    Score rest_lo_ = 0, rest_hi_ = 0;  // range of the other parts of the partial tree
    std::vector<Part> parts_[2];
    std::vector<std::vector<const Part*>> by_cost_;
};

}  // namespace treeml
