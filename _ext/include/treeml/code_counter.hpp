// Scratch of one thread: counts of one column in a node, over all codes or, with few rows, over those that occur; and
// the rows of a node in the order of a column.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "treeml/bitset.hpp"
#include "treeml/code_columns.hpp"
#include "treeml/row_scan.hpp"
#include "treeml/split.hpp"

namespace treeml {

inline constexpr int kCodesPerRow = 6;  // a node with fewer rows than codes / 6 is counted by sorting

class CodeCounter {
  public:
    // Cells, codes and their number in `counts`; they last until the next call.
    void count(const Accumulator& accumulator, RowRange rows, ColumnCounts& counts) {
        const CodeColumn& column = *counts.column;
        const std::size_t stride = accumulator.stride();
        if ((rows.end - rows.begin) * kCodesPerRow >= column.n_codes) {
            std::int64_t* cells = cells_.reserve(column.n_codes * stride);
            std::memset(cells, 0, column.n_codes * stride * sizeof *cells);
            accumulator.count_column(column, rows, cells);
            counts.cells = cells;
            counts.n = column.n_codes;
            return;
        }
        sort_by_code(column, rows);
        std::int64_t* cells = cells_.reserve(keys_.size() * stride);
        codes_.clear();
        const RowCode zero = 0;
        for (const std::uint32_t key : keys_) {
            const auto code = static_cast<RowCode>(key >> 16);
            if (codes_.empty() || codes_.back() != code) {
                std::memset(cells + codes_.size() * stride, 0, stride * sizeof *cells);
                codes_.push_back(code);
            }
            const Row row = rows[rows.begin + (key & 0xffff)];
            accumulator.count_codes(&zero, &row, 1, cells + (codes_.size() - 1) * stride);
        }
        counts.cells = cells;
        counts.codes = codes_.data();
        counts.n = static_cast<int>(codes_.size());
    }

    // Rows by code, those of a code in their order.
    OrderedRows order(const CodeColumn& column, int index, RowRange rows, ValueBounds bounds) {
        const std::int64_t n = rows.end - rows.begin;
        rows_.resize(n);
        codes_.resize(n);
        if (n * kCodesPerRow >= column.n_codes) {  // counting sort
            starts_.assign(column.n_codes + 1, 0);
            for (std::int64_t i = rows.begin; i < rows.end; ++i) ++starts_[column.code(rows[i]) + 1];
            for (int code = 0; code < column.n_codes; ++code) starts_[code + 1] += starts_[code];
            for (std::int64_t i = rows.begin; i < rows.end; ++i) {
                const int code = column.code(rows[i]);
                const std::int64_t to = starts_[code]++;
                rows_[to] = rows[i];
                codes_[to] = static_cast<RowCode>(code);
            }
        } else {
            sort_by_code(column, rows);
            for (std::int64_t i = 0; i < n; ++i) {
                rows_[i] = rows[rows.begin + (keys_[i] & 0xffff)];
                codes_[i] = static_cast<RowCode>(keys_[i] >> 16);
            }
        }
        std::int64_t known = n;
        while (known && codes_[known - 1] == column.missing()) --known;
        return {&column, index, rows_.data(), codes_.data(), n, known, bounds};
    }

  private:
    // Codes in the upper half of each key, positions (fewer than 65,536 / kCodesPerRow) in the lower one.
    void sort_by_code(const CodeColumn& column, RowRange rows) {
        const auto n = static_cast<std::uint32_t>(rows.end - rows.begin);
        keys_.resize(n);
        for (std::uint32_t i = 0; i < n; ++i)
            keys_[i] = static_cast<std::uint32_t>(column.code(rows[rows.begin + i])) << 16 | i;
        if (n < kFewKeys) return std::sort(keys_.begin(), keys_.end());
        sorted_.resize(n);
        for (int shift = 16; shift < 32 && (column.n_codes - 1) >> (shift - 16); shift += 8) {
            std::uint32_t starts[257] = {};
            for (const std::uint32_t key : keys_) ++starts[((key >> shift) & 255) + 1];
            for (int d = 0; d < 256; ++d) starts[d + 1] += starts[d];
            for (const std::uint32_t key : keys_) sorted_[starts[(key >> shift) & 255]++] = key;
            keys_.swap(sorted_);
        }
    }

    static constexpr std::uint32_t kFewKeys = 256;

    Buffer<std::int64_t> cells_;
    std::vector<std::uint32_t> keys_, sorted_;
    std::vector<RowCode> codes_;
    std::vector<Row> rows_;
    std::vector<std::int64_t> starts_;
};

}  // namespace treeml
