// What Python calls: a search that finds optima and makes sets, with the narrowest counts that hold every sum.
#pragma once

#include "treeml/departures.hpp"
#include "treeml/leaf_vectors.hpp"
#include "treeml/members.hpp"
#include "treeml/nearest.hpp"
#include "treeml/probabilities.hpp"
#include "treeml/ranges.hpp"
#include "treeml/uses.hpp"
#include "treeml/votes.hpp"

namespace treeml {

// Scores of the members of a set, which it must not outlive; see ranges.hpp.
class ScoreRanges {
  public:
    virtual ~ScoreRanges() = default;
    virtual bool find(const std::vector<Score>& scores, Control& control) = 0;
    virtual Score greatest(Cost cost, int slice) = 0;
    virtual MemberTree attaining(Cost cost, int slice) = 0;
};

template <class T, class LeafSums>
class ScoreRangesOf final : public ScoreRanges {
  public:
    ScoreRangesOf(RashomonGraph<T>& graph, LeafSums sums) : ranges_(graph, std::move(sums)) {}
    bool find(const std::vector<Score>& scores, Control& control) override { return ranges_.find(scores, control); }
    Score greatest(Cost cost, int slice) override { return ranges_.greatest(cost, slice); }
    MemberTree attaining(Cost cost, int slice) override { return ranges_.attaining(cost, slice); }

  private:
    Ranges<T, LeafSums> ranges_;
};

// One set; it must not outlive its search, nor be used beside another set of the same search.
class RashomonSet {
  public:
    virtual ~RashomonSet() = default;
    virtual bool count(Control& control) = 0;
    virtual RashomonCounters counters() const = 0;
    virtual bool is_empty() const = 0;
    virtual Cost least() const = 0;
    virtual HistogramView histogram() const = 0;  // of a set that is not empty
    virtual int n_slices() const = 0;
    // The member of a rank among those of one cost in one slice.
    virtual MemberTree select(Cost cost, int slice, const std::vector<Limb>& rank) = 0;
    // The other way round; false where the tree is not a member.
    virtual bool rank(const MemberTree& tree, Cost& cost, int& slice, std::vector<Limb>& rank) = 0;
    // For every label but the first and every traced row: members of the slices that give it, modulo 2^64 or
    // `modulus`. False if a limit ended it.
    virtual bool votes(const std::vector<std::uint8_t>& slices, Limb modulus, Control& control, std::vector<Limb>& out) = 0;
    // Members that use each feature, modulo 2^64 or `modulus`; see uses.hpp. Only where there is one slice and
    // trivial splits count. False if a limit ended it.
    virtual bool uses(const std::vector<std::int32_t>& features, int n_features, Limb modulus, Control& control,
                      std::vector<Limb>& out) = 0;
    virtual std::unique_ptr<ScoreRanges> ranges() = 0;
    virtual std::unique_ptr<ScoreRanges> departures(const Departure& departure) = 0;
    // The least and greatest shares of the classes in the leaves of a row; see probabilities.hpp.
    virtual bool probabilities(const std::vector<Score>& numbers, bool has_rows, const std::vector<std::uint8_t>& slices,
                               Control& control, ProbabilityRanges& out) = 0;
    // The different probability vectors in the leaves of the rows; see leaf_vectors.hpp.
    virtual bool vectors(const std::vector<Score>& numbers, bool has_rows, const std::vector<std::uint8_t>& slices,
                         Control& control, LeafVectors& out) = 0;
    // The member whose score is nearest to 0; see nearest.hpp.
    virtual bool nearest(const std::vector<Score>& scores, const std::vector<std::uint8_t>& slices, Score goal,
                         std::int64_t steps, Control& control, NearestMember& out) = 0;
};

class RashomonSearch {
  public:
    virtual ~RashomonSearch() = default;
    virtual OptimalTreeResult optimum(int max_depth, Control& control) = 0;
    virtual std::unique_ptr<RashomonSet> make(RashomonQuery query, Cost optimum) = 0;
};

template <class T>
class RashomonSetOf final : public RashomonSet {
  public:
    RashomonSetOf(OptimalTreeSearch<T>& search, RashomonQuery query, Cost optimum)
        : search_(search), graph_(search, std::move(query), optimum) {}

