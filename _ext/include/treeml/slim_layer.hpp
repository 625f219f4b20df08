// Row sets of SLIM as bits: rows sorted into segments of one cell and one weight, so that nets are popcounts.
#pragma once

#include <bit>
#include <vector>

#include "treeml/bitset.hpp"
#include "treeml/slim_problem.hpp"

namespace treeml {

// Words whose rows lie in one cell and count the same weight: +2^b (class 1) or -2^b (class 0), for bit b of |net|.
struct SlimSegment {
    int cell, begin, end;
    Cost weight;
};

template <class T>
struct SlimKernels {
    void (*pair_nets)(const SlimSegment*, int, const Word*, const Word*, T*, int);
    void (*scan_pairs)(const SlimSegment*, int, const Word*, long, int, int, int, const T*, const T*, int, T*, T*);
    void (*common_nets)(const SlimSegment*, int, const Word* const*, int, const Word*, T*);
    void (*gather_words)(const Word*, const Word*, Word, const Word*, int, int, Word*);
    void (*row_nets)(const SlimSegment*, int, const Word*, long, int, int, int, T*);
    void (*cells_of_row[6])(const T* const*, const T*, int, int, T*);  // by number of questions
};

namespace portable {
#define TREEML_TARGET
#define TREEML_LEVEL 0
#include "treeml/slim_kernels.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace portable

#if defined(__x86_64__)
namespace avx2 {
#define TREEML_TARGET __attribute__((target("avx2,bmi2,popcnt")))
#define TREEML_LEVEL 1
#include "treeml/slim_kernels.inl"
#undef TREEML_TARGET
#undef TREEML_LEVEL
}  // namespace avx2
#endif

template <class T>
SlimKernels<T> slim_kernels_for(Isa isa) {
#if defined(__x86_64__)
    if (isa != Isa::portable) return avx2::slim_kernels<T>();
#else
    (void)isa;
#endif
    return portable::slim_kernels<T>();
}

// The rows cut into cells by the questions of a prefix, with the 0/1 columns that may follow it.
template <class T>
struct SlimLayer {
    int n_cells = 1, n_lanes = 8;  // cells, rounded up to whole vectors
    int n_words = 0, n_columns = 0;
    std::vector<SlimSegment> segments;
    std::vector<Word> rows;     // the bits that are rows
    std::vector<Word> columns;  // n_words each
    std::vector<int> names;     // of the columns
    std::vector<T> whole;       // net of every cell
    std::vector<T> singles;     // of every column, the net of its rows in every cell

    const Word* column(int c) const { return columns.data() + std::size_t(c) * n_words; }
    std::int64_t bytes() const {
        return std::int64_t(columns.capacity() + rows.capacity()) * 8 +
               std::int64_t(singles.capacity() + whole.capacity()) * std::int64_t(sizeof(T));
    }

    // All rows in one cell; columns: the terms that are asked for, all of them 0/1. rare: a column that most
    // rows have is taken as its complement, which cuts the same cells.
    void fill(const SlimProblem& problem, const std::vector<int>& terms, const SlimKernels<T>& kernels,
              bool rare = false) {
        names = terms;
        n_columns = static_cast<int>(terms.size());
        std::vector<int> order;
        for (int sign : {1, -1})
            for (int bit = 0; bit < 62; ++bit) {
                const std::size_t start = order.size();
                for (int r = 0; r < problem.n_rows; ++r)
                    if (problem.net[r] * sign > 0 && problem.net[r] * sign >> bit & 1) order.push_back(r);
                if (order.size() == start) continue;
                const int words = words_for(std::int64_t(order.size() - start));
                segments.push_back({0, n_words, n_words + words, sign * (Cost(1) << bit)});
                n_words += words;
                order.resize(start + std::size_t(words) * kWordBits, -1);
            }
        rows.assign(n_words, 0);
        columns.assign(std::size_t(n_words) * n_columns, 0);
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (order[i] < 0) continue;
            const Word bit = Word(1) << (i % kWordBits);
            rows[i / kWordBits] |= bit;
            for (int c = 0; c < n_columns; ++c)
                if (problem.rows.columns[terms[c]].bytes[order[i]]) columns[std::size_t(c) * n_words + i / kWordBits] |= bit;
        }
        for (int c = 0; rare && c < n_columns; ++c) {
            Word* column = columns.data() + std::size_t(c) * n_words;
            std::int64_t have = 0, all = 0;
            for (int w = 0; w < n_words; ++w) {
                have += std::popcount(column[w]);
                all += std::popcount(rows[w]);
            }
            for (int w = 0; 2 * have > all && w < n_words; ++w) column[w] ^= rows[w];
        }
        count(kernels);
    }

    // This layer's cells cut by `parent`'s column c; the columns after c stay. ones: only the rows that have it.
    void split(const SlimLayer& parent, int c, const SlimKernels<T>& kernels, bool ones = false) {
        segments.clear();
        n_words = n_cells = 0;
        sources_.clear();
        const Word* by = parent.column(c);
        for (std::size_t s = 0; s < parent.segments.size();) {
            std::size_t end = s;
            while (end < parent.segments.size() && parent.segments[end].cell == parent.segments[s].cell) ++end;
            for (const Word flip : {Word(0), ~Word(0)}) {
                if (flip && ones) continue;
                const int before = n_words;
                for (std::size_t at = s; at < end; ++at) add_segment(parent, int(at), by, flip);
                n_cells += n_words > before;
            }
            s = end;
        }
        n_columns = parent.n_columns - c - 1;
        names.assign(parent.names.begin() + c + 1, parent.names.end());
        rows.assign(n_words, 0);
        columns.assign(std::size_t(n_words) * n_columns, 0);
        for (std::size_t s = 0; s < segments.size(); ++s) {
            const SlimSegment& from = parent.segments[sources_[s].first];
            const auto gather = [&](const Word* source, Word* to) {
                kernels.gather_words(source, by, sources_[s].second, parent.rows.data(), from.begin, from.end,
                                     to + segments[s].begin);
            };
            gather(parent.rows.data(), rows.data());
            for (int k = 0; k < n_columns; ++k) gather(parent.column(c + 1 + k), columns.data() + std::size_t(k) * n_words);
        }
        if (!ones) count(kernels);
    }

  private:
    void add_segment(const SlimLayer& parent, int at, const Word* by, Word flip) {
        const SlimSegment& from = parent.segments[at];
        std::int64_t n = 0;
        for (int w = from.begin; w < from.end; ++w) n += std::popcount((by[w] ^ flip) & parent.rows[w]);
        if (!n) return;
        segments.push_back({n_cells, n_words, n_words + words_for(n), from.weight});
        n_words += words_for(n);
        sources_.push_back({at, flip});
    }
    void count(const SlimKernels<T>& kernels) {
        n_lanes = std::max(8, (n_cells + 7) / 8 * 8);
        whole.assign(n_lanes, 0);
        singles.assign(std::size_t(n_lanes) * n_columns, 0);
        const int n = static_cast<int>(segments.size());
        kernels.pair_nets(segments.data(), n, rows.data(), rows.data(), whole.data(), n_lanes);
        for (int c = 0; c < n_columns; ++c)
            kernels.pair_nets(segments.data(), n, column(c), rows.data(), singles.data() + std::size_t(c) * n_lanes, n_lanes);
    }
    std::vector<std::pair<int, Word>> sources_;  // of every segment: the parent's, and which side
};

}  // namespace treeml
