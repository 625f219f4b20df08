// A small tree over sequences out of a large one: what to keep at a price of nats a byte.
//
// The large tree is taken for the truth, after Stolcke (Entropy-based pruning of backoff language models, 1998): its
// smoothed probabilities, not its counts, say what a node or one of its tokens is worth, so that what was only memorised
// is worth little. A node is rewritten as p(w) = q(w) + rest * p_parent(w), whose q are its own tokens. What is dropped
// falls to the parent, whose q are fitted again: for the tokens K that stay and wanted shares D, the best is
//     p(w) = D(w) for w in K,    rest = (1 - D(K)) / (1 - p_parent(K)).
// Bottom-up, each node keeps its children, or takes in all they have, or goes.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "treeml/sequence_paths.hpp"

namespace treeml {

// What a file pays for each part, bytes.
struct SmallCosts {
    double entry = 1.3;  // a token of a node
    double child = 1.7;  // of an equality node
    double cut = 2.5;
    double node = .5;
};

// Shares on a grid of half powers of two, relative to the least of the node.
struct SmallTree {
    static constexpr int kMiddle = 64;  // level of `rest` that stands for 1
    SequenceTree tree;
    std::vector<std::int64_t> start{0};
    std::vector<Token> token;
    std::vector<std::uint8_t> level;  // of each token
    std::vector<std::uint8_t> rest;   // of each node

    static float of_level(int level) {
        return static_cast<float>(std::ldexp(level & 1 ? 1.41421356237309505 : 1.0, (level & ~1) / 2));
    }
    static float of_rest(int level) {
        return static_cast<float>(std::ldexp(level & 1 ? 1.41421356237309505 : 1.0, (level & ~1) / 2 - kMiddle / 2));
    }
};

class SequencePruner {
  public:
    // `novelty`: of the rows of each child of an equality node, how many would be a token that is not among them, had
    // they been left out (0 to 1). Contexts that examples lie in are not compared: nodes have no `common` any more.
    SequencePruner(const SequenceModel& model, double novelty, const SmallCosts& costs = {})
        : model_(model), costs_(costs) {
        const SequenceTree& tree = model.tree;
        const std::size_t n = tree.nodes.size(), n_entries = model.counts.token.size();
        link_.resize(n_entries);
        own_.resize(n_entries);
        before_.resize(n_entries);
        below_.assign(n_entries, 0);
        rest_.resize(n);
        spread();
        visit(novelty);
    }

    // At `price` nats a byte.
    SmallTree prune(double price) {
        extra_.assign(own_.size(), 0);
        state_.assign(model_.tree.nodes.size(), kGone);
        value_.assign(model_.tree.nodes.size(), 0);
        for (std::int32_t at = static_cast<std::int32_t>(state_.size()) - 1; at >= 0; --at) decide(at, price);
        return rebuild(price);
    }

  private:
    enum State : char { kGone, kLeafNow, kInner };

    // What a node would be with one set of amounts.
    struct Choice {
        double gain = 0;   // nats over no tokens at all, less their price
        double all = 0;    // rows
        double spare = 0;  // of them, those of tokens that are not kept
    };

    std::int64_t begin(std::int32_t at) const { return model_.counts.start[at]; }
    std::int64_t end(std::int32_t at) const { return model_.counts.start[at + 1]; }

    // Shares q of all tokens and what their parents say. A node's tokens are among its parent's.
    void spread() {
        const SequenceCounts& counts = model_.counts;
        for (std::int32_t at = 0; at < static_cast<std::int32_t>(rest_.size()); ++at) {
            const std::int32_t parent = model_.tree.nodes[at].parent;
            const int bucket = model_.bucket[at] * kAgreements + 2;
            const double d = model_.weights.discount[bucket], pull = model_.weights.pull[bucket] * counts.types(at);
            const double all = counts.total[at] + pull;
            rest_[at] = all > 0 ? (d * counts.parts[at] + pull) / all : 1;
            std::int64_t from = parent < 0 ? 0 : begin(parent);
            for (std::int64_t i = begin(at); i < end(at); ++i) {
                own_[i] = (counts.count[i] - d * counts.part[i]) / all;
                if (parent < 0) {
                    before_[i] = 1.0 / static_cast<double>(n_tokens());
                    continue;
                }
                from = std::lower_bound(counts.token.begin() + from, counts.token.begin() + end(parent),
                                        counts.token[i]) - counts.token.begin();
                link_[i] = from;
                before_[i] = own_[from] + rest_[parent] * before_[from];
            }
        }
    }

