// The rows of a search node, compacted: only its rows, only its distinct columns.
#pragma once

#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include "treeml/dataset.hpp"
#include "treeml/depth_two.hpp"

namespace treeml {

inline Word mix(Word h, Word x) {
    h = (h ^ x) * 0x9E3779B97F4A7C15ull;
    return h ^ (h >> 29);
}

inline Word hash_rows(const std::vector<Word>& rows) {
    Word hash = 0x243F6A8885A308D3ull;
    for (Word w : rows) hash = mix(hash, w);
    return hash;
}

inline long padded_width(int n_columns) { return (n_columns + 30) / 16 * 16; }

// What stays the same below the root: groups, classes and kernels.
template <class T>
struct Frame {
    Misclassification objective;
    std::vector<Group> groups;
    std::vector<int> first_group;      // of each count (class, then rows)
    std::vector<std::int64_t> weight;  // of each group
    std::vector<int> count_of;         // of each group, the count that it adds to
    std::vector<int> first_word;       // of each group in a row set of the root
    Kernels<T> kernels;
    bool two_classes;
    bool fits_signed;  // every sum of weights, as a signed T
    bool unit_weights; // all groups count 1

    // Weight of A \ S; any number above `enough` where it is more.
    std::int64_t distance(const Word* a, const Word* s, int n_words, std::int64_t enough) const {
        if (unit_weights) return kernels.count_difference(a, s, n_words, enough);
        std::int64_t sum = 0;
        for (int g = 0; g < n_groups() && sum <= enough; ++g) {
            const int at = first_word[g];
            sum += weight[g] * kernels.count_difference(a + at, s + at, first_word[g + 1] - at, enough);
        }
        return sum;
    }
    int n_counts() const { return objective.n_counts(); }
    int n_groups() const { return int(groups.size()); }
};

// Counts of a node's columns: ones[c][j] for every count c, and the totals of the node.
template <class T>
struct Counts {
    Buffer<T> data;
    std::vector<T*> ones;
    std::vector<T> total;

    void shape(int n_counts, long width) {
        T* at = data.reserve(std::size_t(n_counts) * width);
        ones.resize(n_counts);
        total.assign(n_counts, 0);
        for (int c = 0; c < n_counts; ++c) ones[c] = at + c * width;
    }
    void clear(long width) {
        for (T* row : ones) std::fill(row, row + width, T(0));
    }
};

// The rows on one side of a split: what the best leaf loses there, their weight, how many they are.
struct NodeSide {
    std::int64_t errors, weight, rows;
};

template <class T>
struct Node {
    int n_columns = 0;
    long width = 0;
    std::vector<std::int64_t> rows;  // of each group
    std::vector<int> offset;         // first word of each group; last: words of a column
    std::vector<int> n_chunks;       // of each group
    Buffer<Word> words;              // n_columns x stride
    Buffer<std::uint16_t> chunks;
    std::vector<int> id;             // column of the root that stands for each local column
    std::vector<int> place;          // of each column of the root, the equal or complementary one here; -1: constant
    std::vector<Word> row_set;       // which rows of the root
    Word hash = 0;
    Counts<T> counts;
    Buffer<Word> across;
    bool has_chunks = false;

    int stride() const { return offset.back(); }
    const Word* column(int j) const { return words.data() + std::size_t(j) * stride(); }

    std::int64_t total(const Frame<T>& frame) const {
        std::int64_t sum = 0;
        for (int c = 0; c < frame.objective.n_classes; ++c) sum += counts.total[c];
        return sum;
    }
    std::int64_t n_rows(const Frame<T>& frame) const {  // with a leaf limit only
        return counts.total[frame.objective.n_classes];
    }
    std::int64_t leaf_errors(const Frame<T>& frame) const {
        std::int64_t sum = 0, most = 0;
        for (int c = 0; c < frame.objective.n_classes; ++c) {
            sum += counts.total[c];
            most = std::max<std::int64_t>(most, counts.total[c]);
        }
        return sum - most;
    }

