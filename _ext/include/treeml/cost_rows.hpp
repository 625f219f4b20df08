// Rows with a cost for every action, as the search for the cheapest tree reads them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "treeml/bitset.hpp"
#include "treeml/dataset.hpp"

namespace treeml {

// The distinct columns that part the rows, each turned so that at most half of the rows are in it, in families:
// two of one family are disjoint or one lies within the other. A column stands after those around it.
struct CostRows {
    int n_rows = 0, n_actions = 0, stride = 0;
    std::vector<Word> columns;         // n_columns x stride
    std::vector<int> names;            // column of the dataset
    std::vector<std::uint8_t> turned;  // whether it is the complement
    std::vector<int> family;           // of each column
    std::vector<int> parent;           // the smallest column around it; -1: none
    std::vector<std::int64_t> regret;  // n_rows x n_actions: what an action costs more than the row's best one
    std::vector<std::int64_t> weight;  // of each row, its greatest regret
    std::vector<std::int64_t> count;   // how many rows of the table it stands for
    std::int64_t certain = 0;          // what every tree costs (equal rows: Angelino et al., JMLR 2018, section 3.14)

    int n_columns() const { return int(names.size()); }
    const Word* column(int j) const { return columns.data() + std::size_t(j) * stride; }
};

namespace detail {

// Whether two columns are disjoint or one lies within the other.
inline bool nested(const Word* a, const Word* b, int n) {
    Word both = 0, only_a = 0, only_b = 0;
    for (int w = 0; w < n;) {
        const int end = std::min(n, w + 8);
        for (; w < end; ++w) both |= a[w] & b[w], only_a |= a[w] & ~b[w], only_b |= b[w] & ~a[w];
        if (both && only_a && only_b) return false;
    }
    return true;
}

inline bool lies_within(const Word* a, const Word* b, int n) {
    for (int w = 0; w < n; ++w)
        if (a[w] & ~b[w]) return false;
    return true;
}

// Columns that may be the family of column j: greedily, the latest family that it is nested with.
inline std::vector<std::vector<int>> find_families(const CostRows& rows) {
    std::vector<std::vector<int>> families;
    for (int j = 0; j < rows.n_columns(); ++j) {
        std::size_t at = families.size();
        while (at > 0 && !std::all_of(families[at - 1].begin(), families[at - 1].end(), [&](int other) {
                   return nested(rows.column(j), rows.column(other), rows.stride);
               }))
            --at;
        if (at == 0) families.push_back({j});
        else families[at - 1].push_back(j);
    }
    return families;
}

}  // namespace detail

// Packs the columns of `data` anew, rows of greatest regret first. Its statistics: the sum of costs of every action,
// then the number of rows.
inline CostRows cost_rows(const BinaryDataset& data, int n_actions) {
    CostRows raw;
    raw.n_rows = data.n_rows;
    raw.n_actions = n_actions;
    raw.stride = words_for(data.n_rows);
    std::vector<std::int64_t> most(data.n_rows), least(data.n_rows);
    for (int r = 0; r < data.n_rows; ++r) {
        most[r] = least[r] = data.statistic(0, r);
        for (int a = 1; a < n_actions; ++a) {
            most[r] = std::max(most[r], data.statistic(a, r));
            least[r] = std::min(least[r], data.statistic(a, r));
        }
        raw.certain += least[r];
    }
    std::vector<int> order(data.n_rows);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return most[a] - least[a] > most[b] - least[b]; });
    for (int r : order) {
        raw.weight.push_back(most[r] - least[r]);
        raw.count.push_back(data.statistic(n_actions, r));
        for (int a = 0; a < n_actions; ++a) raw.regret.push_back(data.statistic(a, r) - least[r]);
    }
    std::vector<std::pair<std::uint64_t, int>> seen;  // hash of each kept column
    std::vector<Word> bits(raw.stride);
    for (int j = 0; j < data.n_columns; ++j) {
        const Word* from = data.column(j);
        std::int64_t ones = 0;
        for (int w = 0; w < raw.stride; ++w) {
            const int end = std::min(64, data.n_rows - 64 * w);
            Word word = 0;
            for (int b = 0; b < end; ++b) {
                const int r = order[64 * w + b];
                word |= ((from[r >> 6] >> (r & 63)) & 1) << b;
            }
            bits[w] = word;
            ones += std::popcount(word);
        }
        if (ones == 0 || ones == data.n_rows) continue;
        // of two halves the one without the first row, so that a column and its complement become equal
        const bool turn = 2 * ones > data.n_rows || (2 * ones == data.n_rows && (bits[0] & 1));
        for (int w = 0; turn && w < raw.stride; ++w) bits[w] = ~bits[w] & valid_bits(data.n_rows, w);
        Word hash = 7;
        for (Word w : bits) hash = (hash ^ w) * 0x9E3779B97F4A7C15ull, hash ^= hash >> 29;
        const bool known = std::any_of(seen.begin(), seen.end(), [&](const auto& other) {
            return other.first == hash && std::equal(bits.begin(), bits.end(), raw.column(other.second));
        });
        if (known) continue;
        seen.push_back({hash, raw.n_columns()});
        raw.columns.insert(raw.columns.end(), bits.begin(), bits.end());
        raw.names.push_back(j);
        raw.turned.push_back(turn);
    }
    if (raw.n_columns() > 65000)
        throw std::invalid_argument("more than 65,000 distinct columns; give the binarizer fewer cuts");

    CostRows out = raw;
    out.columns.clear(), out.names.clear(), out.turned.clear();
    const std::vector<std::vector<int>> families = detail::find_families(raw);
    for (std::size_t f = 0; f < families.size(); ++f) {
        std::vector<int> left = families[f];
        const auto size = [&](int j) {
            std::int64_t sum = 0;
            for (int w = 0; w < raw.stride; ++w) sum += std::popcount(raw.column(j)[w]);
            return sum;
        };
        std::vector<std::int64_t> sizes(raw.n_columns(), 0);
        for (int j : left) sizes[j] = size(j);
        std::stable_sort(left.begin(), left.end(), [&](int a, int b) { return sizes[a] > sizes[b]; });
        std::vector<int> around(left.size(), -1);  // the smallest one around each: the last one before it
        for (std::size_t k = 1; k < left.size(); ++k)
            for (std::size_t i = k; i-- > 0 && around[k] < 0;)
                if (detail::lies_within(raw.column(left[k]), raw.column(left[i]), raw.stride)) around[k] = int(i);
        // depth first, so that a chain stands side by side
        std::vector<std::pair<int, int>> stack;  // column of the family, its parent in the output
        for (std::size_t k = left.size(); k-- > 0;)
            if (around[k] < 0) stack.push_back({int(k), -1});
        while (!stack.empty()) {
            const auto [k, parent] = stack.back();
            stack.pop_back();
            const int here = out.n_columns(), j = left[k];
            out.columns.insert(out.columns.end(), raw.column(j), raw.column(j) + raw.stride);
            out.names.push_back(raw.names[j]);
            out.turned.push_back(raw.turned[j]);
            out.family.push_back(int(f));
            out.parent.push_back(parent);
            for (std::size_t i = left.size(); i-- > 0;)
                if (around[i] == k) stack.push_back({int(i), here});
        }
    }
    return out;
}

}  // namespace treeml