    // How many rows reach each node or fall back to it from below, and how many of them are each of its tokens.
    void visit(double novelty) {
        const std::vector<SequenceNode>& nodes = model_.tree.nodes;
        const std::int32_t n = static_cast<std::int32_t>(nodes.size());
        std::vector<double> reach(n, 0);
        reach_.assign(n, 0);
        reach[0] = nodes[0].n_rows;
        for (std::int32_t at = 0; at < n; ++at) {
            const SequenceNode& node = nodes[at];
            const double lost = node.column == kEquality ? novelty : 0;
            reach_[at] += reach[at];
            for (std::int32_t child = node.first; child < node.first + node.n_children; ++child) {
                reach[child] = reach[at] * std::max(nodes[child].n_rows - lost, 0.0) / std::max(node.n_rows, 1);
                reach_[at] -= reach[child];
            }
        }
        for (std::int32_t at = n - 1; at >= 0; --at) {
            reach_[at] = std::max(reach_[at], 0.0);
            for (std::int64_t i = begin(at); i < end(at); ++i) {
                below_[i] += reach_[at] * own_[i];
                if (at) below_[link_[i]] += below_[i];
            }
            if (at) reach_[nodes[at].parent] += reach_[at] * rest_[at];
        }
    }

    int n_tokens() const { return static_cast<int>(model_.orders[0].size()); }

    double amount(std::int32_t at, std::int64_t i, bool leaf) const {
        return leaf ? below_[i] : reach_[at] * own_[i] + extra_[i];
    }

    // Tokens worth their price: those for which D log(D / m) - D + m, with m rows from the parent, is more. m depends on
    // the rest, and that on what is kept.
    Choice choose(std::int32_t at, bool leaf, double price, std::vector<char>& keep) const {
        const double up = reach_[at] * rest_[at], cost = price * costs_.entry;
        const std::int64_t first = begin(at), n = end(at) - first;
        keep.assign(n, 0);
        Choice out;
        out.all = up;
        double open = 1;  // the parent's share of tokens that the node lacks
        for (std::int64_t i = 0; i < n; ++i) {
            out.all += amount(at, first + i, leaf);
            open -= before_[first + i];
        }
        open = std::max(open, 0.0);
        double rest = 1;
        for (int round = 0; round < kRounds; ++round) {
            bool changed = false;
            double spare = up * open, room = open;
            for (std::int64_t i = 0; i < n; ++i) {
                const double before = before_[first + i], d = amount(at, first + i, leaf) + up * before;
                const double m = rest * out.all * before;
                const bool wanted = d > m && d * std::log(d / m) - d + m > cost;
                changed = changed || wanted != static_cast<bool>(keep[i]);
                keep[i] = wanted;
                if (!wanted) {
                    spare += d;
                    room += before;
                }
            }
            out.spare = spare;
            rest = room > 0 && out.all > 0 ? std::clamp(spare / (out.all * room), kLeast, 1.0) : kLeast;
            if (!changed) break;
        }
        out.gain = out.spare > 0 ? out.spare * std::log(rest) : 0;
        for (std::int64_t i = 0; i < n; ++i) {
            if (!keep[i]) continue;
            const double d = amount(at, first + i, leaf) + up * before_[first + i];
            out.gain += d * std::log(d / (out.all * before_[first + i])) - cost;
        }
        return out;
    }

    // Children are compared with what the large tree says here, for all rows below; tokens of the node itself matter to
    // those that fall back to it. The difference, nats over what the parent says.
    double passed(std::int32_t at) const {
        double sum = 0;
        for (std::int64_t i = begin(at); i < end(at); ++i) {
            const double more = below_[i] - amount(at, i, false);
            if (more != 0) sum += more * std::log((own_[i] + rest_[at] * before_[i]) / before_[i]);
        }
        return sum;
    }

    void decide(std::int32_t at, double price) {
        const SequenceNode& node = model_.tree.nodes[at];
        const double here = price * (costs_.node + (at && model_.tree.nodes[node.parent].column == kEquality ? costs_.child : 0));
        const Choice leaf = choose(at, true, price, keep_);
        Choice taken = leaf;
        state_[at] = kLeafNow;
        double best = leaf.gain;
        double children = node.column >= 0 ? -price * costs_.cut : 0;
        bool any = false;
        for (std::int32_t child = node.first; child < node.first + node.n_children; ++child) {
            children += std::max(value_[child], 0.0);
            any = any || value_[child] > 0;
        }
        if (any) {
            const Choice inner = choose(at, false, price, other_);
            const double whole = inner.gain + children + passed(at);
            if (whole > best) {
                best = whole;
                taken = inner;
                state_[at] = kInner;
                keep_.swap(other_);
            }
        }
        value_[at] = best - here;
        if (at == 0) return;
        if (value_[at] <= 0) {
            state_[at] = kGone;
            for (std::int64_t i = begin(at); i < end(at); ++i) extra_[link_[i]] += below_[i];
            return;
        }
        const double up = reach_[at] * rest_[at];
        double room = 1;
        for (std::int64_t i = begin(at); i < end(at); ++i) room -= keep_[i - begin(at)] ? before_[i] : 0;
        const double more = std::max(room > 0 ? taken.spare / room - up : 0.0, 0.0);
        for (std::int64_t i = begin(at); i < end(at); ++i)
            extra_[link_[i]] += keep_[i - begin(at)] ? more * before_[i] : amount(at, i, state_[at] == kLeafNow);
    }

