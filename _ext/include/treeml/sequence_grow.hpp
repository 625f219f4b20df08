// Grows a tree over sequences. Above: tests on codes, either of every node with many rows or best first up to a number
// of leaves. Below, where asked for: all that follows is split by the nearest token that differs, a suffix tree.
#pragma once

#include <algorithm>
#include <memory>
#include <numeric>
#include <queue>

#include "treeml/control.hpp"
#include "treeml/sequence_cuts.hpp"
#include "treeml/sequence_tree.hpp"
#include "treeml/team.hpp"

namespace treeml {

struct SequenceGrowth {
    std::int64_t rows_to_cut = 1000;  // nodes with more rows are cut by codes
    std::int64_t max_leaves = -1;     // >= 0: best first, with so many leaves of cuts
    bool suffixes = true;             // whether equality nodes hang below
    int longest = 12;                 // tokens back that they may ask
    std::int64_t rows_to_screen = 0;  // nodes with twice as many choose on so many which columns to look at; 0: all
    CutOptions cut;
};

class SequenceGrower {
  public:
    SequenceGrower(const Stream& stream, const std::vector<SequenceColumn>& columns, Team& team,
                   const SequenceGrowth& options)
        : stream_(stream), columns_(columns), team_(team), options_(options) {}

    // `rows` ascend; afterwards they lie node by node.
    SequenceTree grow(std::vector<std::int32_t>& rows, Control& control) {
        rows_ = &rows;
        const std::int64_t n = static_cast<std::int64_t>(rows.size());
        entropies_ = std::make_unique<Entropies>(n);
        int most = 2;
        for (const SequenceColumn& column : columns_) most = std::max(most, column.n_codes);
        tree_ = {};
        tree_.words_a_set = (most + 2 + 63) / 64;
        for (int member = 0; member < team_.size(); ++member)
            finders_.emplace_back(*entropies_, stream_.n_tokens(), most, n);
        next_.resize(n);
        other_.resize(n);
        total_.assign(stream_.n_tokens(), 0);
        ranges_.clear();
        add(-1, 0, static_cast<std::int32_t>(n));
        if (n > 0 && options_.max_leaves >= 0) best_first(control);
        else if (n > 0) by_rows(control);
        if (options_.suffixes) hang_suffixes(control);
        measure_common();
        return std::move(tree_);
    }

    std::int64_t evaluations() const { return evaluations_; }

  private:
    struct Range {
        std::int32_t begin, end;
    };

    std::int32_t add(std::int32_t parent, std::int32_t begin, std::int32_t end) {
        SequenceNode node;
        node.parent = parent;
        node.n_rows = end - begin;
        if (begin < end) node.example = (*rows_)[begin];
        tree_.nodes.push_back(node);
        ranges_.push_back({begin, end});
        return static_cast<std::int32_t>(tree_.nodes.size()) - 1;
    }

    void by_rows(Control& control) {
        for (std::size_t at = 0; at < tree_.nodes.size(); ++at) {
            if (tree_.nodes[at].n_rows <= options_.rows_to_cut) continue;
            if (control.stop(true)) return;
            const Cut cut = best_cut(static_cast<std::int32_t>(at));
            if (cut.column >= 0) apply(static_cast<std::int32_t>(at), cut);
        }
    }

    void best_first(Control& control) {
        std::vector<Cut> cuts;
        std::priority_queue<std::pair<double, std::int32_t>> open;  // of equal gains the later node first
        const auto look = [&](std::int32_t at) {
            cuts.resize(at + 1);
            cuts[at] = best_cut(at);
            if (cuts[at].column >= 0) open.push({cuts[at].gain, at});
        };
        look(0);
        for (std::int64_t leaves = 1; leaves < options_.max_leaves && !open.empty(); ++leaves) {
            if (control.stop(true)) return;
            const std::int32_t at = open.top().second;
            open.pop();
            const Cut cut = std::move(cuts[at]);
            const std::int32_t child = apply(at, cut);
            look(child);
            look(child + 1);
        }
    }

    // Where a node has many rows, all columns are looked at on some of them first, and only the best on all.
    Cut best_cut(std::int32_t at) {
        const auto [begin, end] = ranges_[at];
        const int n = end - begin;
        if (n < 2 * options_.cut.min_rows || n < 2) return {};
        const std::span<const std::int32_t> rows(rows_->data() + begin, n);
        std::vector<int> asked(columns_.size());
        std::iota(asked.begin(), asked.end(), 0);
        if (options_.rows_to_screen > 0 && n >= 2 * options_.rows_to_screen && asked.size() > kFinalists)
            asked = screened(rows, std::move(asked));
        Cut best;
        best.gain = kLeastGain;
        for (Cut& cut : cuts_of(rows, asked, options_.cut))
            if (cut.gain > best.gain) best = std::move(cut);
        return best;
    }