    bool count(Control& control) override {
        search_.follow(control, 1);
        return graph_.count(control);
    }
    RashomonCounters counters() const override { return graph_.counters(); }
    bool is_empty() const override { return graph_.is_empty(); }
    Cost least() const override { return graph_.least(); }
    HistogramView histogram() const override { return graph_.histogram(); }
    int n_slices() const override { return graph_.n_slices(); }
    MemberTree select(Cost cost, int slice, const std::vector<Limb>& rank) override {
        return Members<T>(graph_).select(cost, slice, Number(rank.data(), int(rank.size())));
    }
    bool rank(const MemberTree& tree, Cost& cost, int& slice, std::vector<Limb>& rank) override {
        const auto found = Members<T>(graph_).rank(tree, cost, slice);
        if (found) rank = found->limbs();
        return found.has_value();
    }

    bool votes(const std::vector<std::uint8_t>& slices, Limb modulus, Control& control, std::vector<Limb>& out) override {
        return Votes<T>(graph_, Ring{modulus}).count(slices, control, out);
    }
    bool uses(const std::vector<std::int32_t>& features, int n_features, Limb modulus, Control& control,
              std::vector<Limb>& out) override {
        return Uses<T>(graph_, Ring{modulus}, features, n_features).count(control, out);
    }
    std::unique_ptr<ScoreRanges> ranges() override {
        return std::make_unique<ScoreRangesOf<T, PairSums<T>>>(graph_, PairSums<T>(graph_));
    }
    std::unique_ptr<ScoreRanges> departures(const Departure& departure) override {
        return std::make_unique<ScoreRangesOf<T, Departures<T>>>(graph_, Departures<T>(graph_, departure));
    }
    bool probabilities(const std::vector<Score>& numbers, bool has_rows, const std::vector<std::uint8_t>& slices,
                       Control& control, ProbabilityRanges& out) override {
        const LeafShares shares(graph_.objective().n_classes, has_rows);
        return Probabilities<T>(graph_, shares).find(numbers, slices, control, out);
    }
    bool vectors(const std::vector<Score>& numbers, bool has_rows, const std::vector<std::uint8_t>& slices,
                 Control& control, LeafVectors& out) override {
        const LeafShares shares(graph_.objective().n_classes, has_rows);
        return VectorsOf<T>(graph_, shares).find(numbers, slices, control, out);
    }
    bool nearest(const std::vector<Score>& scores, const std::vector<std::uint8_t>& slices, Score goal,
                 std::int64_t steps, Control& control, NearestMember& out) override {
        return Nearest<T>(graph_).find(scores, slices, goal, steps, control, out);
    }

  private:
    OptimalTreeSearch<T>& search_;
    RashomonGraph<T> graph_;
};

template <class T>
class RashomonSearchOf final : public RashomonSearch {
  public:
    RashomonSearchOf(GroupedRows rows, const Misclassification& objective)
        : search_(std::move(rows), objective, BoundSwitches{}, false) {}

    OptimalTreeResult optimum(int max_depth, Control& control) override {
        return search_.run({max_depth, std::numeric_limits<int>::max()}, 0.0, 1, control);
    }
    std::unique_ptr<RashomonSet> make(RashomonQuery query, Cost optimum) override {
        return std::make_unique<RashomonSetOf<T>>(search_, std::move(query), optimum);
    }

  private:
    OptimalTreeSearch<T> search_;
};

// Rows that no class is left of (see Residual) only say whether a leaf is empty: a count of their own.
inline std::unique_ptr<RashomonSearch> make_rashomon_search(const BinaryDataset& data, Misclassification objective,
                                                            std::span<const std::uint8_t> traced) {
    const Residual residual(data, objective, true);
    std::vector<std::int64_t> statistics(data.statistics.begin(), data.statistics.end());
    bool any = false;
    for (int r = 0; r < data.n_rows && !objective.limits_leaves(); ++r) {
        std::int64_t left = 0;
        for (int c = 0; c < objective.n_classes; ++c) left += residual(c, r);
        const bool tie = !left && data.statistic(objective.n_classes, r);
        statistics[std::size_t(objective.n_classes) * data.n_rows + r] = tie;
        any |= tie;
    }
    objective.counts_rows = any;
    GroupedRows rows = group_rows({data.n_rows, data.n_columns, data.n_words, data.columns, statistics}, objective, true, traced);
    std::int64_t total = 0;
    for (std::size_t g = 0; g < rows.groups.size(); ++g) total += rows.rows[g] * rows.groups[g].weight;
    if (total < 0x7fff) return std::make_unique<RashomonSearchOf<std::uint16_t>>(std::move(rows), objective);
    if (total < 0x7fffffff) return std::make_unique<RashomonSearchOf<std::uint32_t>>(std::move(rows), objective);
    throw std::overflow_error("the weights of the rows add up to more than 2^31; give weights with a smaller common unit");
}

}  // namespace treeml
