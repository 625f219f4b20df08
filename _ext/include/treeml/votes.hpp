// In how many members a row gets each label, without listing them: the outside pass of an inside-outside
// computation over the graph (Baker, JASA 97, 1979). O[node][cost] is the number of ways to complete a tree of
// that cost at the node to a member; a leaf option of label c is then in O[node][its cost] members, for every row
// of the node. Below depth two the options of all pairs of columns add up to a quadratic form in the answers of a
// row, which is evaluated once for all rows of a node.
#pragma once

#include <vector>

#include "treeml/rashomon.hpp"

namespace treeml {

// Arithmetic modulo 2^64, or modulo an odd number below 2^63 for counts that are put together by remainders.
struct Ring {
    Limb modulus = 0;  // 0: 2^64

    Limb reduce(const Limb* x, int limbs) const {
        if (!modulus) return x[0];
        DoubleLimb out = 0;
        for (int k = limbs - 1; k >= 0; --k) out = (out << 64 | x[k]) % modulus;
        return Limb(out);
    }
    Limb add(Limb a, Limb b) const {
        const Limb sum = a + b;
        return modulus && sum >= modulus ? sum - modulus : sum;
    }
    Limb subtract(Limb a, Limb b) const { return modulus && a < b ? a + modulus - b : a - b; }
    Limb multiply(Limb a, Limb b) const { return modulus ? Limb(DoubleLimb(a) * b % modulus) : a * b; }
};

template <class T>
class Votes {
  public:
    // The last group of rows is the one that votes are asked for.
    Votes(RashomonGraph<T>& graph, Ring ring)
        : graph_(graph), tables_(graph.tables()), ring_(ring), membership_(graph.query().membership),
          n_labels_(graph.objective().n_classes - 1) {}

    // votes[label - 1][traced row]: members that give it the label, of those in the slices that count. False: a
    // limit ended it.
    bool count(const std::vector<std::uint8_t>& slices, Control& control, std::vector<Limb>& votes) {
        n_rows_ = graph_.n_traced();
        votes.assign(std::size_t(n_labels_) * n_rows_, 0);
        if (graph_.is_empty()) return true;
        votes_ = &votes;
        if (!start(slices, control)) return false;
        for (int d = int(graph_.levels().size()) - 1; d >= 0; --d)
            for (std::size_t i = 0; i < graph_.levels()[d].size(); ++i) {
                if (control.stop(true)) return false;
                spread(graph_.levels()[d][i], outside_.data() + first_[d][i]);
            }
        for (const auto& level : graph_.levels())
            for (const Stored& node : level) {
                if (control.stop(true)) return false;
                vote_twos(node);
            }
        return true;
    }

  private:
    using Graph = RashomonGraph<T>;
    using Stored = typename Graph::Stored;
    using Edge = typename Graph::Edge;
    using Child = typename Graph::Child;
    using Context = typename Graph::Context;

    // Votes for a label as a function of a row: constant + sum of linear x_j + sum of x_g quadratic_g x_j.
    struct Form {
        Limb constant = 0;
        std::vector<Limb> linear, quadratic;
    };

    static int length(const Stored& node) { return int(node.budget - node.least) + 1; }

    bool start(const std::vector<std::uint8_t>& slices, Control& control) {
        std::size_t size = 0;
        first_.assign(graph_.levels().size(), {});
        for (std::size_t d = 0; d < graph_.levels().size(); ++d)
            for (const Stored& node : graph_.levels()[d]) {
                first_[d].push_back(size);
                size += std::size_t(length(node)) * membership_.n_slices(node.depth);
            }
        size = graph_.number_twos(size);
        control.allocated(std::int64_t((size + votes_->size()) * sizeof(Limb) + size / 8));
        if (control.stop(true)) return false;
        outside_.assign(size, 0);
        done_.assign(size, false);
        const Stored& root = graph_.root();
        Limb* out = outside_.data() + first_.back()[0];
        for (int s = 0; s < graph_.n_slices(); ++s)
            std::fill_n(out + std::size_t(s) * length(root), length(root), Limb(slices[s] ? 1 : 0));
        return true;
    }

