// The contract of the split finder: an ordered code column + an accumulator. A grower counts rows into cells, one
// a code, and asks an accumulator for the best way to send the codes left and right.
//
// Everything that is summed is a whole number on a grid that the caller chose, so a histogram is the same in any
// order of rows and for any number of threads, and that of a child is exactly parent minus sibling.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "treeml/code_columns.hpp"

namespace treeml {

inline constexpr double kNoGain = -std::numeric_limits<double>::infinity();

// The best split found so far. Rows go left whose code is at most `code` (or in `left`, for a category); the code
// that follows in the node is `next`. A missing value goes left where `missing_left` says so.
struct Split {
    double gain = kNoGain;
    int column = -1;
    int code = -1, next = -1;
    bool missing_left = false;
    bool saw_missing = false;  // whether the node has missing values of this column
    std::vector<RowCode> left;  // of a category, ascending

    bool exists() const { return column >= 0; }
    bool goes_left(const CodeColumn& of, int row_code) const {
        if (row_code == of.missing()) return saw_missing && missing_left;
        if (!of.category) return row_code <= code;
        return std::binary_search(left.begin(), left.end(), static_cast<RowCode>(row_code));
    }
    // Of equal gains the first column counts.
    bool better_than(const Split& other) const {
        return gain > other.gain || (gain == other.gain && exists() && column < other.column);
    }
};

// Where the predictions below a node must lie, because of monotone columns above it.
struct ValueBounds {
    double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();

    bool any() const { return std::isfinite(low) || std::isfinite(high); }
    double clip(double value) const { return std::min(std::max(value, low), high); }
    bool hold(double value) const { return low <= value && value <= high; }
};

struct LeafLimits {
    std::int64_t rows = 1;   // fewest rows of a leaf
    double weight = 0;       // least weight of a leaf (boosting: sum of hessians), in its real unit
};

// Counts of one column in one node: cells of codes 0 .. n - 1, or of the codes listed, ascending.
struct ColumnCounts {
    const CodeColumn* column;
    int index;                 // of the column
    const std::int64_t* cells;
    const RowCode* codes;      // null: cell i has code i
    int n;
    const std::int64_t* total;  // of the node
    ValueBounds bounds;

    int code(int i) const { return codes ? codes[i] : i; }
    // Number of cells before that of missing values, which is the last one where there is one.
    int n_known() const { return n && code(n - 1) == column->missing() ? n - 1 : n; }
};

// Rows of a node and what is counted of them.
struct RowRange {
    const Row* rows;  // null: the rows begin .. end - 1 themselves
    std::int64_t begin, end;

    Row operator[](std::int64_t i) const { return rows ? rows[i] : static_cast<Row>(i); }
};

class Accumulator {
  public:
    virtual ~Accumulator() = default;

    // Numbers of a cell.
    virtual int stride() const = 0;
    // Adds rows to the histograms of all columns that are counted by row, kNarrow cells each.
    virtual void count_matrix(const CodeColumns& columns, RowRange rows, std::int64_t* histograms) const = 0;
    // Adds rows to the histogram of one column.
    virtual void count_column(const CodeColumn& column, RowRange rows, std::int64_t* cells) const = 0;
    // Adds rows with the codes given beside them.
    virtual void count_codes(const RowCode* codes, const Row* rows, std::int64_t n, std::int64_t* cells) const = 0;
    virtual void sum(RowRange rows, std::int64_t* total) const = 0;
    // Replaces `best` where this column has a better split.
    virtual void scan(const ColumnCounts& counts, Split& best) const = 0;
    // What a leaf with these sums predicts, within bounds; for monotone columns only.
    virtual double value(const std::int64_t* total) const = 0;
    // Whether all rows are alike, so that no split can help.
    virtual bool pure(RowRange rows, const std::int64_t* total) const = 0;
};

}  // namespace treeml
