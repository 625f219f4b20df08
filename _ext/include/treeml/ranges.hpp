// The greatest additive score of the members of a Rashomon set, of every cost, without listing them: max-plus sweep
// over the graph. A score is a sum over the traced rows of a number that depends on the row and the label that the tree
// gives it (pair_sums.hpp), or over the leaves of what their rows are together (departures.hpp); least scores are
// greatest ones of the negated numbers. The recursion is that of the numbers of trees
// (rashomon.hpp) in another semiring (Goodman, Semiring Parsing, Computational Linguistics 25, 1999). Because traced
// rows are in the row sets of the graph's nodes, a node's trees have one score each, whatever path leads to it.
//
// Tables have the splits of a node only. Leaves are added where a split is made of two sides, so that two leaves
// of one label can be left out there (drop_trivial).
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "treeml/max_plus.hpp"
#include "treeml/members.hpp"
#include "treeml/pair_sums.hpp"

namespace treeml {

template <class T>
class Nearest;

template <class T, class LeafSums = PairSums<T>>
class Ranges {
  public:
    explicit Ranges(RashomonGraph<T>& graph) : Ranges(graph, LeafSums(graph)) {}
    Ranges(RashomonGraph<T>& graph, LeafSums sums)
        : graph_(graph), tables_(graph.tables()), membership_(graph.query().membership),
          max_plus_(max_plus_for(choose_isa())), sums_(std::move(sums)) {}

    // scores[label][traced row], or the numbers that scores are made of; less than 2^59 in all. False: a limit ended it.
    bool find(const std::vector<Score>& scores, Control& control) {
        sums_.set_scores(scores);
        if (graph_.is_empty()) return true;
        if (!start(control)) return false;
        for (std::size_t d = 0; d < graph_.levels().size(); ++d)
            for (std::size_t i = 0; i < graph_.levels()[d].size(); ++i) {
                if (control.stop(true)) return false;
                fill(graph_.levels()[d][i]);
            }
        set_root_leaves();
        return true;
    }

    // The greatest score of a member of a cost in a slice; kNoScore where there is none.
    Score greatest(Cost cost, int slice) {
        const Score best = best_of_root(cost - graph_.certain(), slice);
        return is_score(best) ? best + sums_.base() : kNoScore;
    }
    // A member that has it.
    MemberTree attaining(Cost cost, int slice) {
        cost -= graph_.certain();
        const Score best = best_of_root(cost, slice);
        if (!is_score(best)) throw std::out_of_range("there is no tree of this cost");
        MemberTree out;
        select_stored(graph_.root(), cost, slice, best, out);
        return out;
    }

  private:
    friend class Nearest<T>;
    using Graph = RashomonGraph<T>;
    using Stored = typename Graph::Stored;
    using Edge = typename Graph::Edge;
    using Context = typename Graph::Context;

    using Sums = typename LeafSums::Sums;

    struct Leaf {
        int label;
        int at;  // cost over the least
        Score score;
    };
    // Trees on a side of a split: leaves, and the best splits by slice and cost from the side's least cost on.
    struct Side {
        int depth = 0;
        const Stored* stored = nullptr;
        int n_slices = 0;
        const Score* splits = nullptr;
        std::size_t stride = 0;  // from slice to slice
        std::vector<Leaf> leaves;
    };
    // One tree of a split, as its sides.
    struct Part {
        int label = -1;  // of a leaf
        int slice = 0, at = 0;
        Score score = 0;
    };
    struct Choice {
        int mark;
        Part part[2];
    };

    static int length(const Stored& node) { return int(node.budget - node.least) + 1; }
    Score* values(const Stored& node) {
        return values_.data() + first_[node.depth][&node - graph_.levels()[node.depth].data()];
    }

    bool start(Control& control) {
        std::size_t size = 0;
        first_.assign(graph_.levels().size(), {});
        for (std::size_t d = 0; d < graph_.levels().size(); ++d)
            for (const Stored& node : graph_.levels()[d]) {
                first_[d].push_back(size);
                size += std::size_t(length(node)) * membership_.n_slices(node.depth);
            }
        size = graph_.number_twos(size);
        control.allocated(std::int64_t(size * sizeof(Score) + size / 8));
        if (control.stop(true)) return false;
        values_.assign(size, kNoScore);
        done_.assign(size, false);
        return true;
    }