    // The columns with the best thresholds on equally spaced rows, ascending.
    std::vector<int> screened(std::span<const std::int32_t> rows, std::vector<int> asked) {
        std::vector<std::int32_t> some(options_.rows_to_screen);
        for (std::size_t i = 0; i < some.size(); ++i) some[i] = rows[i * rows.size() / some.size()];
        CutOptions thresholds;
        thresholds.charge_rate = options_.cut.charge_rate;
        const std::vector<Cut> cuts = cuts_of(some, asked, thresholds);
        if (cuts.empty()) return asked;  // the rows looked at are pure
        std::stable_sort(asked.begin(), asked.end(), [&](int a, int b) { return cuts[a].gain > cuts[b].gain; });
        asked.resize(kFinalists);
        std::sort(asked.begin(), asked.end());
        return asked;
    }

    // The best cut on each of these columns; none at all where every row has the same next token.
    std::vector<Cut> cuts_of(std::span<const std::int32_t> rows, const std::vector<int>& asked,
                             const CutOptions& options) {
        const int n = static_cast<int>(rows.size());
        for (int i = 0; i < n; ++i) total_[next_[i] = stream_.tokens[rows[i]]] = 0;
        double entropy = -entropies_->value[n];
        for (int i = 0; i < n; ++i) entropy += entropies_->step[total_[next_[i]]++];
        if (total_[next_[0]] == n) return {};
        const NodeRows node{rows, next_.data(), total_.data(), entropy};
        std::vector<Cut> found(asked.size());
        team_.each(static_cast<int>(asked.size()), [&](int i, int member) {
            found[i] = finders_[member].find(node, columns_[asked[i]], asked[i], stream_, options);
        });
        evaluations_ += static_cast<std::int64_t>(n) * static_cast<std::int64_t>(asked.size());
        return found;
    }

    // Keeps the order of rows on either side.
    std::int32_t apply(std::int32_t at, const Cut& cut) {
        const auto [begin, end] = ranges_[at];
        SequenceNode& parent = tree_.nodes[at];
        parent.column = cut.column;
        parent.test = cut.code;
        if (!cut.set.empty()) {
            parent.set = static_cast<std::int32_t>(tree_.sets.size() / tree_.words_a_set);
            std::vector<std::uint64_t> words = cut.set;
            words.resize(tree_.words_a_set, 0);
            tree_.sets.insert(tree_.sets.end(), words.begin(), words.end());
        }
        const ColumnView view(columns_[cut.column], stream_);
        std::int32_t left = begin, right = 0;
        for (std::int32_t i = begin; i < end; ++i) {
            const std::int32_t row = (*rows_)[i];
            const int code = view[row];
            const bool yes = parent.set >= 0 ? tree_.in_set(parent.set, code) : code <= cut.code;
            (yes ? (*rows_)[left++] : other_[right++]) = row;
        }
        std::copy_n(other_.begin(), right, rows_->begin() + left);
        parent.n_children = 2;
        const std::int32_t child = parent.first = static_cast<std::int32_t>(tree_.nodes.size());
        add(at, begin, left);
        add(at, left, end);
        return child;
    }

    // Every leaf of cuts gets the suffix tree of its rows; their nodes follow in the order of the leaves.
    void hang_suffixes(Control& control) {
        std::vector<std::int32_t> leaves;
        for (std::size_t at = 0; at < tree_.nodes.size(); ++at)
            if (tree_.nodes[at].column == kLeaf) leaves.push_back(static_cast<std::int32_t>(at));
        std::vector<std::vector<SequenceNode>> grown(leaves.size());
        team_.each(static_cast<int>(leaves.size()), [&](int i, int member) {
            if (control.stop(member == 0)) return;
            const Range range = ranges_[leaves[i]];
            grown[i] = suffix_tree(range, tree_.nodes[leaves[i]]);
        });
        for (std::size_t i = 0; i < leaves.size(); ++i) {
            if (grown[i].empty()) continue;
            const std::int32_t shift = static_cast<std::int32_t>(tree_.nodes.size()) - 1;
            for (SequenceNode& node : grown[i]) {
                if (node.first >= 0) node.first += shift;
                if (node.parent >= 0) node.parent = node.parent == 0 ? leaves[i] : node.parent + shift;
            }
            grown[i][0].parent = tree_.nodes[leaves[i]].parent;
            tree_.nodes[leaves[i]] = grown[i][0];
            tree_.nodes.insert(tree_.nodes.end(), grown[i].begin() + 1, grown[i].end());
            grown[i] = {};
        }
    }

