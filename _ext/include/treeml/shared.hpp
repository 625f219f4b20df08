// What the threads of a search share: the rows, the cache, what ends it.
#pragma once

#include <atomic>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "treeml/bounds.hpp"
#include "treeml/cache.hpp"
#include "treeml/node.hpp"

namespace treeml {

// Where a column of the data is among the distinct columns of the root.
struct Place {
    int column;   // -1: constant
    bool turned;  // as its complement
};

// What the threads of a search share, however the rows are held.
template <class T>
struct SharedState {
    Frame<T> frame;
    std::vector<Word> columns;  // of the root, distinct ones
    int stride = 0;
    BoundSwitches bounds;
    Cost certain = 0;           // cost of the errors that every tree makes
    std::unique_ptr<Cache> cache;
    Busy busy;
    bool several = false;             // threads
    std::atomic<bool> done{false};    // one thread has the answer
    std::atomic<std::int64_t> pause{std::numeric_limits<std::int64_t>::max()};  // runs of the kernel after which the search is to be interrupted
    std::atomic<std::int64_t> work{0};
    Control* control = nullptr;

    const Misclassification& objective() const { return frame.objective; }
};

template <class T>
struct Shared : SharedState<T> {
    using SharedState<T>::frame, SharedState<T>::columns, SharedState<T>::stride, SharedState<T>::certain;

    // Takes the rows in: the frame, and `root` with its distinct columns. Returns which column of the data
    // each of them is, and in `places` which of them every column of the data is.
    std::vector<int> load(GroupedRows rows, const Misclassification& of, Node<T>& root, std::vector<Place>* places = nullptr) {
        certain = of.unit * rows.certain;
        frame.objective = of;
        frame.kernels = kernels_for<T>(choose_isa());
        frame.two_classes = of.n_classes == 2;
        std::int64_t total = 0;
        for (std::size_t g = 0; g < rows.groups.size(); ++g) total += rows.rows[g] * rows.groups[g].weight;
        frame.unit_weights = std::all_of(rows.groups.begin(), rows.groups.end(), [](const Group& g) { return g.weight == 1; });
        frame.fits_signed = total <= std::int64_t(std::numeric_limits<std::make_signed_t<T>>::max());
        frame.groups = rows.groups;
        frame.first_group.assign(of.n_counts() + 1, 0);
        for (const Group& group : rows.groups) {
            frame.weight.push_back(group.weight);
            frame.count_of.push_back(group.of);
            frame.first_group[group.of + 1] += group.weight > 0;  // traced rows come last and are not counted
        }
        std::partial_sum(frame.first_group.begin(), frame.first_group.end(), frame.first_group.begin());
        frame.first_word = rows.offset;
        root.n_columns = rows.n_columns;
        root.rows = rows.rows;
        root.lay_out(frame);
        stride = root.stride();
        std::copy(rows.columns.begin(), rows.columns.end(), root.words.reserve(rows.columns.size() + 1));
        root.id.resize(root.n_columns);
        std::iota(root.id.begin(), root.id.end(), 0);
        std::vector<bool> bits;  // of some row
        const auto first = std::find_if(root.rows.begin(), root.rows.end(), [](std::int64_t n) { return n > 0; });
        for (int j = 0; j < root.n_columns && first != root.rows.end(); ++j)
            bits.push_back(root.column(j)[root.offset[first - root.rows.begin()]] & 1);
        Projector<T> projector(frame);
        projector.keep_distinct_columns(root);
        const std::vector<int> names = root.id;
        for (int j = 0; places && j < rows.n_columns; ++j) {
            const int at = projector.stands_for(j);
            places->push_back({at, at >= 0 && bits[j] != bits[names[at]]});
        }
        std::iota(root.id.begin(), root.id.end(), 0);
        root.place = root.id;
        columns.assign(root.words.data(), root.words.data() + std::size_t(root.n_columns) * stride);
        std::vector<Word> all(stride);
        for (int g = 0; g < frame.n_groups(); ++g)
            for (int w = root.offset[g]; w < root.offset[g + 1]; ++w) all[w] = valid_bits(root.rows[g], w - root.offset[g]);
        root.set_row_set(all);
        return names;
    }
};

}  // namespace treeml