    // Nodes level by level, their shares fitted to what the small tree says above them.
    SmallTree rebuild(double price) {
        SmallTree out;
        small_all_.clear();
        std::vector<std::int32_t> old{0};
        out.tree.nodes.push_back({});
        for (std::size_t at = 0; at < old.size(); ++at) {
            const SequenceNode& from = model_.tree.nodes[old[at]];
            SequenceNode to = out.tree.nodes[at];
            to.n_rows = static_cast<std::int32_t>(std::bit_floor(static_cast<std::uint32_t>(std::max(from.n_rows, 1))));
            if (state_[old[at]] == kInner) {
                to.column = from.column;
                to.test = from.test;
                to.first = static_cast<std::int32_t>(old.size());
                for (std::int32_t child = from.first; child < from.first + from.n_children; ++child) {
                    if (from.column == kEquality && state_[child] == kGone) continue;
                    old.push_back(child);
                    SequenceNode node;
                    node.parent = static_cast<std::int32_t>(at);
                    node.token = model_.tree.nodes[child].token;
                    out.tree.nodes.push_back(node);
                }
                to.n_children = static_cast<std::int32_t>(old.size()) - to.first;
            }
            out.tree.nodes[at] = to;
            add_shares(old[at], price, out);
        }
        out.tree.words_a_set = model_.tree.words_a_set;
        return out;
    }

    void add_shares(std::int32_t at, double price, SmallTree& out) {
        const bool gone = state_[at] == kGone;
        const std::int64_t first = begin(at);
        std::vector<std::int64_t> kept;
        std::vector<double> said, wanted;
        double rest = 1;
        if (!gone) {
            const Choice choice = choose(at, state_[at] == kLeafNow, price, keep_);
            const double up = reach_[at] * rest_[at];
            double spare = choice.spare;
            for (std::int64_t i = first; i < end(at); ++i)
                if (keep_[i - first]) kept.push_back(i);
            for (;;) {  // a token of which the parent says enough already goes
                said.clear();
                wanted.clear();
                double room = 1;
                for (const std::int64_t i : kept) {
                    said.push_back(small_before(out, model_.counts.token[i]));
                    wanted.push_back((amount(at, i, state_[at] == kLeafNow) + up * before_[i]) / choice.all);
                    room -= said.back();
                }
                rest = room > 0 ? std::clamp(spare / choice.all / room, kLeast, 1.0) : kLeast;
                std::size_t n = 0;
                for (std::size_t k = 0; k < kept.size(); ++k) {
                    if (wanted[k] - rest * said[k] <= kLeast) spare += wanted[k] * choice.all;
                    else kept[n++] = kept[k];
                }
                if (n == kept.size()) break;
                kept.resize(n);
            }
        }
        double least = 1;
        for (std::size_t k = 0; k < kept.size(); ++k) least = std::min(least, wanted[k] - rest * said[k]);
        out.rest.push_back(kept.empty() ? SmallTree::kMiddle : level_of(rest / least, SmallTree::kMiddle));
        double all = SmallTree::of_rest(out.rest.back());
        for (std::size_t k = 0; k < kept.size(); ++k) {
            out.token.push_back(model_.counts.token[kept[k]]);
            out.level.push_back(level_of((wanted[k] - rest * said[k]) / least, 0));
            all += SmallTree::of_level(out.level.back());
        }
        small_all_.push_back(all);
        out.start.push_back(static_cast<std::int64_t>(out.token.size()));
    }

    static std::uint8_t level_of(double ratio, int middle) {
        return static_cast<std::uint8_t>(std::clamp(std::lround(2 * std::log2(ratio)) + middle, 0l, 255l));
    }

    // What the small tree says above its last node that has no shares yet.
    double small_before(const SmallTree& small, Token token) const {
        double left = 1, p = 0;
        std::int32_t at = small.tree.nodes[small.rest.size()].parent;
        for (; at >= 0; at = small.tree.nodes[at].parent) {
            const auto low = small.token.begin() + small.start[at], high = small.token.begin() + small.start[at + 1];
            const auto found = std::lower_bound(low, high, token);
            const double all = small_all_[at];
            if (found != high && *found == token)
                p += left * SmallTree::of_level(small.level[found - small.token.begin()]) / all;
            left *= SmallTree::of_rest(small.rest[at]) / all;
        }
        return p + left / n_tokens();
    }

    static constexpr int kRounds = 8;
    static constexpr double kLeast = 1e-9;

    const SequenceModel& model_;
    SmallCosts costs_;
    std::vector<std::int64_t> link_;                 // of each entry, that of the same token at the parent
    std::vector<double> own_, before_, below_;       // of each entry: q, p at the parent, rows it and those below explain
    std::vector<double> rest_, reach_;               // of each node
    std::vector<double> extra_, value_;
    std::vector<double> small_all_;                  // of each node of the small tree, its shares and its rest
    std::vector<char> state_, keep_, other_;
};

}  // namespace treeml