    Score best_of_root(Cost cost, int slice) {
        const Stored& root = graph_.root();
        if (graph_.is_empty() || cost < root.least || cost > root.budget) return kNoScore;
        Score best = values(root)[std::size_t(slice) * length(root) + (cost - root.least)];
        for (const auto& [leaf, score] : root_leaves_)
            if (!slice && leaf == cost) best = std::max(best, score);
        return best;
    }
    void set_root_leaves() {
        const Stored& root = graph_.root();
        const Context at = graph_.context(root);
        open(at);
        root_leaves_.clear();
        tables_.visit_leaves(at.node->counts.total.data(), root.budget, [&](int label, Cost cost) {
            root_leaves_.emplace_back(cost, sums_.whole().all(label));
        });
    }

    void fill(const Stored& node) {
        if (!node.n_edges) return;
        const Context at = graph_.context(node);
        open(at);
        Score* out = values(node);
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge) {
            const int n = make_sides(node, at, *edge);
            Score* from = out + (edge->cost1 + edge->cost0 - node.least);
            join(*at.variants, at.node->place[edge->column], n, from, length(node));
        }
    }

    // The sides of an edge of the open node; how many costs each has.
    int make_sides(const Stored& node, const Context& at, const Edge& edge) {
        const int f = at.node->place[edge.column], n = int(node.budget - edge.cost1 - edge.cost0) + 1;
        for (const bool side : {true, false}) {
            sides_[side].depth = graph_.effective(node.depth - 1, node.budget - edge.cost(!side));
            if (sides_[side].depth == 2) make_two(*at.variants, f, side, graph_.two(edge, side));
        }
        tables_.read_sides(f);
        for (const bool side : {true, false}) {
            Side& here = sides_[side];
            const Cost least = edge.cost(side);
            here.n_slices = membership_.n_slices(here.depth);
            here.stored = nullptr;
            set_leaves(sums_.whole(), f, side, least, n, here);
            if (here.depth >= 3) {
                here.stored = &graph_.levels()[here.depth][edge.child(side)];
                here.splits = values(*here.stored) + (least - here.stored->least);
                here.stride = length(*here.stored);
            } else if (here.depth == 2) {
                const auto& two = graph_.two(edge, side);
                here.splits = values_.data() + two.outside + (least - two.least);
                here.stride = std::size_t(two.budget - two.least) + 1;
            } else if (here.depth == 1) {
                make_one(sums_.whole(), *at.variants, f, side, least, n, here, ones_[side]);
            } else {
                here.splits = nullptr;
            }
        }
        return n;
    }

    void set_leaves(const Sums& sums, int f, bool side, Cost least, int n, Side& out) const {
        out.leaves.clear();
        tables_.visit_side_leaves(side, least + n - 1, [&](int label, Cost cost) {
            out.leaves.push_back({label, int(cost - least), sums.side(label, f, side)});
        });
    }

    // The best splits into two leaves on a side of the column that the tables read last.
    void make_one(const Sums& sums, const Variants& variants, int g, bool side, Cost least, int n, Side& out,
                  std::vector<Score>& to) {
        out.depth = 1;
        out.n_slices = membership_.n_slices(1);
        out.stride = n;
        to.assign(std::size_t(out.n_slices) * n, kNoScore);
        const auto no_leaf = [](int, Cost) {};
        tables_.visit_one(variants, side, least + n - 1, no_leaf, [&](int j, int label1, int label0, Cost cost) {
            const Score score = sums.cell(label1, g, side, j, true) + sums.cell(label0, g, side, j, false);
            for (int v = variants.first[j]; v < variants.first[j + 1]; ++v) {
                const int slice = membership_.join_leaves(int(variants.mark[v]));
                if (slice < 0) continue;
                Score& known = to[std::size_t(slice) * n + (cost - least)];
                known = std::max(known, score);
            }
        });
        out.splits = to.data();
    }

