// In how many members of a Rashomon set each feature is used, all features at once and without listing trees.
//
// U[node][feature][cost] is the number of trees of the node that use the feature at least once. Of a split whose
// sides have n1 and n0 trees, u1 and u0 of them with the feature, u1 * n0 + (n1 - u1) * u0 use it below (* is the
// convolution over costs), or all of them where the split itself asks for it. Numbers start at the least cost at
// which a feature occurs, so what is rarely in reach costs next to nothing.
#pragma once

#include <algorithm>
#include <vector>

#include "treeml/rashomon.hpp"
#include "treeml/votes.hpp"

namespace treeml {

template <class T>
class Uses {
  public:
    // features: of every column of the data, below n_features. The set must not be counted in slices.
    Uses(RashomonGraph<T>& graph, Ring ring, std::vector<std::int32_t> features, int n_features)
        : graph_(graph), tables_(graph.tables()), ring_(ring), features_(std::move(features)), n_features_(n_features),
          node_sums_(n_features), two_sums_(n_features), place_(n_features, -1) {
        for (const int side : {0, 1}) stumps_[side] = stumps_below_[side] = Sums(n_features);
    }

    // Members that use each feature. False: a limit ended it.
    bool count(Control& control, std::vector<Limb>& out) {
        out.assign(n_features_, 0);
        if (graph_.is_empty()) return true;
        control_ = &control;
        stored_.resize(graph_.levels().size());
        for (std::size_t d = 0; d < graph_.levels().size(); ++d)
            for (const Stored& node : graph_.levels()[d]) {
                if (control.stop(true)) return false;
                stored_[d].push_back(of_node(node));
            }
        for (const Tail& tail : stored_.back()[0])
            for (const Limb trees : tail.trees) out[tail.feature] = ring_.add(out[tail.feature], trees);
        return true;
    }

  private:
    using Graph = RashomonGraph<T>;
    using Stored = typename Graph::Stored;
    using Edge = typename Graph::Edge;
    using Child = typename Graph::Child;
    using Context = typename Graph::Context;

    static constexpr std::int64_t kMostKept = 128 << 20;  // bytes of trees of depth two

    // Trees that use a feature, by cost from `start` on.
    struct Tail {
        int feature, start;
        std::vector<Limb> trees;
    };
    struct View {
        int feature, start;
        const Limb* trees;
    };

    // The same for all features while they are added up.
    class Sums {
      public:
        explicit Sums(int n_features = 0) : start_(n_features, -1), trees_(n_features) {}

        void open(int length) {
            for (const int feature : touched_) start_[feature] = -1;
            touched_.clear();
            length_ = length;
        }
        // The feature's numbers from `start` on, to which something is added.
        Limb* at(int feature, int start) {
            std::vector<Limb>& trees = trees_[feature];
            int& from = start_[feature];
            if (from < 0) {
                touched_.push_back(feature);
                if (int(trees.size()) < length_) trees.resize(length_);
                std::fill(trees.begin() + start, trees.begin() + length_, Limb(0));
                from = start;
            } else if (start < from) {
                std::fill(trees.begin() + start, trees.begin() + from, Limb(0));
                from = start;
            }
            return trees.data() + start;
        }
        void views(std::vector<View>& out) const {
            out.clear();
            for (const int feature : touched_) out.push_back({feature, start_[feature], trees_[feature].data() + start_[feature]});
        }
        std::vector<Tail> tails() const {
            std::vector<Tail> out;
            for (const int feature : touched_) {
                const auto trees = trees_[feature].begin();
                out.push_back({feature, start_[feature], {trees + start_[feature], trees + length_}});
            }
            return out;
        }

      private:
        int length_ = 0;
        std::vector<int> start_, touched_;
        std::vector<std::vector<Limb>> trees_;
    };

