// The rows of a tree that grows: those of a node are a range, and every split partitions its node's range in place.
// The entries of sparse columns are kept in the same way, each column with ranges of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "treeml/code_columns.hpp"
#include "treeml/split.hpp"
#include "treeml/team.hpp"

namespace treeml {

using Range = std::pair<std::int64_t, std::int64_t>;

class RowPartition {
  public:
    RowPartition(const CodeColumns& columns, Team& team) : columns_(columns), team_(team) {}

    // A new tree on these rows; sparse columns are only kept where a tree counts codes.
    void start(std::vector<Row>& rows, bool with_sparse) {
        rows_ = &rows;
        other_.resize(rows.size());
        sparse_.clear();
        if (!with_sparse || columns_.sparse().empty()) return;
        side_.assign(columns_.n_rows(), 0);
        const bool all = static_cast<std::int64_t>(rows.size()) == columns_.n_rows();
        if (!all)
            for (const Row row : rows) side_[row] = 1;
        for (const SparseColumn& column : columns_.sparse()) {
            Entries entries;
            for (std::size_t i = 0; i < column.rows.size(); ++i)
                if (all || side_[column.rows[i]]) entries.push(column.rows[i], column.codes[i]);
            sparse_.push_back(std::move(entries));
        }
    }

    const Row* rows() const { return rows_->data(); }

    // Ranges of the sparse columns' entries, for the root.
    std::vector<Range> all_sparse() const {
        std::vector<Range> out;
        for (const Entries& entries : sparse_) out.emplace_back(0, static_cast<std::int64_t>(entries.rows.size()));
        return out;
    }
    const Row* sparse_rows(int column) const { return sparse_[column].rows.data(); }
    const RowCode* sparse_codes(int column) const { return sparse_[column].codes.data(); }

    // Rows begin .. end: those that go left come first, both in their order. Returns where the others start.
    std::int64_t split(std::int64_t begin, std::int64_t end, const Split& split) {
        const CodeColumn& column = columns_[split.column];
        Row* rows = rows_->data();
        const int parts = end - begin >= kParallelWork && team_.size() > 1 ? team_.size() * Team::kPartsEach : 1;
        if (parts == 1) {
            const std::int64_t middle = begin + separate(begin, end, split, column);
            std::copy(other_.begin() + begin, other_.begin() + begin + (end - middle), rows + middle);
            return middle;
        }
        // Each part by itself, left rows to its start and right ones to other_, then all to their places.
        std::vector<std::int64_t> n_left(parts, 0);
        const auto cut = [&](int part) { return begin + (end - begin) * part / parts; };
        left_.resize(rows_->size());
        team_.each(parts, [&](int part, int) {
            n_left[part] = separate(cut(part), cut(part + 1), split, column);
            std::copy(rows + cut(part), rows + cut(part) + n_left[part], left_.begin() + cut(part));
        });
        std::int64_t middle = begin;
        for (const std::int64_t n : n_left) middle += n;
        team_.each(parts, [&](int part, int) {
            std::int64_t to_left = begin, to_right = middle;
            for (int p = 0; p < part; ++p) {
                to_left += n_left[p];
                to_right += cut(p + 1) - cut(p) - n_left[p];
            }
            std::copy(left_.begin() + cut(part), left_.begin() + cut(part) + n_left[part], rows + to_left);
            const std::int64_t n_right = cut(part + 1) - cut(part) - n_left[part];
            std::copy(other_.begin() + cut(part), other_.begin() + cut(part) + n_right, rows + to_right);
        });
        return middle;
    }

    // The entries of a sparse column in a node whose rows have just been split; where the right ones start.
    std::int64_t split_sparse(int column, Range range) {
        std::vector<Row>& rows = sparse_[column].rows;
        std::vector<RowCode>& codes = sparse_[column].codes;
        moved_.rows.clear();
        moved_.codes.clear();
        std::int64_t to = range.first;
        for (std::int64_t i = range.first; i < range.second; ++i) {
            if (!side_[rows[i]]) {
                moved_.push(rows[i], codes[i]);
                continue;
            }
            rows[to] = rows[i];
            codes[to++] = codes[i];
        }
        std::copy(moved_.rows.begin(), moved_.rows.end(), rows.begin() + to);
        std::copy(moved_.codes.begin(), moved_.codes.end(), codes.begin() + to);
        return to;
    }

  private:
    static constexpr std::int64_t kParallelWork = 1 << 15;  // rows below which threads do not pay

    struct Entries {
        std::vector<Row> rows;
        std::vector<RowCode> codes;

        void push(Row row, RowCode code) {
            rows.push_back(row);
            codes.push_back(code);
        }
    };

    // Left rows to the front of the range, right ones to the same place of other_; the number of left ones.
    std::int64_t separate(std::int64_t begin, std::int64_t end, const Split& split, const CodeColumn& column) {
        if (column.bytes) {
            std::uint8_t left[kNarrow] = {};
            for (int code = 0; code < column.n_codes; ++code) left[code] = split.goes_left(column, code);
            const std::uint8_t* codes = column.bytes;
            return separate_by(begin, end, [&](Row row) { return left[codes[row]]; });
        }
        const std::uint16_t* codes = column.words;
        if (column.category)
            return separate_by(begin, end, [&](Row row) {
                return static_cast<std::uint8_t>(split.goes_left(column, codes[row]));
            });
        const int last = split.code, missing = column.missing();
        const bool missing_left = split.saw_missing && split.missing_left;
        return separate_by(begin, end, [&](Row row) {
            return static_cast<std::uint8_t>((codes[row] <= last) | (missing_left & (codes[row] == missing)));
        });
    }

    template <class Goes>
    std::int64_t separate_by(std::int64_t begin, std::int64_t end, const Goes& goes_left) {
        return sparse_.empty() ? separate_by<false>(begin, end, goes_left) : separate_by<true>(begin, end, goes_left);
    }

    // Also notes the side of every row, where sparse columns need to know it.
    template <bool kMarks, class Goes>
    std::int64_t separate_by(std::int64_t begin, std::int64_t end, const Goes& goes_left) {
        Row* rows = rows_->data();
        Row *to_left = rows + begin, *to_right = other_.data() + begin;
        for (std::int64_t i = begin; i < end; ++i) {
            const Row row = rows[i];
            const std::uint8_t left = goes_left(row);
            if constexpr (kMarks) side_[row] = left;
            *to_left = row;
            *to_right = row;
            to_left += left;
            to_right += 1 - left;
        }
        return to_left - (rows + begin);
    }

    const CodeColumns& columns_;
    Team& team_;
    std::vector<Row>* rows_ = nullptr;
    std::vector<Row> other_, left_;
    std::vector<Entries> sparse_;
    Entries moved_;
    std::vector<std::uint8_t> side_;
};

}  // namespace treeml
