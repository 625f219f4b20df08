// Many rows through many trees: blocks of rows, a tree's nodes stay in cache.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace treeml {

// One node of a tree. An inner node asks for a column: yes where low <= x <= high, or, where set >= 0, where bit x
// of the words from there on is set too. A leaf has itself for both children.
struct FlatNode {
    double low, high;
    std::int32_t column, child[2], set;  // children for no and yes
};

// A column of doubles; stride in bytes.
struct StridedColumn {
    const char* data;
    std::ptrdiff_t stride;
};

// Sums of a start and weighted columns. Sum k has the products [first[k], first[k + 1]), which are added in their
// order; this file is compiled without contraction to fused operations, so that each is rounded as it is elsewhere.
struct FlatSums {
    const double* start;
    const std::int32_t* first;
    const std::int32_t* column;
    const double* weight;
    int n;
};

// Sums are columns too, behind those that are given.
struct FlatTrees {
    const FlatNode* nodes;
    const std::uint64_t* words;  // of the sets
    const std::int32_t* root;    // of each tree
    const std::uint8_t* sets;    // whether some node of the tree has a set
    int n_trees, n_columns;
    const StridedColumn* columns;
    FlatSums sums;
};

constexpr int kBlockRows = 128, kLockstep = 8;

// The leaves of kBlockRows rows; `block` holds the columns, each with kBlockRows values. Rows go down eight at a
// time, so that the loads of one row do not wait for those of another.
template <bool kSets>
void descend(const FlatNode* nodes, const std::uint64_t* words, std::int32_t root, const double* block,
             std::int32_t* leaf) {
    for (int first = 0; first < kBlockRows; first += kLockstep) {
        std::int32_t at[kLockstep];
        for (int k = 0; k < kLockstep; ++k) at[k] = root;
        std::int32_t moved;
        do {
            moved = 0;
            for (int k = 0; k < kLockstep; ++k) {
                const FlatNode& node = nodes[at[k]];
                const double x = block[std::ptrdiff_t(node.column) * kBlockRows + first + k];
                unsigned yes = unsigned(x >= node.low) & unsigned(x <= node.high);
                if constexpr (kSets)
                    if (node.set >= 0 && yes) {  // the interval holds the codes of the set, no NaN
                        const std::uint32_t code = std::uint32_t(x);
                        yes = words[node.set + (code >> 6)] >> (code & 63) & 1;
                    }
                const std::int32_t next = node.child[yes];  // no branch that could be mispredicted
                moved |= next ^ at[k];
                at[k] = next;
            }
        } while (moved);
        for (int k = 0; k < kLockstep; ++k) leaf[first + k] = at[k];
    }
}

inline void leaves_of_block(const FlatTrees& trees, int tree, const double* block, std::int32_t* leaf) {
    if (trees.sets[tree])
        descend<true>(trees.nodes, trees.words, trees.root[tree], block, leaf);
    else
        descend<false>(trees.nodes, trees.words, trees.root[tree], block, leaf);
}

// The sums of n rows, each in a column of its own from `out` on.
inline void add_up(const FlatSums& sums, const double* block, int n, double* out) {
    for (int k = 0; k < sums.n; ++k, out += kBlockRows) {
        std::fill(out, out + n, sums.start[k]);
        for (std::int32_t at = sums.first[k]; at < sums.first[k + 1]; ++at) {
            const double* from = block + std::ptrdiff_t(sums.column[at]) * kBlockRows;
            const double weight = sums.weight[at];
            for (int r = 0; r < n; ++r) out[r] += weight * from[r];
        }
    }
}

// Copies rows [first, first + n) of all columns and makes the sums; what is left of the block keeps its old values.
inline void fill_block(const FlatTrees& trees, std::int64_t first, int n, double* block) {
    for (int c = 0; c < trees.n_columns; ++c) {
        const StridedColumn& column = trees.columns[c];
        const char* from = column.data + first * column.stride;
        double* to = block + std::ptrdiff_t(c) * kBlockRows;
        for (int r = 0; r < n; ++r) to[r] = *reinterpret_cast<const double*>(from + r * column.stride);
    }
    add_up(trees.sums, block, n, block + std::ptrdiff_t(trees.n_columns) * kBlockRows);
}

// Leaf of every row in the first tree.
struct ApplyBlock {
    std::int32_t* out;

    void operator()(const FlatTrees& trees, const double* block, std::int64_t first, int n) const {
        std::int32_t leaf[kBlockRows];
        leaves_of_block(trees, 0, block, leaf);
        std::copy(leaf, leaf + n, out + first);
    }
};

// Adds the values of the leaves, tree by tree, to scores that start at their base.
struct ScoreBlock {
    const double* value;         // of every node
    const std::int32_t* output;  // of every tree
    int n_outputs;
    double* out;

