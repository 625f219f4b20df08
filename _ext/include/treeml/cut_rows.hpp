// Examples with their classes and weights, and the cuts between them as chains of nested sides: what the searches for
// ensembles of fewest cuts read.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "treeml/control.hpp"
#include "treeml/row_bits.hpp"

namespace treeml {

// What Python hands over. Columns with the same chain come one after the other, each within the one before it.
struct CutData {
    int n_rows, n_columns, n_words, n_classes;
    std::span<const Word> columns;      // n_columns x n_words
    std::span<const std::int32_t> chain;
    std::span<const std::int32_t> label;
    std::span<const std::int64_t> weight;
};

// Nodes in depth-first order, the rows of the column first; column -1: a leaf.
struct CutNode {
    int column, if_true, if_false, label;
};
using CutTree = std::vector<CutNode>;

inline int n_cuts(const CutTree& tree) {
    return static_cast<int>(std::count_if(tree.begin(), tree.end(), [](const CutNode& n) { return n.column >= 0; }));
}

inline CutTree leaf_tree(int label) { return {{-1, -1, -1, label}}; }

inline CutTree join_trees(int column, const CutTree& yes, const CutTree& no) {
    CutTree out{{column, 1, 1 + static_cast<int>(yes.size()), -1}};
    for (const CutTree* part : {&yes, &no}) {
        const int shift = static_cast<int>(out.size());
        for (CutNode node : *part) {
            if (node.column >= 0) node.if_true += shift, node.if_false += shift;
            out.push_back(node);
        }
    }
    return out;
}

// Ended by a limit; unwinds a search to where its best result is known.
struct SearchStopped {};

template <int W>
struct CutRows {
    using Bits = RowBits<W>;
    using Rank = std::int16_t;
    typedef Rank Ranks __attribute__((vector_size(16)));
    static constexpr int kLanes = 8;
    static constexpr Rank kMostRank = 32767;

    struct Chain {
        std::vector<Bits> right;  // nested, each within the one before
        std::vector<int> column;
    };

    int n, n_classes, n_words;
    Bits all;
    std::vector<int> label;
    std::vector<std::int64_t> weight;
    bool unit = true;  // all weights are 1
    std::vector<Bits> of_class;
    std::vector<Chain> chains;
    std::vector<std::array<int, 2>> place;  // chain and position of each column
    std::vector<Ranks> rank;  // row by row: of how many cuts of each chain it is on the right
    int n_lanes;              // vectors a row
    std::vector<Bits> between;  // n x n, see find_hulls; empty: too many rows

    CutRows(const CutData& data, Control& control)
        : n(data.n_rows), n_classes(data.n_classes), n_words(data.n_words), all(n_words),
          label(data.label.begin(), data.label.end()), weight(data.weight.begin(), data.weight.end()),
          of_class(n_classes, Bits(n_words)) {
        for (int e = 0; e < n; ++e) {
            all.set(e), of_class[label[e]].set(e);
            unit = unit && weight[e] == 1;
        }
        read_cuts(data);
        rank_rows();
        if (std::int64_t(n) * n * all.bytes() <= kMostHull) find_hulls();
        std::int64_t cuts = 0;
        for (const Chain& chain : chains) cuts += static_cast<std::int64_t>(chain.right.size());
        control.allocated((cuts + std::int64_t(between.size())) * all.bytes() +
                          std::int64_t(rank.size() * sizeof(Ranks)));
    }

    const Ranks* ranks(int row) const { return &rank[std::size_t(row) * n_lanes]; }
    int rank_of(int row, int chain) const { return ranks(row)[chain / kLanes][chain % kLanes]; }
    std::int64_t weigh(const Bits& rows) const {
        if (unit) return rows.count();
        std::int64_t out = 0;
        rows.each([&](int e) { out += weight[e]; });
        return out;
    }
    const Bits& side_of(int column) const { return chains[place[column][0]].right[place[column][1]]; }
    bool pure(const Bits& rows) const { return !rows.any() || rows.within(of_class[label[rows.first()]]); }

  private:
    static constexpr std::int64_t kMostHull = 64 << 20;

    void read_cuts(const CutData& data) {
        for (int c = 0; c < data.n_columns; ++c) {
            Bits right(n_words);
            for (int w = 0; w < n_words; ++w) right.word[w] = data.columns[std::size_t(c) * n_words + w];
            if (c == 0 || data.chain[c] != data.chain[c - 1]) chains.emplace_back();
            Chain& chain = chains.back();
            if (!chain.right.empty() && !right.within(chain.right.back()))
                throw std::invalid_argument("the columns of a chain are not nested");
            chain.right.push_back(right), chain.column.push_back(c);
            place.push_back({int(chains.size()) - 1, int(chain.right.size()) - 1});
            if (int(chain.right.size()) > kMostRank) throw std::invalid_argument("a column has more than 32,767 cuts; give a binarizer with max_bins");
        }
    }
    void rank_rows() {
        n_lanes = std::max(1, (int(chains.size()) + kLanes - 1) / kLanes);
        rank.assign(std::size_t(n) * n_lanes, Ranks{});
        for (std::size_t f = 0; f < chains.size(); ++f)
            for (const Bits& right : chains[f].right)
                right.each([&](int e) { ++rank[std::size_t(e) * n_lanes + f / kLanes][f % kLanes]; });
    }
    // An example of another class lies between two of one class where it is on their side of every cut that does not
    // part them: a leaf that holds both would hold it. For e and what lies between: the others of the class of e.
    void find_hulls() {
        between.assign(std::size_t(n) * n, Bits(n_words));
        for (int e = 0; e < n; ++e)
            for (int f = e + 1; f < n; ++f) {
                if (label[e] != label[f]) continue;
                Bits hull = all - of_class[label[e]];
                for (std::size_t k = 0; k < chains.size() && hull.any(); ++k) {
                    const auto [low, high] = std::minmax({rank_of(e, int(k)), rank_of(f, int(k))});
                    if (low > 0) hull &= chains[k].right[low - 1];
                    if (high < int(chains[k].right.size())) hull -= chains[k].right[high];
                }
                hull.each([&](int o) { between[std::size_t(e) * n + o].set(f), between[std::size_t(f) * n + o].set(e); });
            }
    }
};

}  // namespace treeml
