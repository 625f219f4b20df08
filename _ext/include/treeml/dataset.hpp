// What a search reads: packed 0/1 columns over distinct rows, and additive statistics of every row.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "treeml/depth_two.hpp"

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
    std::int64_t certain = 0;        // errors that every tree makes
    int n_columns = 0;
    int stride() const { return offset.back(); }
};

// Errors that each class of a stored row stands for, less those that every answer makes: a leaf errs on
// all classes of the row but one, so the least of the classes is an error wherever the row ends, and for
// two classes only their difference is left (equivalent points: Angelino et al., JMLR 2018, section 3.14).
class Residual {
  public:
    Residual(const BinaryDataset& data, const Misclassification& objective, bool reduce)
        : data_(data), objective_(objective), least_(data.n_rows, 0) {
        if (!reduce || objective.n_classes < 2) return;
        for (int r = 0; r < data.n_rows; ++r) {
            std::int64_t least = weight(0, r);
            for (int c = 1; c < objective.n_classes && least; ++c) least = std::min(least, weight(c, r));
            least_[r] = least;
            certain += least * (objective.n_classes - 1);
        }
    }
    std::int64_t operator()(int s, int r) const { return s < objective_.n_classes ? weight(s, r) - least_[r] : data_.statistic(s, r); }

    std::int64_t certain = 0;

  private:
    std::int64_t weight(int c, int r) const { return data_.statistic(c, r) * objective_.class_weight[c]; }

    const BinaryDataset& data_;
    const Misclassification& objective_;
    std::vector<std::int64_t> least_;
};

// Rows of one group: a row stands in as many layers as its digit says.
struct Layers {
    Group group;
    std::vector<std::vector<Word>> masks;  // over the stored rows
};

// Values (one per stored row) as digits in base 2^bits, every digit unary: group weight << (bits k).
inline void add_layers(int of, std::int64_t unit, const std::vector<std::int64_t>& values, int bits,
                       std::vector<Layers>& out) {
    const std::int64_t base = std::int64_t(1) << bits;
    std::int64_t most = 0;
    for (std::int64_t v : values) most = std::max(most, v);
    for (int shift = 0; shift < 63 && most >> shift; shift += bits) {
        Layers layers{{of, unit << shift}, {}};
        for (std::size_t r = 0; r < values.size(); ++r) {
            const std::int64_t digit = (values[r] >> shift) & (base - 1);
            while (std::int64_t(layers.masks.size()) < digit)
                layers.masks.emplace_back(words_for(std::int64_t(values.size())), 0);
            for (std::int64_t k = 0; k < digit; ++k) layers.masks[k][r >> 6] |= Word(1) << (r & 63);
        }
        if (!layers.masks.empty()) out.push_back(std::move(layers));
    }
}

// The base whose groups take the fewest words: unary where weights are small, binary where they are large.
inline int choose_bits(const std::vector<std::int64_t>& values) {
    int best = 1;
    std::int64_t least = -1;
    for (int bits = 1; bits <= 6; ++bits) {
        std::vector<std::int64_t> rows(63 / bits + 1, 0);
        for (std::int64_t v : values)
            for (int k = 0; v; ++k, v >>= bits) rows[k] += v & ((std::int64_t(1) << bits) - 1);
        std::int64_t chunks = 0;
        for (std::int64_t n : rows) chunks += n ? n / 16 + 3 : 0;
        if (least < 0 || chunks < least) least = chunks, best = bits;
    }
    return best;
}

// `traced`: rows that get a bit each in a last group of weight 0, so that a search can say where they end.
inline GroupedRows group_rows(const BinaryDataset& data, const Misclassification& objective, bool reduce,
                              std::span<const std::uint8_t> traced = {}) {
    GroupedRows out;
    out.n_columns = data.n_columns;
    for (std::int64_t value : data.statistics)
        if (value < 0) throw std::invalid_argument("a statistic is negative");
    const Residual residual(data, objective, reduce);
    out.certain = residual.certain;
    std::vector<Layers> groups;
    std::vector<std::int64_t> whole(data.n_rows), rest(data.n_rows);
    for (int s = 0; s < objective.n_counts(); ++s) {
        const std::int64_t unit = s < objective.n_classes ? std::max<std::int64_t>(1, objective.class_weight[s]) : 1;
        for (int r = 0; r < data.n_rows; ++r) {
            const std::int64_t value = residual(s, r);
            whole[r] = value / unit;
            rest[r] = value % unit;
        }
        add_layers(s, unit, whole, choose_bits(whole), groups);
        if (unit > 1) add_layers(s, 1, rest, choose_bits(rest), groups);
    }
    if (!traced.empty()) {
        std::vector<Word> mask(words_for(data.n_rows), 0);
        for (int r = 0; r < data.n_rows; ++r) mask[r >> 6] |= Word(traced[r] != 0) << (r & 63);
        groups.push_back({{0, 0}, {std::move(mask)}});
    }
    out.offset.push_back(0);
    Cut cut;
    const Kernels<std::uint16_t> kernels = kernels_for<std::uint16_t>(choose_isa());
    for (const Layers& layers : groups) {
        std::int64_t at = 0;
        for (const std::vector<Word>& mask : layers.masks)
            at = add_group(kernels, mask.data(), 0, data.n_rows, true, int(out.groups.size()), out.offset.back(), at, cut);
        out.groups.push_back(layers.group);
        out.rows.push_back(at);
        out.offset.push_back(out.offset.back() + words_for(at));
    }
    out.columns.assign(std::size_t(data.n_columns) * out.stride() + 1, 0);
    kernels.project_words(data.columns.data(), data.n_columns, data.n_words, cut.pieces.data(), cut.moves.data(),
                          cut.size(), out.columns.data(), out.stride());
    return out;
}

}  // namespace treeml
