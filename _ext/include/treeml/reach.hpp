// Which leaves the members of a Rashomon set have, without listing members: inside and outside sweeps of the graph in
// the semiring of minimum and plus. A leaf is in some member exactly if its cost, and the least cost of what a
// member has beside it, are within the budget. The path to it does not matter: the traced rows, among them those
// of the fit, are in the row sets of the graph's nodes.
//
// As in ranges.hpp, tables have the splits of a node only. Leaves are added where a split is made of two sides, so
// that two leaves of one label can be left out there (drop_trivial).
#pragma once

#include <algorithm>
#include <vector>

#include "treeml/rashomon.hpp"

namespace treeml {

// A leaf below a node: the rows where column f is `side`, g is `on` and j is `answer`; columns of -1 ask nothing.
struct LeafCell {
    int f = -1;
    bool side = false;
    int g = -1;
    bool on = false;
    int j = -1;
    bool answer = false;
};

template <class T>
class Reach {
  public:
    explicit Reach(RashomonGraph<T>& graph)
        : graph_(graph), tables_(graph.tables()), membership_(graph.query().membership) {}

    // Of the members in the slices that count: open(node), then found(LeafCell) for each of its leaves; a leaf is
    // found more than once where several nodes or columns lead to it. False: a limit ended it.
    template <class Open, class Found>
    bool find(const std::vector<std::uint8_t>& slices, Control& control, Open open, Found found) {
        if (graph_.is_empty()) return true;
        if (!start(slices, control)) return false;
        const auto& levels = graph_.levels();
        for (const auto& level : levels)
            for (const Stored& node : level) {
                if (control.stop(true)) return false;
                fill(node);
            }
        for (std::size_t d = levels.size(); d-- > 0;)
            for (const Stored& node : levels[d]) {
                if (control.stop(true)) return false;
                spread(node, open, found);
            }
        for (const auto& level : levels)
            for (const Stored& node : level) {
                if (control.stop(true)) return false;
                spread_twos(node, open, found);
            }
        return true;
    }

  private:
    using Graph = RashomonGraph<T>;
    using Stored = typename Graph::Stored;
    using Edge = typename Graph::Edge;
    using Context = typename Graph::Context;

    static constexpr Cost kFar = Cost(1) << 60;  // no tree; a few of it are no overflow

    // Trees on a side of a split: a leaf, or all splits in a slice.
    struct Kind {
        int label;  // -1: splits
        int slice;
        Cost cost;  // the least
        Cost rest;  // the least of what a member has beside it
    };
    struct Side {
        int depth = 0;
        std::vector<Kind> kinds;
    };

    bool start(const std::vector<std::uint8_t>& slices, Control& control) {
        std::size_t size = 0;
        first_.assign(graph_.levels().size(), {});
        for (std::size_t d = 0; d < graph_.levels().size(); ++d)
            for (const Stored& node : graph_.levels()[d]) {
                first_[d].push_back(size);
                size += std::size_t(membership_.n_slices(node.depth));
            }
        size = graph_.number_twos(size);
        control.allocated(std::int64_t(2 * size * sizeof(Cost) + size / 4));
        if (control.stop(true)) return false;
        inside_.assign(size, kFar);
        outside_.assign(size, kFar);
        is_filled_.assign(size, false);
        is_spread_.assign(size, false);
        const Stored& root = graph_.root();
        budget_ = root.budget;
        for (int s = 0; s < graph_.n_slices(); ++s)
            if (slices[s]) outside_[place(root) + s] = 0;
        return true;
    }
    std::size_t place(const Stored& node) const {
        return first_[node.depth][&node - graph_.levels()[node.depth].data()];
    }
    // Where the costs of a child of depth two or more are.
    std::size_t place(const Edge& edge, bool side, int depth) const {
        if (depth == 2) return std::size_t(graph_.two(edge, side).outside);
        return first_[depth][edge.child(side)];
    }