    std::vector<Tail> of_node(const Stored& node) {
        const Context at = graph_.context(node);
        tables_.open(*at.node);
        find_features(*at.node);
        node_sums_.open(int(node.budget - node.least) + 1);
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge) {
            const int f = at.node->place[edge->column];
            const int n = int(node.budget - edge->cost1 - edge->cost0) + 1, from = int(edge->cost1 + edge->cost0 - node.least);
            for (const bool side : {true, false}) {
                const Child child = graph_.child(node, at, *edge, side);
                std::vector<Limb>& all = all_[side];
                all.resize(n);
                for (int i = 0; i < n; ++i) all[i] = ring_.reduce(child.counts.at(0, i), child.counts.limbs);
            }
            for (const bool side : {true, false}) uses_of(node, at, f, *edge, side, n);
            join(f, n, from, node_sums_);
        }
        std::vector<Tail> out = node_sums_.tails();
        allocated(out);
        return out;
    }

    // What the child on an edge uses, within the n costs of the edge, into used_.
    void uses_of(const Stored& node, const Context& at, int f, const Edge& edge, bool side, int n) {
        const Cost most = node.budget - edge.cost(!side);
        const int depth = graph_.effective(node.depth - 1, most);
        std::vector<View>& out = used_[side];
        out.clear();
        if (depth >= 3) return view(stored_[depth][edge.child(side)], int(edge.cost(side) - graph_.levels()[depth][edge.child(side)].least), n, out);
        if (depth == 2) {
            const auto& two = graph_.two(edge, side);
            if (twos_.size() <= edge.child(side)) twos_.resize(edge.child(side) + 1);
            Two& known = twos_[edge.child(side)];
            if (!known.is_there) {
                of_two(*at.variants, f, side, two.least, two.budget);
                const bool keep = two.uses > 1 && kept_ <= kMostKept;
                std::vector<Tail>& tails = keep ? known.tails : now_[side];
                tails = two_sums_.tails();
                if (keep) {
                    known.is_there = true;
                    kept_ += allocated(tails);
                }
            }
            view(known.is_there ? known.tails : now_[side], int(edge.cost(side) - two.least), n, out);
        } else if (depth == 1 && tables_.read_sides(f)) {
            read_stumps(*at.variants, side, edge.cost(side), n, stumps_[side]);
            stumps_[side].views(out);
        }
    }

    static void view(const std::vector<Tail>& tails, int from, int n, std::vector<View>& out) {
        for (const Tail& tail : tails) {
            const int start = std::max(0, tail.start - from);
            if (start < n) out.push_back({tail.feature, start, tail.trees.data() + (start + from - tail.start)});
        }
    }

    // Trees of depth two on a side of a column, into two_sums_.
    void of_two(const Variants& variants, int f, bool side, Cost least, Cost most) {
        two_sums_.open(int(most - least) + 1);
        tables_.open(f);
        // what the node's own split joins is put aside
        std::swap(all_, all_of_node_);
        tables_.visit_two(
            variants, side, most, [](int, Cost) {},
            [&](int g, Cost a1, Cost a0, const std::uint32_t* yes, const std::uint32_t* no, int n) {
                for (const bool v : {true, false}) {
                    const std::uint32_t* from = v ? yes : no;
                    all_[v].resize(n);
                    for (int i = 0; i < n; ++i) all_[v][i] = from[i];
                    read_stumps(variants, v, v ? a1 : a0, n, stumps_below_[v]);
                    stumps_below_[v].views(below_[v]);
                }
                std::swap(used_, below_);
                join(g, n, int(a1 + a0 - least), two_sums_);
                std::swap(used_, below_);
                return true;
            });
        std::swap(all_, all_of_node_);
    }

    // Trees of depth one on a side of the column that the tables read last, by cost from `least` on.
    void read_stumps(const Variants& variants, bool side, Cost least, int n, Sums& sums) {
        sums.open(n);
        tables_.visit_one(
            variants, side, least + n - 1, [](int, Cost) {},
            [&](int j, int, int, Cost cost) {
                for (int k = own_first_[j]; k < own_first_[j + 1]; ++k) {
                    const int start = int(cost - least);
                    *sums.at(own_[k].feature, start) += own_[k].times;
                }
            });
    }

