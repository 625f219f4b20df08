// What searches for scorecards read: equal rows merged, with the weight of either class, column by column.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "treeml/bitset.hpp"

namespace treeml {

// Rows are padded to a multiple of this with rows of weight 0, so that kernels need no remainders.
inline constexpr int kRowLanes = 8;

// One term for every merged row: as bytes where it is 0 or 1 everywhere, as doubles elsewhere.
struct CardColumn {
    bool zero_one = true;
    bool whole = true;                   // only whole numbers
    double least = 0, most = 0;          // over the rows
    double size = 0;                     // largest absolute value
    double center = 0;                   // already taken off the doubles
    double reach = 0;                    // largest absolute value of what is stored
    Buffer<std::uint8_t> bytes;
    Buffer<double> values;

    double at(int row) const { return zero_one ? double(bytes[row]) : values[row]; }
};

struct CardRows {
    int n_rows = 0;    // merged rows
    int n_padded = 0;
    int n_terms = 0;
    double total = 0, total_positive = 0;
    Buffer<double> positive, negative, weight;  // of every merged row; weight is their sum
    std::vector<CardColumn> columns;
    std::vector<int> row_of;  // merged row of every row

    // matrix: row after row, n_terms numbers each. weights may be empty: every row counts 1. Rows of weight 0
    // are left out (row_of is -1). centered: doubles are stored without the middle of their range (a whole number
    // for columns of whole numbers), since fits in floating point suffer from values far from 0.
    CardRows(std::span<const double> matrix, int n_terms, std::span<const std::int32_t> codes,
             std::span<const double> weights, bool centered = false)
        : n_terms(n_terms) {
        const std::vector<int> first = merge(matrix, codes.size(), weights);
        n_rows = static_cast<int>(first.size());
        n_padded = (n_rows + kRowLanes - 1) / kRowLanes * kRowLanes;
        weigh(codes, weights);
        columns.resize(n_terms);
        fill(matrix, first);
        for (CardColumn& column : columns) {
            column.reach = column.size;
            if (!centered || column.zero_one) continue;
            column.center = .5 * (column.least + column.most);
            if (column.whole) column.center = std::floor(column.center);
            for (int r = 0; r < n_rows; ++r) column.values[r] -= column.center;
            column.reach = std::max(column.most - column.center, column.center - column.least);
        }
    }

    // The weights of the rows, and others later: merging and columns stay. Rows that were left out stay out.
    void weigh(std::span<const std::int32_t> codes, std::span<const double> weights) {
        for (Buffer<double>* sums : {&positive, &negative, &weight}) std::fill_n(sums->reserve(n_padded), n_padded, 0.0);
        for (std::size_t i = 0; i < codes.size(); ++i)
            if (row_of[i] >= 0) (codes[i] ? positive : negative)[row_of[i]] += weights.empty() ? 1.0 : weights[i];
        total = total_positive = 0;
        for (int r = 0; r < n_rows; ++r) {
            weight[r] = positive[r] + negative[r];
            total += weight[r];
            total_positive += positive[r];
        }
    }

  private:
    // Four chains side by side, since one multiplication waits for the one before.
    static std::uint64_t hash(const double* row, int n_terms) {
        std::uint64_t h[4] = {0x9E3779B97F4A7C15ull, 0xC2B2AE3D27D4EB4Full, 0x165667B19E3779F9ull, 0x27D4EB2F165667C5ull};
        for (int j = 0; j < n_terms; ++j) {
            const double value = row[j] + 0.0;  // -0 is 0
            std::uint64_t bits;
            std::memcpy(&bits, &value, sizeof bits);
            std::uint64_t& chain = h[j & 3];
            chain = (chain ^ bits) * 0xFF51AFD7ED558CCDull;
            chain ^= chain >> 29;
        }
        std::uint64_t all = h[0];
        for (int c = 1; c < 4; ++c) {
            all = (all ^ h[c]) * 0xC4CEB9FE1A85EC53ull;
            all ^= all >> 32;
        }
        return all;
    }