    // Node 0 stands for the leaf of cuts.
    std::vector<SequenceNode> suffix_tree(Range range, const SequenceNode& top) {
        const Token* const x = stream_.tokens.data();
        const std::span<std::int32_t> rows(rows_->data() + range.begin, range.end - range.begin);
        sort_by_context(rows);
        struct Open {
            std::int32_t node, begin, end, known;
        };
        std::vector<SequenceNode> nodes{top};
        std::vector<Open> stack{{0, 0, static_cast<std::int32_t>(rows.size()), 0}};
        while (!stack.empty()) {
            const Open open = stack.back();
            stack.pop_back();
            if (open.begin == open.end) continue;
            const std::int32_t example = rows[open.begin];
            const int common = agreement(x, example, x, rows[open.end - 1], open.known, options_.longest);
            nodes[open.node].example = example;
            nodes[open.node].common = static_cast<std::uint16_t>(common);
            if (common == options_.longest) continue;
            const int back = common + 1;
            const std::int32_t first = static_cast<std::int32_t>(nodes.size());
            for (std::int32_t begin = open.begin, end; begin < open.end; begin = end) {
                const Token token = x[rows[begin] - back];
                for (end = begin + 1; end < open.end && x[rows[end] - back] == token;) ++end;
                SequenceNode child;
                child.parent = open.node;
                child.token = token;
                child.n_rows = end - begin;
                stack.push_back({static_cast<std::int32_t>(nodes.size()), begin, end, back});
                nodes.push_back(child);
            }
            nodes[open.node].column = kEquality;
            nodes[open.node].test = back;
            nodes[open.node].first = first;
            nodes[open.node].n_children = static_cast<std::int32_t>(nodes.size()) - first;
        }
        return nodes;
    }

    // By the token before, then the one before that, ...; equal contexts by position.
    void sort_by_context(std::span<std::int32_t> rows) const {
        const Token* const x = stream_.tokens.data();
        const int longest = options_.longest;
        std::vector<std::pair<std::uint64_t, std::int32_t>> keyed(rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            std::uint64_t key = 0;
            for (int back = 1; back <= 4; ++back) key = key << 16 | (back <= longest ? x[rows[i] - back] : 0);
            keyed[i] = {key, rows[i]};
        }
        std::sort(keyed.begin(), keyed.end(), [x, longest](const auto& a, const auto& b) {
            if (a.first != b.first) return a.first < b.first;
            for (int back = 5; back <= longest; ++back) {
                const Token s = x[a.second - back], t = x[b.second - back];
                if (s != t) return s < t;
            }
            return a.second < b.second;
        });
        for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = keyed[i].second;
    }

    // What the rows of a node have in common is the least that its children share; 0 without equality nodes.
    void measure_common() {
        if (!options_.suffixes) return;
        const Token* const x = stream_.tokens.data();
        for (std::int32_t at = static_cast<std::int32_t>(tree_.nodes.size()) - 1; at >= 0; --at) {
            SequenceNode& node = tree_.nodes[at];
            if (node.column < 0) continue;
            const SequenceNode& yes = tree_.nodes[node.first];
            const SequenceNode& no = tree_.nodes[node.first + 1];
            node.example = yes.example;
            const int most = std::min(yes.common, no.common);
            node.common = static_cast<std::uint16_t>(agreement(x, yes.example, x, no.example, 0, most));
        }
    }

    static constexpr double kLeastGain = 1e-9;
    static constexpr std::size_t kFinalists = 8;

    const Stream& stream_;
    const std::vector<SequenceColumn>& columns_;
    Team& team_;
    SequenceGrowth options_;
    std::unique_ptr<Entropies> entropies_;
    std::vector<CutFinder> finders_;
    SequenceTree tree_;
    std::vector<Range> ranges_;
    std::vector<std::int32_t>* rows_ = nullptr;
    std::vector<Token> next_;
    std::vector<std::int32_t> other_, total_;
    std::int64_t evaluations_ = 0;
};

}  // namespace treeml
