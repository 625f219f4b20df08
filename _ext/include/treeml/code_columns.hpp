// The columns of a split finder: ordered codes, in the layouts that counting and partitioning read fastest.
//
// A column of at most 256 codes is narrow: it is kept by column, where rows are sent to the left or right, and
// with the other narrow ones by row, where histograms are counted. A column in which one code is far more frequent
// than all others is sparse: only the other rows are kept. The rest is wide, 16 bits a row.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "treeml/bitset.hpp"
#include "treeml/team.hpp"

namespace treeml {

using Row = std::uint32_t;
using RowCode = std::uint16_t;

inline constexpr int kNarrow = 256;  // codes of a narrow column

struct CodeColumn {
    const std::uint8_t* bytes = nullptr;   // one of the two, shape (n_rows,)
    const std::uint16_t* words = nullptr;
    int n_codes = 0;
    bool has_missing = false;  // the last code stands for missing
    bool category = false;     // the order of the codes means nothing
    bool asks_above = false;   // questions read better about the codes on the right
    int monotone = 0;          // the prediction rises (1) or falls (-1) with the code

    int place = -1;   // among the columns that are counted by row; -1: sparse or wide
    int sparse = -1;  // among the sparse columns

    int code(Row row) const { return bytes ? bytes[row] : words[row]; }
    int missing() const { return has_missing ? n_codes - 1 : -1; }
    bool wide() const { return !bytes; }
};

// The rows of a sparse column that have another code than the usual one, ascending.
struct SparseColumn {
    int column, usual;
    std::vector<Row> rows;
    std::vector<RowCode> codes;
};

class CodeColumns {
  public:
    CodeColumns(std::vector<CodeColumn> columns, std::int64_t n_rows, bool by_row, Team& team)
        : columns_(std::move(columns)), n_rows_(n_rows) {
        if (!by_row) return;
        find_sparse();
        for (int c = 0; c < size(); ++c) {
            CodeColumn& column = columns_[c];
            if (column.wide() || column.sparse >= 0) continue;
            column.place = width_++;
            counted_.push_back(c);
        }
        fill_matrix(team);
    }

    int size() const { return static_cast<int>(columns_.size()); }
    std::int64_t n_rows() const { return n_rows_; }
    const CodeColumn& operator[](int column) const { return columns_[column]; }

    // Narrow columns by row, shape (n_rows, width); `counted()` has the column of each place.
    const std::uint8_t* matrix() const { return matrix_.data(); }
    int width() const { return width_; }
    const std::vector<int>& counted() const { return counted_; }
    const std::vector<SparseColumn>& sparse() const { return sparse_; }

  private:
    static constexpr std::int64_t kSparseRows = 4096;  // fewer rows are not worth it
    static constexpr int kSparseShare = 8;             // rows of other codes: at most one in so many

    void find_sparse() {
        if (n_rows_ < kSparseRows) return;
        std::int64_t counts[kNarrow];
        for (int c = 0; c < size(); ++c) {
            CodeColumn& column = columns_[c];
            if (column.wide()) continue;
            // A look at some rows first: most columns are dense.
            const int usual = most_frequent(column, std::max<std::int64_t>(1, n_rows_ / 1024), counts);
            if (counts[usual] * kSparseShare < 1024 * (kSparseShare - 2)) continue;
            if (most_frequent(column, 1, counts) != usual) continue;
            if ((n_rows_ - counts[usual]) * kSparseShare > n_rows_) continue;
            SparseColumn sparse{c, usual, {}, {}};
            sparse.rows.reserve(n_rows_ - counts[usual]);
            sparse.codes.reserve(n_rows_ - counts[usual]);
            for (std::int64_t row = 0; row < n_rows_; ++row)
                if (column.bytes[row] != usual) {
                    sparse.rows.push_back(static_cast<Row>(row));
                    sparse.codes.push_back(column.bytes[row]);
                }
            column.sparse = static_cast<int>(sparse_.size());
            sparse_.push_back(std::move(sparse));
        }
    }

    int most_frequent(const CodeColumn& column, std::int64_t step, std::int64_t* counts) const {
        std::fill_n(counts, kNarrow, 0);
        for (std::int64_t row = 0; row < n_rows_; row += step) ++counts[column.bytes[row]];
        return static_cast<int>(std::max_element(counts, counts + kNarrow) - counts);
    }

    void fill_matrix(Team& team) {
        if (!width_) return;
        std::uint8_t* matrix = matrix_.reserve(n_rows_ * width_ + 64);
        constexpr std::int64_t kBlock = 256;  // rows whose lines stay in the cache
        team.split((n_rows_ + kBlock - 1) / kBlock, [&](std::int64_t first, std::int64_t last, int) {
            for (std::int64_t block = first; block < last; ++block) {
                const std::int64_t begin = block * kBlock, end = std::min(n_rows_, begin + kBlock);
                for (int p = 0; p < width_; ++p) {
                    const std::uint8_t* from = columns_[counted_[p]].bytes;
                    std::uint8_t* to = matrix + p;
                    for (std::int64_t row = begin; row < end; ++row) to[row * width_] = from[row];
                }
            }
        });
    }

    std::vector<CodeColumn> columns_;
    std::int64_t n_rows_;
    std::vector<SparseColumn> sparse_;
    std::vector<int> counted_;
    int width_ = 0;
    Buffer<std::uint8_t> matrix_;
};

}  // namespace treeml