    // Fills row_of; returns the first row of every merged one.
    std::vector<int> merge(std::span<const double> matrix, std::size_t n, std::span<const double> weights) {
        std::size_t slots = 16;
        while (slots < 2 * n) slots *= 2;
        std::vector<int> table(slots, -1), first;
        std::vector<std::uint64_t> hashes;
        row_of.assign(n, -1);
        for (std::size_t i = 0; i < n; ++i) {
            if (!weights.empty() && !(weights[i] > 0)) continue;
            const double* row = matrix.data() + i * n_terms;
            const std::uint64_t h = hash(row, n_terms);
            std::size_t at = h & (slots - 1);
            while (table[at] >= 0) {
                const double* other = matrix.data() + std::size_t(first[table[at]]) * n_terms;
                if (hashes[table[at]] == h && std::equal(row, row + n_terms, other)) break;
                at = (at + 1) & (slots - 1);
            }
            if (table[at] < 0) {
                table[at] = static_cast<int>(first.size());
                first.push_back(static_cast<int>(i));
                hashes.push_back(h);
            }
            row_of[i] = table[at];
        }
        sort(first, hashes);
        return first;
    }

    // Rows in the order of their hashes, which depends on their content alone: sums, and so ties between cards, are
    // then the same for any order of the rows given.
    void sort(std::vector<int>& first, const std::vector<std::uint64_t>& hashes) {
        const int n = static_cast<int>(first.size());
        std::vector<int> order(n), place(n), sorted(n);
        for (int r = 0; r < n; ++r) order[r] = r;
        std::sort(order.begin(), order.end(), [&](int a, int b) { return hashes[a] < hashes[b]; });
        for (int r = 0; r < n; ++r) {
            place[order[r]] = r;
            sorted[r] = first[order[r]];
        }
        first = std::move(sorted);
        for (int& row : row_of)
            if (row >= 0) row = place[row];
    }

    // Row by row in blocks that stay in the cache: bytes and what the columns hold, then the doubles of those
    // that need them.
    void fill(std::span<const double> matrix, const std::vector<int>& first) {
        std::vector<double> least(n_terms, std::numeric_limits<double>::infinity()), most(n_terms);
        std::vector<std::uint8_t> other(n_terms, 0);
        for (double& m : most) m = -std::numeric_limits<double>::infinity();
        std::vector<std::uint8_t> block(std::size_t(64) * n_terms);
        for (CardColumn& column : columns) std::fill_n(column.bytes.reserve(n_padded), n_padded, std::uint8_t(0));
        for (int begin = 0; begin < n_rows; begin += 64) {
            const int end = std::min(n_rows, begin + 64);
            for (int r = begin; r < end; ++r) {
                const double* row = matrix.data() + std::size_t(first[r]) * n_terms;
                std::uint8_t* bytes = block.data() + std::size_t(r - begin) * n_terms;
                for (int j = 0; j < n_terms; ++j) {
                    const double x = row[j];
                    bytes[j] = x != 0;
                    other[j] |= (x != 0) & (x != 1);
                    least[j] = x < least[j] ? x : least[j];
                    most[j] = x > most[j] ? x : most[j];
                }
            }
            for (int j = 0; j < n_terms; ++j)
                for (int r = begin; r < end; ++r) columns[j].bytes[r] = block[std::size_t(r - begin) * n_terms + j];
        }
        for (int j = 0; j < n_terms; ++j) {
            CardColumn& column = columns[j];
            column.zero_one = !other[j];
            column.least = n_rows ? least[j] : 0;
            column.most = n_rows ? most[j] : 0;
            column.size = std::max(std::abs(column.least), std::abs(column.most));
            if (column.zero_one) continue;
            std::fill_n(column.values.reserve(n_padded), n_padded, 0.0);
            for (int r = 0; r < n_rows; ++r) {
                const double x = matrix[std::size_t(first[r]) * n_terms + j];
                column.values[r] = x;
                column.whole &= x == std::floor(x) && std::abs(x) < 1e6;
            }
        }
    }
};

}  // namespace treeml