    // The splits of a tree of depth two on a side of a column of the open node, once.
    template <class Two>
    void make_two(const Variants& variants, int f, bool side, const Two& two) {
        if (done_[two.outside]) return;
        done_[two.outside] = true;
        Score* out = values_.data() + two.outside;
        const int total = int(two.budget - two.least) + 1;
        visit_two(variants, f, side, two.budget, [&](int g, Cost a1, Cost a0, int n) {
            join(variants, g, n, out + (a1 + a0 - two.least), total);
            return true;
        });
    }
    // Makes the sides of all splits there: split(column, a1, a0, n costs) until it returns false.
    template <class Split>
    void visit_two(const Variants& variants, int f, bool side, Cost most, Split split) {
        tables_.open(f);
        const Sums& sums = sums_.half(f, side);
        const Side outer[2] = {std::move(sides_[0]), std::move(sides_[1])};
        const auto no_leaf = [](int, Cost) {};
        using Counts = const std::uint32_t*;
        tables_.visit_two(variants, side, most, no_leaf, [&](int g, Cost a1, Cost a0, Counts, Counts, int n) {
            for (const bool v : {true, false}) {
                set_leaves(sums, g, v, v ? a1 : a0, n, sides_[v]);
                make_one(sums, variants, g, v, v ? a1 : a0, n, sides_[v], inner_[v]);
            }
            return split(g, a1, a0, n);
        });
        sides_[0] = outer[0], sides_[1] = outer[1];
    }

    // Raises the scores of a node, from the split's least cost on, to the best of the split's trees.
    void join(const Variants& variants, int f, int n, Score* out, std::size_t stride) {
        const Side &yes = sides_[1], &no = sides_[0];
        for (int v = variants.first[f]; v < variants.first[f + 1]; ++v) {
            const int mark = int(variants.mark[v]);
            const auto to = [&](int a, int b) {
                const int slice = membership_.join(a, b, mark);
                return slice < 0 ? nullptr : out + std::size_t(slice) * stride;
            };
            for (int a = 0; yes.splits && a < yes.n_slices; ++a)
                for (int b = 0; no.splits && b < no.n_slices; ++b)
                    if (Score* at = to(a, b)) max_plus_(yes.splits + a * yes.stride, no.splits + b * no.stride, n, at);
            for (const bool side : {true, false}) {
                const Side& other = sides_[!side];
                const auto from = [&](int b) { return other.splits + b * other.stride; };
                for (const Leaf& leaf : sides_[side].leaves)
                    for (int b = 0; other.splits && b < other.n_slices; ++b)
                        if (Score* at = to(0, b)) raise_by(leaf.score, from(b), n - leaf.at, at + leaf.at);
            }
            Score* at = to(0, 0);
            if (!at) continue;
            each_pair_of_leaves(n, [&](const Leaf& leaf1, const Leaf& leaf0) {
                Score& known = at[leaf1.at + leaf0.at];
                known = std::max(known, leaf1.score + leaf0.score);
            });
        }
    }
    template <class Visit>
    void each_pair_of_leaves(int n, Visit visit) const {
        for (const Leaf& leaf1 : sides_[1].leaves)
            for (const Leaf& leaf0 : sides_[0].leaves)
                if (leaf1.at + leaf0.at < n && !(membership_.drop_trivial && leaf1.label == leaf0.label))
                    visit(leaf1, leaf0);
    }

    // The other way round: which tree of the split has a score, at `total` over its least cost.
    std::optional<Choice> choose(const Variants& variants, int f, int total, int slice, Score score) const {
        std::optional<Choice> out;
        for (int v = variants.first[f]; v < variants.first[f + 1] && !out; ++v) {
            const int mark = int(variants.mark[v]);
            each_part(sides_[1], total, [&](const Part& part1) {
                if (out) return;
                each_part(sides_[0], total - part1.at, [&](const Part& part0) {
                    if (out || part1.at + part0.at != total || part1.score + part0.score != score) return;
                    if (membership_.drop_trivial && part1.label >= 0 && part1.label == part0.label) return;
                    if (membership_.join(part1.slice, part0.slice, mark) == slice) out = Choice{mark, {part0, part1}};
                });
            });
        }
        return out;
    }
    template <class Visit>
    static void each_part(const Side& side, int most, Visit visit) {
        for (const Leaf& leaf : side.leaves)
            if (leaf.at <= most) visit(Part{leaf.label, 0, leaf.at, leaf.score});
        for (int a = 0; side.splits && a < side.n_slices; ++a)
            for (int i = 0; i <= most; ++i)
                if (const Score score = side.splits[a * side.stride + i]; is_score(score)) visit(Part{-1, a, i, score});
    }

