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
    void* broadcast;          // scratch: two vectors a chunk
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
    int source, target, shift;
    bool spills;  // into the next target word
    int group;
};

// How the ones of a mask come together without PEXT (Hacker's Delight, section 7-4).
struct Moves {
    Word step[6];
};

// All rows that a child keeps.
struct Cut {
    std::vector<Piece> pieces;
    std::vector<Moves> moves;  // empty where there is PEXT
    int size() const { return int(pieces.size()); }
};

// A solved column, for the bounds of its siblings (bounds.hpp).
struct SiblingNews {
    std::int64_t cost1, cost0;  // lower bounds of its children
    std::int64_t ones, total;   // weights of the column and of the node
    int unit_shift;             // cost of a unit of weight, as a power of two
    bool adds_up;               // leaves are free
};

template <class T>
struct Kernels {
    using ScorePairs = void (*)(const Chunks&, const PairProblem<T>&, T* const*, const Side<T>&, const Side<T>&);
    ScorePairs score_pairs[2][2][3];  // [two classes][sibling][mode]
    using Signed = std::make_signed_t<T>;
    using ScoreDifferences = void (*)(const Chunks&, T*, Signed*, const DifferenceSide<Signed>&,
                                      const DifferenceSide<Signed>&);
    ScoreDifferences score_differences[2];  // [sibling]
    void (*project_words)(const Word*, int, int, const Piece*, const Moves*, int, Word*, int);
    void (*project_across)(const Word*, int, int, const Piece*, const Moves*, int, Word*, long, const int*,
                           const std::int64_t*, T* const*);
    void (*to_chunks)(const Word*, int, long, std::uint16_t*);
    void (*digest)(const Word*, int, int, const int*, int, const Word*, int, Word*, std::uint32_t*);
    int (*cut_group)(const Word*, int, std::int64_t, bool, int, int, Piece*, std::int64_t*);
    void (*learn_siblings)(int, const SiblingNews&, const T*, const std::int64_t*, std::int64_t*, std::int64_t*);
    int (*reaching)(const std::int64_t*, const std::int64_t*, int, std::int64_t, std::int64_t, int*);
    std::int64_t (*count_difference)(const Word*, const Word*, int, std::int64_t);
    bool needs_moves;  // cuts have moves
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
inline Moves plan_moves(Word mask) {
    Moves out;
    Word zeros = ~mask << 1;
    for (int step = 0; step < 6; ++step) {
        Word prefix = zeros ^ (zeros << 1);
        for (int k = 2; k < kWordBits; k *= 2) prefix ^= prefix << k;
        const Word moved = prefix & mask;
        mask = (mask ^ moved) | (moved >> (1 << step));
        zeros &= ~prefix;
        out.step[step] = moved;
    }
    return out;
}

// Appends to the cut the rows of one group where `column` is `value`, to lie from word `base` on and after
// the `at` rows that are there already; returns how many are there now.
template <class T>
std::int64_t add_group(const Kernels<T>& kernels, const Word* column, int first_word, std::int64_t n_rows, bool value,
                       int group, int base, std::int64_t at, Cut& cut) {
    const std::size_t before = cut.pieces.size();
    cut.pieces.resize(before + words_for(n_rows));
    const int n = kernels.cut_group(column, first_word, n_rows, value, group, base, cut.pieces.data() + before, &at);
    cut.pieces.resize(before + n);
    if (kernels.needs_moves)
        for (std::size_t k = before; k < cut.pieces.size(); ++k) cut.moves.push_back(plan_moves(cut.pieces[k].mask));
    return at;
}

}  // namespace treeml