    // From a node to its children; votes of its leaves and of its children of depth one and less.
    void spread(const Stored& node, const Limb* outside) {
        const Context at = graph_.context(node);
        open(at);
        const int total = length(node);
        const auto all_rows = [&](int label, Limb w) {
            for (int r = 0; label && r < n_local_; ++r) add_to(local_[label - 1][r], w);
        };
        tables_.visit_leaves(at.node->counts.total.data(), node.budget, [&](int label, Cost cost) { all_rows(label, outside[cost - node.least]); });
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge) {
            const int f = at.node->place[edge->column];
            const Child yes = graph_.child(node, at, *edge, true), no = graph_.child(node, at, *edge, false);
            const int n = int(node.budget - edge->cost1 - edge->cost0) + 1, from = int(edge->cost1 + edge->cost0 - node.least);
            for (const bool side : {true, false}) {
                const Child &here = side ? yes : no, &other = side ? no : yes;
                const int slices = membership_.n_slices(here.depth);
                Limb* now = clear(now_, std::size_t(slices) * n);
                for (int v = at.variants->first[f]; v < at.variants->first[f + 1]; ++v)
                    for (int a = 0; a < slices; ++a)
                        for (int b = 0; b < membership_.n_slices(other.depth); ++b) {
                            const int slice = membership_.join(a, b, int(at.variants->mark[v]));
                            if (slice < 0) continue;
                            const Limb* out = outside + std::size_t(slice) * total + from;
                            correlate(out, other.counts, b, n, at.variants->times[v], now + std::size_t(a) * n);
                        }
                hand_on(at, f, *edge, side, here, n, now);
            }
            if (!membership_.drop_trivial) continue;
            tables_.read_sides(f);
            each_trivial(*at.variants, f, node.budget, [&](int label, Cost cost, int slice, Limb times) {
                const Limb w = ring_.multiply(times, outside[std::size_t(slice) * total + (cost - node.least)]);
                all_rows(label, ring_.subtract(0, w));
            });
        }
        close();
    }

    void hand_on(const Context& at, int f, const Edge& edge, bool side, const Child& child, int n, const Limb* now) {
        if (child.depth < 2) {
            tables_.read_sides(f);
            vote_side(*at.variants, side, child.depth, edge.cost(side), n, now);
            return add_form(f, side);
        }
        Cost least;
        int total;
        Limb* to;
        if (child.stored) {
            least = child.stored->least, total = length(*child.stored);
            to = outside_.data() + first_[child.depth][child.stored - graph_.levels()[child.depth].data()];
        } else {
            const auto& two = graph_.two(edge, side);
            least = two.least, total = int(two.budget - two.least) + 1;
            to = outside_.data() + two.outside;
        }
        to += edge.cost(side) - least;
        for (int s = 0; s < membership_.n_slices(child.depth); ++s)
            for (int i = 0; i < n; ++i) add_to(to[std::size_t(s) * total + i], now[std::size_t(s) * n + i]);
    }

    // Votes of the trees of depth two below a node that no other node has had.
    void vote_twos(const Stored& node) {
        bool is_open = false;
        Context at{};
        for (const Edge* edge = graph_.edges(node); edge < graph_.edges(node) + node.n_edges; ++edge)
            for (const bool side : {true, false}) {
                if (graph_.effective(node.depth - 1, node.budget - edge->cost(!side)) != 2) continue;
                if (!is_open) {
                    at = graph_.context(node);
                    open(at);
                    is_open = true;
                }
                const int f = at.node->place[edge->column];
                const auto& two = graph_.two(*edge, side);
                if (done_[two.outside]) continue;
                done_[two.outside] = true;
                vote_two(*at.variants, f, side, two.least, two.budget, outside_.data() + two.outside);
                add_form(f, side);
            }
        if (is_open) close();
    }