    void operator()(const FlatTrees& trees, const double* block, std::int64_t first, int n) const {
        std::int32_t leaf[kBlockRows];
        for (int t = 0; t < trees.n_trees; ++t) {
            leaves_of_block(trees, t, block, leaf);
            double* to = out + first * n_outputs + output[t];
            for (int r = 0; r < n; ++r) to[std::ptrdiff_t(r) * n_outputs] += value[leaf[r]];
        }
    }
};

// Which of the sums is the greatest, the first of several; 0 where one is NaN.
struct GreatestBlock {
    std::int32_t* out;

    void operator()(const FlatTrees& trees, const double* block, std::int64_t first, int n) const {
        const double* sums = block + std::ptrdiff_t(trees.n_columns) * kBlockRows;
        for (int r = 0; r < n; ++r) {
            std::int32_t greatest = 0;
            bool known = true;
            for (int k = 0; k < trees.sums.n; ++k) {
                const double sum = sums[std::ptrdiff_t(k) * kBlockRows + r];
                known &= sum == sum;
                if (sum > sums[std::ptrdiff_t(greatest) * kBlockRows + r]) greatest = k;
            }
            out[first + r] = known ? greatest : 0;
        }
    }
};

// The outputs of each row's expert; expert e has the sums [e * n_outputs, (e + 1) * n_outputs).
struct ExpertBlock {
    FlatSums experts;
    const std::int32_t* expert;  // of every row
    int n_outputs;
    double* out;

    void operator()(const FlatTrees&, const double* block, std::int64_t first, int n) const {
        for (int r = 0; r < n; ++r)
            for (int o = 0; o < n_outputs; ++o) {
                const std::int32_t k = expert[first + r] * n_outputs + o;
                double sum = experts.start[k];
                for (std::int32_t at = experts.first[k]; at < experts.first[k + 1]; ++at)
                    sum += experts.weight[at] * block[std::ptrdiff_t(experts.column[at]) * kBlockRows + r];
                out[(first + r) * n_outputs + o] = sum;
            }
    }
};

template <class Block>
void run_rows(const FlatTrees* trees, const Block* each, std::int64_t begin, std::int64_t end, double* block) {
    for (std::int64_t first = begin; first < end; first += kBlockRows) {
        const int n = int(std::min<std::int64_t>(kBlockRows, end - first));
        fill_block(*trees, first, n, block);
        (*each)(*trees, block, first, n);
    }
}

// Runs over all rows with the given number of threads; each has whole blocks of its own.
template <class Block>
void for_all_rows(const FlatTrees& trees, const Block& each, std::int64_t n_rows, int n_threads) {
    const std::int64_t blocks = (n_rows + kBlockRows - 1) / kBlockRows;
    n_threads = int(std::clamp<std::int64_t>(n_threads, 1, std::max<std::int64_t>(blocks, 1)));
    const std::int64_t share = (blocks + n_threads - 1) / n_threads * kBlockRows;
    const std::size_t size = std::size_t(std::max(trees.n_columns + trees.sums.n, 1)) * kBlockRows;
    std::vector<double> buffers(size * n_threads);
    std::vector<std::thread> threads;
    threads.reserve(n_threads);
    for (int k = 1; k < n_threads; ++k)
        threads.emplace_back(run_rows<Block>, &trees, &each, std::min(k * share, n_rows),
                             std::min((k + 1) * share, n_rows), buffers.data() + size * k);
    run_rows(&trees, &each, 0, std::min(share, n_rows), buffers.data());
    for (std::thread& thread : threads) thread.join();
}

inline void apply_tree(const FlatTrees& trees, std::int64_t n_rows, int n_threads, std::int32_t* out) {
    for_all_rows(trees, ApplyBlock{out}, n_rows, n_threads);
}

inline void add_scores(const FlatTrees& trees, const double* value, const std::int32_t* output, int n_outputs,
                       std::int64_t n_rows, int n_threads, double* out) {
    for_all_rows(trees, ScoreBlock{value, output, n_outputs, out}, n_rows, n_threads);
}

inline void greatest_sum(const FlatTrees& trees, std::int64_t n_rows, int n_threads, std::int32_t* out) {
    for_all_rows(trees, GreatestBlock{out}, n_rows, n_threads);
}

inline void expert_outputs(const FlatTrees& trees, const FlatSums& experts, const std::int32_t* expert, int n_outputs,
                           std::int64_t n_rows, int n_threads, double* out) {
    FlatTrees columns = trees;
    columns.sums.n = 0;  // routes are known
    for_all_rows(columns, ExpertBlock{experts, expert, n_outputs, out}, n_rows, n_threads);
}

}  // namespace treeml