    // From the leaves up: the least cost of the splits of a node, by slice.
    void fill(const Stored& node) {
        if (!node.n_edges) return;
        const Context at = graph_.context(node);
        tables_.open(*at.node);
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge) {
            make_sides(node, at, *edge);
            join(*at.variants, at.node->place[edge->column], inside_.data() + place(node));
        }
    }
    void fill_two(const Variants& variants, int f, bool side, Cost most, std::size_t at) {
        if (is_filled_[at]) return;
        is_filled_[at] = true;
        visit_two(variants, f, side, most, [&](int g) { join(variants, g, inside_.data() + at); });
    }
    void join(const Variants& variants, int f, Cost* out) {
        each_pair(variants, f, [&](int slice, const Kind& yes, const Kind& no) {
            out[slice] = std::min(out[slice], yes.cost + no.cost);
        });
    }

    // The sides of an edge of the open node.
    void make_sides(const Stored& node, const Context& at, const Edge& edge) {
        const int f = at.node->place[edge.column];
        for (const bool side : {true, false}) {
            sides_[side].depth = graph_.effective(node.depth - 1, node.budget - edge.cost(!side));
            if (sides_[side].depth != 2) continue;
            fill_two(*at.variants, f, side, graph_.two(edge, side).budget, place(edge, side, 2));
        }
        tables_.read_sides(f);
        for (const bool side : {true, false}) {
            Side& here = sides_[side];
            set_small(*at.variants, side, node.budget - edge.cost(!side), here);
            if (here.depth < 2) continue;
            const Cost* from = inside_.data() + place(edge, side, here.depth);
            for (int s = 0; s < membership_.n_slices(here.depth); ++s)
                if (from[s] < kFar) here.kinds.push_back({-1, s, from[s], kFar});
        }
    }
    // Leaves, and splits into two leaves where the side has no deeper ones, of the column that was read last.
    void set_small(const Variants& variants, bool side, Cost most, Side& out) {
        out.kinds.clear();
        tables_.visit_side_leaves(side, most, [&](int label, Cost cost) { out.kinds.push_back({label, 0, cost, kFar}); });
        if (out.depth != 1) return;
        least_.assign(membership_.n_slices(1), kFar);
        each_stump(variants, side, most, [&](int, int slice, Cost cost) { least_[slice] = std::min(least_[slice], cost); });
        for (int s = 0; s < int(least_.size()); ++s)
            if (least_[s] < kFar) out.kinds.push_back({-1, s, least_[s], kFar});
    }
    template <class Visit>
    void each_stump(const Variants& variants, bool side, Cost most, Visit visit) {
        const auto no_leaf = [](int, Cost) {};
        tables_.visit_one(variants, side, most, no_leaf, [&](int j, int, int, Cost cost) {
            for (int v = variants.first[j]; v < variants.first[j + 1]; ++v) {
                const int slice = membership_.join_leaves(int(variants.mark[v]));
                if (slice >= 0) visit(j, slice, cost);
            }
        });
    }
    // All splits of a tree of depth two on a side of a column of the open node, with their sides.
    template <class Split>
    void visit_two(const Variants& variants, int f, bool side, Cost most, Split split) {
        tables_.open(f);
        Side outer[2] = {std::move(sides_[0]), std::move(sides_[1])};
        const auto no_leaf = [](int, Cost) {};
        using Counts = const std::uint32_t*;
        tables_.visit_two(variants, side, most, no_leaf, [&](int g, Cost a1, Cost a0, Counts, Counts, int) {
            for (const bool v : {true, false}) {
                sides_[v].depth = 1;
                set_small(variants, v, most - (v ? a0 : a1), sides_[v]);
            }
            split(g);
            return true;
        });
        sides_[0] = std::move(outer[0]), sides_[1] = std::move(outer[1]);
    }
    // What a split of the column can be made of: visit(slice of the tree, yes, no).
    template <class Visit>
    void each_pair(const Variants& variants, int f, Visit visit) {
        for (int v = variants.first[f]; v < variants.first[f + 1]; ++v)
            for (Kind& yes : sides_[1].kinds)
                for (Kind& no : sides_[0].kinds) {
                    if (membership_.drop_trivial && yes.label >= 0 && yes.label == no.label) continue;
                    const int slice = membership_.join(yes.slice, no.slice, int(variants.mark[v]));
                    if (slice >= 0 && yes.cost + no.cost <= budget_) visit(slice, yes, no);
                }
    }

