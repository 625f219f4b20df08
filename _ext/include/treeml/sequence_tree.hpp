// A tree over sequences: thresholds and sets of codes above, equality of a token further back below.
#pragma once

#include <cstdint>
#include <vector>

#include "treeml/sequence_stream.hpp"

namespace treeml {

inline constexpr std::int32_t kLeaf = -1, kEquality = -2;

struct SequenceNode {
    std::int32_t parent = -1;
    std::int32_t column = kLeaf;   // of a test on codes; kEquality: children by the token `test` back
    std::int32_t test = 0;         // greatest code of the first child, or how far back
    std::int32_t set = -1;         // codes of the first child, where they are no range
    std::int32_t first = -1;       // children lie side by side
    std::int32_t n_children = 0;   // those of kEquality ascend by token
    std::int32_t n_rows = 0;
    std::int32_t example = 0;      // a position of training that reaches the node
    std::uint16_t token = 0;       // of a child of kEquality
    std::uint16_t common = 0;      // tokens before that all its rows share
};

struct SequenceTree {
    std::vector<SequenceNode> nodes;  // parents before children
    std::vector<std::uint64_t> sets;  // words_a_set words each
    int words_a_set = 0;

    bool in_set(int set, int code) const {
        return sets[static_cast<std::size_t>(set) * words_a_set + (code >> 6)] >> (code & 63) & 1;
    }
};

// Child that a position goes to; -1 where the path ends.
inline std::int32_t child_of(const SequenceTree& tree, std::int32_t at, const std::vector<SequenceColumn>& columns,
                             const Stream& stream, std::int32_t position) {
    const SequenceNode& node = tree.nodes[at];
    if (node.column >= 0) {
        const int code = code_of(columns[node.column], stream, position);
        const bool yes = node.set >= 0 ? tree.in_set(node.set, code) : code <= node.test;
        return node.first + !yes;
    }
    if (node.column == kLeaf) return -1;
    const Token token = stream.tokens[position - node.test];
    const SequenceNode* const low = tree.nodes.data() + node.first;
    const SequenceNode* const high = low + node.n_children;
    const SequenceNode* const found =
        std::lower_bound(low, high, token, [](const SequenceNode& child, Token t) { return child.token < t; });
    return found == high || found->token != token ? -1 : static_cast<std::int32_t>(found - tree.nodes.data());
}

// The last node that a position reaches.
inline std::int32_t descend(const SequenceTree& tree, const std::vector<SequenceColumn>& columns,
                            const Stream& stream, std::int32_t position) {
    std::int32_t at = 0;
    for (std::int32_t next; (next = child_of(tree, at, columns, stream, position)) >= 0;) at = next;
    return at;
}

}  // namespace treeml