    void vote_two(const Variants& variants, int f, bool side, Cost least, Cost most, const Limb* outside) {
        const int total = int(most - least) + 1, n_slices = membership_.n_slices(1);
        tables_.open(f);
        tables_.visit_two(
            variants, side, most,
            [&](int label, Cost cost) {
                if (label) add_to(forms_[label - 1].constant, outside[cost - least]);
            },
            [&](int g, Cost a1, Cost a0, const std::uint32_t* yes, const std::uint32_t* no, int n) {
                used_.push_back(g);
                for (const bool v : {true, false}) {
                    Limb* now = clear(now_, std::size_t(n_slices) * n);
                    const std::uint32_t* other = v ? no : yes;
                    for (int k = variants.first[g]; k < variants.first[g + 1]; ++k)
                        for (int a = 0; a < n_slices; ++a)
                            for (int b = 0; b < n_slices; ++b) {
                                const int slice = membership_.join(a, b, int(variants.mark[k]));
                                if (slice < 0) continue;
                                const Limb* from = outside + std::size_t(slice) * total + (a1 + a0 - least);
                                correlate(from, other + std::size_t(b) * n, n, variants.times[k], now + std::size_t(a) * n);
                            }
                    vote_column(variants, g, v, v ? a1 : a0, n, now);
                }
                if (membership_.drop_trivial)
                    each_trivial(variants, g, most, [&](int label, Cost cost, int slice, Limb times) {
                        const Limb w = ring_.multiply(times, outside[std::size_t(slice) * total + (cost - least)]);
                        if (label) take_from(forms_[label - 1].constant, w);
                    });
                return true;
            });
    }

    // Adds the votes on a side of the column that the tables read last to the forms: as they are, or where column
    // g is on that side.
    void vote_side(const Variants& variants, bool side, int depth, Cost least, int n, const Limb* now) {
        each_vote(
            variants, side, depth, least, n, now, [&](Form& form, Limb w) { add_to(form.constant, w); },
            [&](Form& form, int j, bool answer, Limb w) {
                if (answer) return add_to(form.linear[j], w);
                add_to(form.constant, w);
                take_from(form.linear[j], w);
            });
    }
    void vote_column(const Variants& variants, int g, bool side, Cost least, int n, const Limb* now) {
        const auto leaf = [&](Form& form, Limb w) {
            if (side) return add_to(form.linear[g], w);
            add_to(form.constant, w);
            take_from(form.linear[g], w);
        };
        each_vote(variants, side, 1, least, n, now, leaf, [&](Form& form, int j, bool answer, Limb w) {
            Limb& pair = form.quadratic[std::size_t(g) * width_ + j];
            if (side != answer) take_from(pair, w);
            else add_to(pair, w);
            if (!answer) leaf(form, w);
            if (side) return;
            if (answer) add_to(form.linear[j], w);
            else take_from(form.linear[j], w);
        });
    }
    template <class Leaf, class Pair>
    void each_vote(const Variants& variants, bool side, int depth, Cost least, int n, const Limb* now, Leaf leaf, Pair pair) {
        const Cost most = least + n - 1;
        const auto on_leaf = [&](int label, Cost cost) {
            if (label) leaf(forms_[label - 1], now[cost - least]);
        };
        if (!depth) return tables_.visit_side_leaves(side, most, on_leaf);
        tables_.visit_one(variants, side, most, on_leaf, [&](int j, int label1, int label0, Cost cost) {
            if (!label1 && !label0) return;
            Limb w = 0;
            for (int v = variants.first[j]; v < variants.first[j + 1]; ++v) {
                const int slice = membership_.join_leaves(int(variants.mark[v]));
                if (slice >= 0) add_to(w, ring_.multiply(variants.times[v], now[std::size_t(slice) * n + (cost - least)]));
            }
            if (label1) pair(forms_[label1 - 1], j, true, w);
            if (label0) pair(forms_[label0 - 1], j, false, w);
        });
    }

    // Splits into two leaves of one label, of the column that was read last. The products of its sides have them;
    // all rows of the node have the label there.
    template <class Visit>
    void each_trivial(const Variants& variants, int f, Cost most, Visit visit) const {
        tables_.trivial(most, [&](int label, Cost cost) {
            for (int v = variants.first[f]; v < variants.first[f + 1]; ++v) {
                const int slice = membership_.join_leaves(int(variants.mark[v]));
                if (slice >= 0) visit(label, cost, slice, variants.times[v]);
            }
        });
    }

    // now[c1] += times * sum over c0 of outside[c1 + c0] * other[c0]
    void correlate(const Limb* outside, const HistogramView& other, int slice, int n, Limb times, Limb* now) const {
        for (int i = 0; i < n; ++i) {
            const Limb x = ring_.multiply(times, ring_.reduce(other.at(slice, i), other.limbs));
            if (x) multiply_add(outside + i, x, n - i, now);
        }
    }
    void correlate(const Limb* outside, const std::uint32_t* other, int n, Limb times, Limb* now) const {
        for (int i = 0; i < n; ++i)
            if (other[i]) multiply_add(outside + i, ring_.multiply(times, other[i]), n - i, now);
    }
    void multiply_add(const Limb* x, Limb by, int n, Limb* to) const {
        if (!ring_.modulus) return tables_.kernels().multiply_add(x, by, n, to);
        for (int k = 0; k < n; ++k) to[k] = ring_.add(to[k], ring_.multiply(by, x[k]));
    }
    void add_to(Limb& x, Limb w) const { x = ring_.add(x, w); }
    void take_from(Limb& x, Limb w) const { x = ring_.subtract(x, w); }

