// What a search reads: packed 0/1 columns over distinct rows, and additive statistics of every row.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "treeml/bitset.hpp"
#include "treeml/objective.hpp"

namespace treeml {

struct BinaryDataset {
    int n_rows = 0;     // stored (distinct) rows
    int n_columns = 0;
    int n_words = 0;                          // words of a packed column
    std::span<const Word> columns;            // n_columns x n_words, row r is bit r % 64 of word r / 64
    std::span<const std::int64_t> statistics; // S x n_rows: weight of each class, then number of rows

    const Word* column(int j) const { return columns.data() + std::size_t(j) * n_words; }
    std::int64_t statistic(int s, int row) const { return statistics[std::size_t(s) * n_rows + row]; }
};

// The rows of a dataset sorted into groups (see objective.hpp), with the columns rearranged likewise.
struct GroupedRows {
    std::vector<Group> groups;
    std::vector<std::int64_t> rows;  // rows of each group
    std::vector<int> offset;         // first word of each group in a column; size groups + 1
    std::vector<Word> columns;       // n_columns x stride
    int n_columns = 0;
    int stride() const { return offset.back(); }
};

inline GroupedRows group_rows(const BinaryDataset& data, const Misclassification& objective) {
    GroupedRows out;
    out.n_columns = data.n_columns;
    out.offset.push_back(0);
    std::vector<std::vector<int>> members;
    for (int s = 0; s < objective.n_counts(); ++s) {
        const bool is_class = s < objective.n_classes;
        std::uint64_t bits = 0;
        for (int r = 0; r < data.n_rows; ++r) {
            if (data.statistic(s, r) < 0) throw std::invalid_argument("a statistic is negative");
            bits |= static_cast<std::uint64_t>(data.statistic(s, r));
        }
        for (int plane = 0; plane < 63; ++plane) {
            if (!(bits >> plane & 1)) continue;
            std::vector<int> rows;
            for (int r = 0; r < data.n_rows; ++r)
                if (data.statistic(s, r) >> plane & 1) rows.push_back(r);
            out.groups.push_back({s, (is_class ? objective.class_weight[s] : 1) << plane});
            out.rows.push_back(std::int64_t(rows.size()));
            out.offset.push_back(out.offset.back() + words_for(std::int64_t(rows.size())));
            members.push_back(std::move(rows));
        }
    }
    const int stride = out.stride();
    out.columns.assign(std::size_t(data.n_columns) * stride, 0);
    for (int j = 0; j < data.n_columns; ++j) {
        const Word* from = data.column(j);
        Word* to = out.columns.data() + std::size_t(j) * stride;
        for (std::size_t g = 0; g < members.size(); ++g) {
            Word* word = to + out.offset[g];
            Word bits = 0;
            int at = 0;
            for (int r : members[g]) {
                bits |= (from[r >> 6] >> (r & 63) & 1) << at;
                if (++at == kWordBits) {
                    *word++ = bits;
                    bits = 0;
                    at = 0;
                }
            }
            if (at) *word = bits;
        }
    }
    return out;
}

}  // namespace treeml