    // Adds the trees of a split on column f of the node whose sides are all_ and used_.
    void join(int f, int n, int from, Sums& sums) {
        Limb weight = 0;
        for (int k = own_first_[f]; k < own_first_[f + 1]; ++k) weight += own_[k].times;
        for (int k = own_first_[f]; k < own_first_[f + 1]; ++k)
            convolve(all_[1].data(), all_[0].data(), n, own_[k].times, sums.at(own_[k].feature, from));
        const auto others = [&](int feature) {  // columns of other features that the split can be on
            Limb out = weight;
            for (int k = own_first_[f]; k < own_first_[f + 1]; ++k)
                if (own_[k].feature == feature) out -= own_[k].times;
            return out;
        };
        for (std::size_t i = 0; i < used_[1].size(); ++i) place_[used_[1][i].feature] = int(i);
        for (const View& view : used_[1])
            if (const Limb times = others(view.feature))
                convolve(view.trees, all_[0].data(), n - view.start, times, sums.at(view.feature, from + view.start));
        for (const View& view : used_[0]) {
            const Limb times = others(view.feature);
            if (!times) continue;
            const Limb* without = all_[1].data();
            if (place_[view.feature] >= 0) {
                const View& yes = used_[1][place_[view.feature]];
                rest_.assign(all_[1].begin(), all_[1].begin() + n);
                for (int i = yes.start; i < n; ++i) rest_[i] = ring_.subtract(rest_[i], yes.trees[i - yes.start]);
                without = rest_.data();
            }
            convolve(view.trees, without, n - view.start, times, sums.at(view.feature, from + view.start));
        }
        for (const View& view : used_[1]) place_[view.feature] = -1;
    }

    // to += times * (x * y), n costs of each
    void convolve(const Limb* x, const Limb* y, int n, Limb times, Limb* to) const {
        if (!ring_.modulus) return tables_.kernels().convolve_wide(x, y, n, times, false, to);
        for (int i = 0; i < n; ++i) {
            if (!x[i]) continue;
            const Limb by = ring_.multiply(times % ring_.modulus, x[i]);
            for (int k = 0; k < n - i; ++k) to[i + k] = ring_.add(to[i + k], ring_.multiply(by, y[k]));
        }
    }

    // The features of the columns of the data that each column of a node stands for.
    void find_features(const Node<T>& node) {
        std::vector<std::vector<Own>> of(node.n_columns);
        for (int j = 0; j < int(features_.size()); ++j) {
            const int f = graph_.is_excluded(j) ? -1 : graph_.local_column(node, j);
            if (f < 0) continue;
            const auto known = std::find_if(of[f].begin(), of[f].end(), [&](const Own& own) { return own.feature == features_[j]; });
            if (known == of[f].end()) of[f].push_back({features_[j], 1});
            else ++known->times;
        }
        own_.clear();
        own_first_.assign(1, 0);
        for (const auto& some : of) {
            own_.insert(own_.end(), some.begin(), some.end());
            own_first_.push_back(int(own_.size()));
        }
    }

    std::int64_t allocated(const std::vector<Tail>& tails) {
        std::int64_t bytes = 0;
        for (const Tail& tail : tails) bytes += std::int64_t(sizeof(Tail) + tail.trees.size() * sizeof(Limb));
        control_->allocated(bytes);
        return bytes;
    }

    struct Two {
        bool is_there = false;
        std::vector<Tail> tails;
    };
    struct Own {
        int feature;
        Limb times;
    };

    Graph& graph_;
    Tables<T>& tables_;
    const Ring ring_;
    const std::vector<std::int32_t> features_;
    const int n_features_;
    Control* control_ = nullptr;
    std::vector<std::vector<std::vector<Tail>>> stored_;  // by depth
    std::vector<Two> twos_;
    std::int64_t kept_ = 0;

    // of the open node
    std::vector<Own> own_;
    std::vector<int> own_first_;
    Sums node_sums_, two_sums_, stumps_[2], stumps_below_[2];
    std::vector<Limb> all_[2], all_of_node_[2], rest_;
    std::vector<View> used_[2], below_[2];
    std::vector<Tail> now_[2];
    std::vector<int> place_;  // of every feature in used_[1]; -1
};

}  // namespace treeml
