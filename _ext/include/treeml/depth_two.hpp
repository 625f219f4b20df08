// The depth-two kernel: for every root column, the best second column on either side, from counts of
// column pairs. Counting pairs instead of building trees is due to MurTree (Demirovic et al., JMLR 2022,
// section 4.3); bit-parallel counts 16 columns at a time, one matrix for both siblings, are ours.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "treeml/bitset.hpp"
#include "treeml/objective.hpp"

namespace treeml {

// The rows of a node in chunks of 16, 16 columns side by side (see kernels.inl).
struct Chunks {
    const std::uint16_t* chunks;
    int n_columns;
    long width;               // lanes between two chunks: columns rounded up, with room for a full load
    int total_chunks;
    const int* first_group;   // of each class, and one past the last
    const int* n_chunks;      // of each group
    const int* offset;        // first word (= 4 chunks) of each group
    const std::int64_t* weight;
    void* broadcast;          // scratch: total_chunks vectors
};

// One of two siblings: counts of its columns, and the result.
template <class T>
struct Side {
    T* const* ones;  // [count][column]
    const T* total;  // [count]
    T* below1;       // least errors of two leaves where the column is 1
    T* below0;
    T* capped1;      // the same with capped cells (see PairProblem)
    T* capped0;
};

// The same for two classes and differences of their weights (kernels.inl).
template <class T>
struct DifferenceSide {
    const T* difference;  // of each column
    T all;                // of the node
    T* best1;             // greatest |D| + |D'| of two leaves where the column is 1
    T* best0;
};

template <class T>
struct PairProblem {
    int n_classes;
    T least_rows;
    T infeasible;  // twice this still fits T
    // A cell of e errors, divided further at will, costs at least min(e, leaf_cost / unit) errors and a leaf.
    // In units of 2^-cap_shift errors, rounded down:
    T cap_from, cap;
    T no_cell;  // stands for an empty cell
    int cap_shift;
};

// What a run of the kernel has to know of a node, beside its pairs.
enum PairMode { kPlain, kLeafLimit, kCapped };

// A stretch of rows that a child keeps: ones of `mask` in a source word, and where they go.
struct Piece {
    Word mask;
    Word moves[6];  // for extraction without PEXT (Hacker's Delight, section 7-4)
    int source, target, shift;
    bool spills;    // into the next target word
    int of;         // class of the group
    std::int64_t weight;
};

template <class T>
struct Kernels {
    using ScorePairs = void (*)(const Chunks&, const PairProblem<T>&, T* const*, const Side<T>&, const Side<T>&);
    ScorePairs score_pairs[2][2][3];  // [two classes][sibling][mode]
    using Signed = std::make_signed_t<T>;
    using ScoreDifferences = void (*)(const Chunks&, T*, Signed*, const DifferenceSide<Signed>&,
                                      const DifferenceSide<Signed>&);
    ScoreDifferences score_differences[2];  // [sibling]
    void (*project_words)(const Word*, int, int, const Piece*, int, Word*, int);
    void (*project_across)(const Word*, int, int, const Piece*, int, Word*, long, T* const*);
    void (*to_chunks)(const Word*, int, long, std::uint16_t*);
    void (*digest)(const Word*, int, int, const int*, int, const Word*, int, Word*, std::uint32_t*);
    std::int64_t (*count_difference)(const Word*, const Word*, int, std::int64_t);
    bool needs_moves;  // pieces carry their moves
};

namespace portable {
#define TREEML_TARGET
#define TREEML_LEVEL 0
#include "treeml/kernels.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace portable

#if defined(__x86_64__)
namespace avx2 {
#define TREEML_TARGET __attribute__((target("avx2,bmi2,popcnt")))
#define TREEML_LEVEL 1
#include "treeml/kernels.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace avx2

namespace avx512 {
#define TREEML_TARGET __attribute__((target("avx2,bmi2,popcnt,avx512bw,avx512vl,avx512bitalg")))
#define TREEML_LEVEL 2
#include "treeml/kernels.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace avx512
#endif

template <class T>
Kernels<T> kernels_for(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return avx512::kernels<T>();
    if (isa == Isa::avx2) return avx2::kernels<T>();
#else
    (void)isa;
#endif
    return portable::kernels<T>();
}

// The moves that bring the ones of a mask together, for portable::extract.
inline void plan_moves(Piece& piece) {
    Word mask = piece.mask, zeros = ~mask << 1;
    for (int step = 0; step < 6; ++step) {
        Word prefix = zeros ^ (zeros << 1);
        for (int k = 2; k < kWordBits; k *= 2) prefix ^= prefix << k;
        const Word moved = prefix & mask;
        mask = (mask ^ moved) | (moved >> (1 << step));
        zeros &= ~prefix;
        piece.moves[step] = moved;
    }
}

// Appends the piece that takes `mask` of word `source` to row `at` of a group that starts at word `base`;
// returns how many rows it takes.
inline int add_piece(Word mask, int source, int base, std::int64_t at, const Group& group, bool needs_moves,
                     std::vector<Piece>& out) {
    const int ones = std::popcount(mask);
    Piece piece{mask, {}, source, base + int(at / kWordBits), int(at % kWordBits), false, group.of, group.weight};
    piece.spills = piece.shift + ones > kWordBits;
    if (needs_moves) plan_moves(piece);
    out.push_back(piece);
    return ones;
}

}  // namespace treeml
