// From tables to packed distinct rows: bits row by row, identical rows merged, then columns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "treeml/bitset.hpp"

namespace treeml {

// Packs an n x p matrix of zeros and ones, row by row. False where it holds anything else (or NaN).
template <class T>
bool pack_matrix(const T* matrix, std::int64_t n, int p, Word* rows) {
    const int words = words_for(p);
    bool clean = true;
    for (std::int64_t r = 0; r < n && clean; ++r) {
        const T* from = matrix + r * p;
        Word* to = rows + r * words;
        for (int w = 0; w < words; ++w) {
            const int end = std::min(kWordBits, p - w * kWordBits);
            Word bits = 0;
            bool ok = true;
            for (int b = 0; b < end; ++b) {
                const T x = from[w * kWordBits + b];
                ok &= x == T(0) || x == T(1);
                bits |= Word(x == T(1)) << b;
            }
            to[w] = bits;
            clean &= ok;
        }
    }
    return clean;
}

// Predicate j is true in row r where lower[j] <= codes[term[j]][r] <= upper[j]. Fills the rows' words.
template <class Code>
void pack_intervals(const Code* codes, std::int64_t n, const std::int32_t* intervals, int first, int last,
                    int words, Word* rows) {
    for (int j = first; j < last; ++j) {
        const Code lower = Code(intervals[3 * j + 1]), upper = Code(intervals[3 * j + 2]);
        Word* to = rows + j / kWordBits;
        const int bit = j % kWordBits;
        for (std::int64_t r = 0; r < n; ++r)
            to[r * words] |= Word(codes[r] >= lower && codes[r] <= upper) << bit;
    }
}

// Merges identical rows. Stored rows are in an order that depends on their content only. Returns their
// number; row_of[r] is the stored row of row r, and first[k] a row that stored row k stands for.
inline int merge_rows(const Word* rows, std::int64_t n, int words, std::int32_t* row_of,
                      std::vector<std::int64_t>& first) {
    std::size_t slots = 64;
    while (slots < std::size_t(2 * n)) slots *= 2;
    std::vector<std::int32_t> table(slots, -1);
    std::vector<Word> hashes;
    first.clear();
    for (std::int64_t r = 0; r < n; ++r) {
        const Word* row = rows + r * words;
        Word h = 0x9E3779B97F4A7C15ull;
        for (int w = 0; w < words; ++w) {
            h = (h ^ row[w]) * 0xD6E8FEB86659FD93ull;
            h ^= h >> 32;
        }
        std::size_t slot = h & (slots - 1);
        while (table[slot] >= 0 && (hashes[table[slot]] != h ||
                                    std::memcmp(rows + first[table[slot]] * words, row, words * sizeof(Word))))
            slot = (slot + 1) & (slots - 1);
        if (table[slot] < 0) {
            table[slot] = std::int32_t(first.size());
            first.push_back(r);
            hashes.push_back(h);
        }
        row_of[r] = table[slot];
    }
    const int stored = int(first.size());
    std::vector<std::int32_t> order(stored), place(stored);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int a, int b) {
        if (hashes[a] != hashes[b]) return hashes[a] < hashes[b];
        return std::lexicographical_compare(rows + first[a] * words, rows + first[a] * words + words,
                                            rows + first[b] * words, rows + first[b] * words + words);
    });
    std::vector<std::int64_t> sorted(stored);
    for (int k = 0; k < stored; ++k) {
        place[order[k]] = k;
        sorted[k] = first[order[k]];
    }
    first = std::move(sorted);
    for (std::int64_t r = 0; r < n; ++r) row_of[r] = place[row_of[r]];
    return stored;
}

// 64 x 64 bits, in place: bit b of word a becomes bit a of word b.
inline void transpose64(Word* m) {
    Word mask = 0x00000000FFFFFFFFull;
    for (int step = 32; step; step >>= 1, mask ^= mask << step)
        for (int k = 0; k < 64; k = ((k | step) + 1) & ~step) {
            const Word t = ((m[k] >> step) ^ m[k | step]) & mask;
            m[k] ^= t << step;
            m[k | step] ^= t;
        }
}

// Packed columns of the stored rows: p x words_for(stored).
inline void transpose_rows(const Word* rows, int words, const std::vector<std::int64_t>& first, int p,
                           Word* columns) {
    const int stored = int(first.size()), out_words = words_for(stored);
    Word block[64];
    for (int rw = 0; rw < out_words; ++rw)
        for (int w = 0; w < words; ++w) {
            for (int k = 0; k < 64; ++k) {
                const int r = rw * 64 + k;
                block[k] = r < stored ? rows[first[r] * words + w] : 0;
            }
            transpose64(block);
            for (int b = 0; b < 64 && w * 64 + b < p; ++b)
                columns[std::size_t(w * 64 + b) * out_words + rw] = block[b];
        }
}

}  // namespace treeml