    // From a node to its children, and its leaves.
    template <class Open, class Found>
    void spread(const Stored& node, Open open, Found found) {
        const Cost* outside = outside_.data() + place(node);
        const Cost rest = *std::min_element(outside, outside + membership_.n_slices(node.depth));
        if (rest == kFar) return;
        const Context at = graph_.context(node);
        tables_.open(*at.node);
        open(*at.node);
        if (&node == &graph_.root() && outside[0] < kFar) {
            bool any = false;
            tables_.visit_leaves(at.node->counts.total.data(), budget_, [&](int, Cost) { any = true; });
            if (any) found(LeafCell{});
        }
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge) {
            if (edge->cost1 + edge->cost0 + rest > budget_) continue;
            const int f = at.node->place[edge->column];
            make_sides(node, at, *edge);
            set_rests(*at.variants, f, outside);
            for (const bool side : {true, false}) {
                const Side& here = sides_[side];
                find_small(*at.variants, side, {f, side}, found);
                if (here.depth < 2) continue;
                Cost* to = outside_.data() + place(*edge, side, here.depth);
                for (const Kind& kind : here.kinds)
                    if (kind.label < 0) to[kind.slice] = std::min(to[kind.slice], kind.rest);
            }
        }
    }
    void set_rests(const Variants& variants, int f, const Cost* outside) {
        each_pair(variants, f, [&](int slice, Kind& yes, Kind& no) {
            yes.rest = std::min(yes.rest, outside[slice] + no.cost);
            no.rest = std::min(no.rest, outside[slice] + yes.cost);
        });
    }
    // The leaves of members that are a side or splits of a side of the column that was read last.
    template <class Found>
    void find_small(const Variants& variants, bool side, LeafCell cell, Found found) {
        const Side& here = sides_[side];
        bool any = false;
        least_.assign(membership_.n_slices(1), kFar);
        Cost least = kFar;
        for (const Kind& kind : here.kinds) {
            if (kind.label >= 0) any = any || kind.cost + kind.rest <= budget_;
            else if (here.depth == 1) least_[kind.slice] = kind.rest, least = std::min(least, kind.rest);
        }
        if (any) found(cell);
        if (least == kFar) return;
        int last = -1;  // labels of a stump follow each other
        each_stump(variants, side, budget_ - least, [&](int j, int slice, Cost cost) {
            if (j == last || least_[slice] + cost > budget_) return;
            last = j;
            LeafCell below = cell;
            below.j = j;
            for (const bool answer : {true, false}) {
                below.answer = answer;
                found(below);
            }
        });
    }

    // The leaves of the trees of depth two below a node that no other node has had.
    template <class Open, class Found>
    void spread_twos(const Stored& node, Open open, Found found) {
        bool is_open = false;
        Context at{};
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge)
            for (const bool side : {true, false}) {
                if (graph_.effective(node.depth - 1, node.budget - edge->cost(!side)) != 2) continue;
                const std::size_t two = place(*edge, side, 2);
                const Cost* outside = outside_.data() + two;
                const Cost rest = *std::min_element(outside, outside + membership_.n_slices(2));
                if (rest == kFar || is_spread_[two]) continue;
                is_spread_[two] = true;
                if (!is_open) {
                    at = graph_.context(node);
                    tables_.open(*at.node);
                    open(*at.node);
                    is_open = true;
                }
                const int f = at.node->place[edge->column];
                visit_two(*at.variants, f, side, budget_ - rest, [&](int g) {
                    set_rests(*at.variants, g, outside);
                    for (const bool on : {true, false}) find_small(*at.variants, on, {f, side, g, on}, found);
                });
            }
    }

    Graph& graph_;
    Tables<T>& tables_;
    const Membership& membership_;
    Cost budget_ = 0;
    std::vector<Cost> inside_, outside_;  // of stored nodes, then of those of depth two
    std::vector<bool> is_filled_, is_spread_;
    std::vector<std::vector<std::size_t>> first_;  // of every stored node

    // of the open split
    Side sides_[2];
    std::vector<Cost> least_;
};

}  // namespace treeml