    // `rows` with a leaf limit only.
    NodeSide side(const Frame<T>& frame, int f, bool value) const {
        std::int64_t all = 0, most = 0, rows_there = 0;
        for (int c = 0; c < frame.objective.n_classes; ++c) {
            const std::int64_t one = counts.ones[c][f];
            const std::int64_t here = value ? one : std::int64_t(counts.total[c]) - one;
            all += here;
            most = std::max(most, here);
        }
        if (frame.objective.limits_leaves()) {
            const std::int64_t one = counts.ones[frame.objective.n_classes][f];
            rows_there = value ? one : n_rows(frame) - one;
        }
        return {all - most, all, rows_there};
    }
    void weights(const Frame<T>& frame, std::vector<std::int64_t>& out) const {
        out.assign(n_columns, 0);
        for (int c = 0; c < frame.objective.n_classes; ++c)
            for (int j = 0; j < n_columns; ++j) out[j] += counts.ones[c][j];
    }
    // Whether column f is 1 in half of the weight or less.
    bool mostly_no(const Frame<T>& frame, int f) const {
        std::int64_t ones = 0;
        for (int c = 0; c < frame.objective.n_classes; ++c) ones += counts.ones[c][f];
        return 2 * ones <= total(frame);
    }

    // From `rows`: where each group starts, how many chunks it has, and the totals.
    void lay_out(const Frame<T>& frame) {
        const int n = frame.n_groups();
        offset.assign(n + 1, 0);
        n_chunks.resize(n);
        counts.total.assign(frame.n_counts(), 0);
        for (int g = 0; g < n; ++g) {
            offset[g + 1] = offset[g] + words_for(rows[g]);
            n_chunks[g] = int((rows[g] + 15) / 16);
            counts.total[frame.groups[g].of] += T(rows[g] * frame.weight[g]);
        }
        has_chunks = false;
    }

    void set_row_set(const std::vector<Word>& set) {
        row_set = set;
        hash = hash_rows(row_set);
    }

    void make_chunks(const Frame<T>& frame) {
        if (has_chunks) return;
        Word* to = across.reserve(std::size_t(stride()) * width);
        std::memset(to, 0, std::size_t(stride()) * width * sizeof(Word));
        for (int j = 0; j < n_columns; ++j)
            for (int w = 0; w < stride(); ++w) to[w * width + j] = column(j)[w];
        frame.kernels.to_chunks(to, stride(), width, chunks.reserve(std::size_t(4) * stride() * width));
        has_chunks = true;
    }
};

// Makes children of nodes; owns the scratch space for it.
template <class T>
class Projector {
  public:
    explicit Projector(const Frame<T>& frame) : frame_(frame) {}

    // The child of `node` where column f is `value`, with its distinct columns.
    void child(const Node<T>& node, int f, bool value, Node<T>& out) {
        plan(node, f, value, out);
        const std::size_t size = std::size_t(node.n_columns) * out.stride();
        Word* to = out.words.reserve(size + 1);
        std::memset(to, 0, size * sizeof(Word));
        frame_.kernels.project_words(node.words.data(), node.n_columns, node.stride(), cut_.pieces.data(),
                                     cut_.moves.data(), cut_.size(), to, out.stride());
        out.n_columns = node.n_columns;
        out.id = node.id;
        keep_distinct_columns(out);
        out.place.resize(node.place.size());
        for (std::size_t g = 0; g < node.place.size(); ++g)
            out.place[g] = node.place[g] < 0 ? -1 : stands_for_[node.place[g]];
    }

    // The same with all columns of the node, as chunks and counts only: what the pair kernel needs.
    void chunks(const Node<T>& node, int f, bool value, Node<T>& out) {
        plan(node, f, value, out);
        const long width = node.width;
        out.n_columns = node.n_columns;
        out.width = width;
        const std::vector<T> total = out.counts.total;
        out.counts.shape(frame_.n_counts(), width);
        out.counts.total = total;
        out.counts.clear(width);
        const std::size_t size = std::size_t(out.stride()) * width;
        Word* to = across_.reserve(size + 1);
        std::memset(to, 0, size * sizeof(Word));
        frame_.kernels.project_across(node.words.data(), node.n_columns, node.stride(), cut_.pieces.data(),
                                      cut_.moves.data(), cut_.size(), to, width, frame_.count_of.data(),
                                      frame_.weight.data(), out.counts.ones.data());
        frame_.kernels.to_chunks(to, out.stride(), width, out.chunks.reserve(4 * size + 16));
        out.has_chunks = true;
    }