    static Limb* clear(Buffer<Limb>& buffer, std::size_t n) {
        Limb* out = buffer.reserve(n + 64);
        std::fill_n(out, n, Limb(0));
        return out;
    }

    // The traced rows of a node: which they are, and their answers as masks of a limb each.
    void open(const Context& at) {
        tables_.open(*at.node);
        graph_.traced(*at.node, ids_);
        n_local_ = int(ids_.size());
        width_ = at.node->n_columns;
        masks_.resize(std::size_t(width_) * n_local_);
        for (int j = 0; j < width_; ++j) {
            const Word* bits = graph_.traced_bits(*at.node, j);
            for (int r = 0; r < n_local_; ++r) masks_[std::size_t(j) * n_local_ + r] = Limb(0) - (bits[r >> 6] >> (r & 63) & 1);
        }
        local_.resize(n_labels_);
        for (auto& votes : local_) votes.assign(n_local_, 0);
        forms_.resize(n_labels_);
        for (Form& form : forms_) {
            form.constant = 0;
            form.linear.assign(width_, 0);
            form.quadratic.assign(std::size_t(width_) * width_, 0);
        }
        used_.clear();
        inner_.resize(n_local_);
        sum_.resize(n_local_);
    }
    // Adds the forms to the rows where column f of the node is on a side, and empties them.
    void add_form(int f, bool side) {
        const Limb* where = mask(f);
        for (int label = 0; label < n_labels_; ++label) {
            Form& form = forms_[label];
            std::fill(sum_.begin(), sum_.end(), form.constant);
            for (int j = 0; j < width_; ++j) add_masked(mask(j), form.linear[j], sum_);
            for (const int g : used_) {
                std::fill(inner_.begin(), inner_.end(), Limb(0));
                Limb* row = form.quadratic.data() + std::size_t(g) * width_;
                for (int j = 0; j < width_; ++j) {
                    add_masked(mask(j), row[j], inner_);
                    row[j] = 0;
                }
                const Limb* here = mask(g);
                for (int r = 0; r < n_local_; ++r) add_to(sum_[r], here[r] & inner_[r]);
            }
            std::vector<Limb>& votes = local_[label];
            const Limb turn = side ? 0 : ~Limb(0);
            for (int r = 0; r < n_local_; ++r) add_to(votes[r], (where[r] ^ turn) & sum_[r]);
            form.constant = 0;
            std::fill(form.linear.begin(), form.linear.end(), Limb(0));
        }
        used_.clear();
    }
    void close() {
        for (int label = 0; label < n_labels_; ++label)
            for (int r = 0; r < n_local_; ++r) add_to((*votes_)[std::size_t(label) * n_rows_ + ids_[r]], local_[label][r]);
    }
    const Limb* mask(int j) const { return masks_.data() + std::size_t(j) * n_local_; }
    void add_masked(const Limb* where, Limb x, std::vector<Limb>& to) const {
        if (!x) return;
        if (!ring_.modulus) return tables_.kernels().add_masked(where, x, n_local_, to.data());
        for (int r = 0; r < n_local_; ++r) to[r] = ring_.add(to[r], where[r] & x);
    }

    Graph& graph_;
    Tables<T>& tables_;
    const Ring ring_;
    const Membership& membership_;
    const int n_labels_;  // all but the first
    int n_rows_ = 0;
    std::vector<Limb>* votes_ = nullptr;
    std::vector<Limb> outside_;  // of stored nodes, then of those of depth two
    std::vector<bool> done_;
    std::vector<std::vector<std::size_t>> first_;  // of every stored node
    Buffer<Limb> now_;

    // of the open node
    int n_local_ = 0, width_ = 0;
    std::vector<int> ids_;
    std::vector<Limb> masks_, sum_, inner_;
    std::vector<std::vector<Limb>> local_;
    std::vector<Form> forms_;
    std::vector<int> used_;
};

}  // namespace treeml