    void select_stored(const Stored& node, Cost cost, int slice, Score score, MemberTree& out) {
        const Context at = graph_.context(node);
        open(at);
        int label = -1;  // below the root leaves are parts of a split
        if (&node == &graph_.root() && !slice)
            tables_.visit_leaves(at.node->counts.total.data(), cost, [&](int k, Cost leaf) {
                if (leaf == cost && sums_.whole().all(k) == score) label = k;
            });
        if (label >= 0) return out.push_back({-1, -1, -1, label});
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge) {
            const Cost total = cost - edge->cost1 - edge->cost0;
            if (total < 0) continue;
            const int f = at.node->place[edge->column];
            make_sides(node, at, *edge);
            const auto choice = choose(*at.variants, f, int(total), slice, score);
            if (!choice) continue;
            MemberTree parts[2];
            const Stored* stored[2] = {sides_[0].stored, sides_[1].stored};
            const MemberNode here = split_on(graph_, *at.node, f, choice->mark);
            for (const bool side : {true, false}) {  // what needs this context comes before other nodes
                const Part& part = choice->part[side];
                const Cost c = edge->cost(side) + part.at;
                if (part.label >= 0) parts[side] = {{-1, -1, -1, part.label}};
                else if (sides_[side].depth == 2) select_two(at, f, side, c, part, parts[side]);
                else if (sides_[side].depth == 1 && tables_.read_sides(f))
                    select_one(sums_.whole(), at, f, side, c, part, parts[side]);
            }
            for (const bool side : {true, false}) {
                const Part& part = choice->part[side];
                const Cost c = edge->cost(side) + part.at;
                if (parts[side].empty()) select_stored(*stored[side], c, part.slice, part.score, parts[side]);
            }
            return put_together(here, parts, out);
        }
        throw std::logic_error("no tree has the greatest score");
    }
    void select_two(const Context& at, int f, bool side, Cost cost, const Part& part, MemberTree& out) {
        visit_two(*at.variants, f, side, cost, [&](int g, Cost a1, Cost a0, int n) {
            const auto choice = choose(*at.variants, g, n - 1, part.slice, part.score);
            if (!choice) return true;
            MemberTree parts[2];
            for (const bool v : {true, false}) {
                const Part& below = choice->part[v];
                if (below.label >= 0) parts[v] = {{-1, -1, -1, below.label}};
                else select_one(sums_.half(f, side), at, g, v, (v ? a1 : a0) + below.at, below, parts[v]);
            }
            put_together(split_on(graph_, *at.node, g, choice->mark), parts, out);
            return false;
        });
    }
    void select_one(const Sums& sums, const Context& at, int g, bool side, Cost cost, const Part& part,
                    MemberTree& out) {
        const Variants& variants = *at.variants;
        tables_.visit_one(variants, side, cost, [](int, Cost) {}, [&](int j, int label1, int label0, Cost here) {
            if (!out.empty() || here != cost) return;
            if (sums.cell(label1, g, side, j, true) + sums.cell(label0, g, side, j, false) != part.score) return;
            for (int v = variants.first[j]; v < variants.first[j + 1] && out.empty(); ++v) {
                if (membership_.join_leaves(int(variants.mark[v])) != part.slice) continue;
                MemberTree parts[2] = {{{-1, -1, -1, label0}}, {{-1, -1, -1, label1}}};
                put_together(split_on(graph_, *at.node, j, int(variants.mark[v])), parts, out);
            }
        });
    }

    void open(const Context& at) {
        tables_.open(*at.node);
        sums_.open(*at.node);
    }

    Graph& graph_;
    Tables<T>& tables_;
    const Membership& membership_;
    const MaxPlus max_plus_;
    LeafSums sums_;
    std::vector<Score> values_;  // of stored nodes, then of those of depth two
    std::vector<bool> done_;
    std::vector<std::vector<std::size_t>> first_;  // of every stored node
    std::vector<std::pair<Cost, Score>> root_leaves_;

    // of the open split
    Side sides_[2];
    std::vector<Score> ones_[2], inner_[2];
};

}  // namespace treeml