    // Drops constant columns and those equal or complementary to an earlier one, and counts the others.
    // stands_for(j): where column j, its equal or its complement is now; -1: constant.
    void keep_distinct_columns(Node<T>& node) {
        const int stride = node.stride(), n_groups = frame_.n_groups(), n = node.n_columns;
        valid_.resize(stride);
        std::int64_t all = 0;
        int first = -1;
        for (int g = 0; g < n_groups; ++g) {
            for (int w = node.offset[g]; w < node.offset[g + 1]; ++w)
                valid_[w] = valid_bits(node.rows[g], w - node.offset[g]);
            all += node.rows[g];
            if (first < 0 && node.rows[g]) first = node.offset[g];
        }
        int slots = 64;
        while (slots < 2 * n + 2) slots *= 2;
        table_.assign(slots, -1);
        hashes_.resize(n);
        stands_for_.assign(n, -1);
        ones_.resize(std::size_t(n) * n_groups);
        if (first >= 0)
            frame_.kernels.digest(node.words.data(), n, stride, node.offset.data(), n_groups, valid_.data(), first,
                                  hashes_.data(), ones_.data());
        int kept = 0;
        for (int j = 0; j < n && first >= 0; ++j) {
            const std::uint32_t* ones = ones_.data() + std::size_t(j) * n_groups;
            const std::int64_t sum = std::accumulate(ones, ones + n_groups, std::int64_t(0));
            if (sum == 0 || sum == all) continue;
            const Word* at = node.column(j);
            int slot = int(hashes_[j] & (slots - 1));
            while (table_[slot] >= 0 && !(hashes_[table_[slot]] == hashes_[j] && same(node, table_[slot], at, first)))
                slot = (slot + 1) & (slots - 1);
            if (table_[slot] >= 0) {
                stands_for_[j] = table_[slot];
                continue;
            }
            stands_for_[j] = table_[slot] = kept;
            hashes_[kept] = hashes_[j];
            if (kept != j) {
                std::memmove(node.words.data() + std::size_t(kept) * stride, at, stride * sizeof(Word));
                std::memmove(ones_.data() + std::size_t(kept) * n_groups, ones, n_groups * sizeof(std::uint32_t));
                node.id[kept] = node.id[j];
            }
            ++kept;
        }
        node.n_columns = kept;
        node.id.resize(kept);
        count(node);
    }

    int stands_for(int j) const { return stands_for_[j]; }

  private:
    void count(Node<T>& node) const {
        node.width = padded_width(node.n_columns);
        const std::vector<T> total = node.counts.total;
        node.counts.shape(frame_.n_counts(), node.width);
        node.counts.total = total;
        node.counts.clear(node.width);
        const int n_groups = frame_.n_groups();
        for (int g = 0; g < n_groups; ++g) {
            T* to = node.counts.ones[frame_.groups[g].of];
            for (int j = 0; j < node.n_columns; ++j)
                to[j] = T(to[j] + T(ones_[std::size_t(j) * n_groups + g]) * T(frame_.weight[g]));
        }
    }
    bool same(const Node<T>& node, int other, const Word* at, int first) const {
        const Word* b = node.column(other);
        const Word turn = (at[first] ^ b[first]) & 1 ? ~Word(0) : 0;
        for (int w = 0; w < node.stride(); ++w)
            if ((at[w] ^ b[w] ^ turn) & valid_[w]) return false;
        return true;
    }

    // Which bits of which word go where, and the sizes of the child.
    void plan(const Node<T>& node, int f, bool value, Node<T>& out) {
        const Word* column = node.column(f);
        cut_.pieces.clear();
        cut_.moves.clear();
        out.rows.resize(frame_.n_groups());
        int base = 0;
        for (int g = 0; g < frame_.n_groups(); ++g) {
            out.rows[g] = add_group(frame_.kernels, column, node.offset[g], node.rows[g], value, g, base, 0, cut_);
            base += words_for(out.rows[g]);
        }
        out.lay_out(frame_);
    }

    const Frame<T>& frame_;
    Cut cut_;
    Buffer<Word> across_;
    std::vector<Word> valid_, hashes_;
    std::vector<int> table_, stands_for_;
    std::vector<std::uint32_t> ones_;
};

}  // namespace treeml
