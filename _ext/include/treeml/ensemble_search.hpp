// Ensembles of fewest cuts: levels from below, a method for each question "are so many cuts enough", and a certificate
// of what was refuted. The bound is valid whenever the search ends, since a level counts once it is refuted.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "treeml/error_families.hpp"
#include "treeml/error_search.hpp"
#include "treeml/example_dp.hpp"
#include "treeml/witness.hpp"

namespace treeml {

enum class EnsembleMethod { automatic, program, join, witness };

struct EnsembleQuery {
    int n_trees = 1;
    bool largest = false;          // count the cuts of the largest tree, not of all
    std::int64_t budget = 0;       // most weight of errors, where errors cost nothing
    std::int64_t error_cost = 0;   // of a unit of weight; 0: errors are limited by the budget instead
    std::int64_t cut_cost = 1;
    int most_cuts = 1 << 20;
    EnsembleMethod method = EnsembleMethod::automatic;
    std::int64_t memory = -1;      // bytes; -1: no limit
};

struct EnsembleResult {
    std::int64_t cost = 0, lower = 0;
    bool refuted = false;  // no ensemble of `most_cuts` keeps the budget
    std::vector<CutTree> trees;
    Stop stop = Stop::none;
    std::int64_t nodes = 0, replaced = 0;
    EnsembleMethod method = EnsembleMethod::automatic;
};

template <int W>
class EnsembleSearch {
  public:
    using Bits = RowBits<W>;

    EnsembleSearch(const CutData& data, const EnsembleQuery& query, Control& control)
        : query_(query), control_(control), rows_(data, control),
          sizes_(rows_, share(2, std::int64_t(1) << 30), control),
          families_(sizes_, share(16, std::int64_t(1) << 28), control),
          errors_(rows_, share(8, std::int64_t(1) << 29), control), witness_(rows_, query.n_trees, control) {
        out_.method = query.method == EnsembleMethod::automatic ? chosen() : query.method;
        if (query.n_trees != 3 && query.n_trees != 1 && out_.method != EnsembleMethod::witness)
            throw std::invalid_argument("only witness search takes more than three trees");
    }

    EnsembleResult run() {
        keep(start());
        try {
            if (query_.error_cost > 0) {
                least_cost();
            } else {
                fewest_cuts();
            }
        } catch (const SearchStopped&) {
            out_.stop = control_.reason();
        }
        out_.lower = std::min(out_.lower, out_.cost);
        control_.report(out_.cost, out_.lower);
        out_.nodes = sizes_.nodes(), out_.replaced = sizes_.replaced();
        return out_;
    }

  private:
    using Trees = std::vector<CutTree>;

    static constexpr int kFewRows = 14;  // the dynamic program takes a millisecond

    // Bytes for one of the tables: a part of what is left besides the reserve of Control.
    std::int64_t share(int part, std::int64_t most) const {
        if (query_.memory < 0) return most;
        const std::int64_t usable = std::max<std::int64_t>(0, query_.memory - (1 << 17)) / 9 * 8;
        return std::min(most, usable / part);
    }
    EnsembleMethod chosen() const {
        if (query_.n_trees == 1) return EnsembleMethod::join;
        if (query_.n_trees > 3) return EnsembleMethod::witness;
        return rows_.n <= kFewRows ? EnsembleMethod::program : EnsembleMethod::join;
    }

    // Levels from below until one is enough.
    void fewest_cuts() {
        int level = 0;
        if (query_.n_trees > 1 && query_.budget == 0) look_at_one_tree();
        if (query_.budget == 0) {
            level = query_.n_trees == 1 ? sizes_.lower(rows_.all) : sizes_.lower(rows_.all) > 0;
            if (out_.method == EnsembleMethod::witness && !query_.largest && rows_.n <= kMostPairs)
                level = std::max(level, witness_.pairs_apart());
        }
        for (;; ++level) {
            bound(level);
            if (level > query_.most_cuts) {
                out_.refuted = true;
                return;
            }
            if (level >= out_.cost) return;
            Trees trees;
            if (!decide(level, query_.budget, trees)) continue;
            keep(std::move(trees));
            return;
        }
    }
    // The smallest tree, where it is soon found: what is kept if the search is ended.
    void look_at_one_tree() {
        sizes_.allow(kLook);
        try {
            const int size = sizes_.optimum(rows_.all);
            sizes_.allow(-1);
            keep(filled(sizes_.build(rows_.all, size)));
        } catch (const typename SizeSearch<W>::NodesSpent&) {
            sizes_.allow(-1);
        }
    }
    // At every level the least errors that pay.
    void least_cost() {
        const int most = std::min(query_.most_cuts, rows_.n * query_.n_trees);  // more are never of use
        for (int level = query_.cut_cost > 0 ? 0 : most; level <= most; ++level) {
            const std::int64_t cuts = query_.cut_cost * level;
            bound(cuts);
            for (;;) {
                const std::int64_t left = out_.cost - 1 - cuts;
                if (left < 0) break;
                Trees trees;
                if (!decide(level, left / query_.error_cost, trees)) break;
                keep(std::move(trees));
            }
            if (out_.cost <= cuts) break;
        }
        bound(out_.cost);
    }
    void bound(std::int64_t lower) {
        out_.lower = std::max(out_.lower, lower);
        control_.report(out_.cost, std::min(out_.lower, out_.cost));
        sizes_.poll();
    }
    void keep(Trees trees) {
        const std::int64_t cost = price(trees);
        if (!out_.trees.empty() && cost >= out_.cost) return;
        out_.cost = cost;
        out_.trees = std::move(trees);
    }
    std::int64_t price(const Trees& trees) const {
        int all = 0, most = 0;
        for (const CutTree& tree : trees) all += n_cuts(tree), most = std::max(most, n_cuts(tree));
        const int level = query_.largest ? most : all;
        return query_.error_cost > 0 ? query_.error_cost * wrong(trees) + query_.cut_cost * level : level;
    }
    std::int64_t wrong(const Trees& trees) const {
        std::vector<int> votes(rows_.n, 0);
        for (const CutTree& tree : trees) {
            Bits right(rows_.n_words);
            mark(tree, 0, rows_.all, right);
            right.each([&](int e) { ++votes[e]; });
        }
        std::int64_t out = 0;
        for (int e = 0; e < rows_.n; ++e) out += 2 * votes[e] > query_.n_trees ? 0 : rows_.weight[e];
        return out;
    }
    void mark(const CutTree& tree, int at, const Bits& here, Bits& right) const {
        const CutNode& node = tree[at];
        if (node.column < 0) {
            right |= here & rows_.of_class[node.label];
            return;
        }
        const Bits& side = rows_.side_of(node.column);
        mark(tree, node.if_true, here & side, right);
        mark(tree, node.if_false, here - side, right);
    }

    // Whether `level` cuts are enough for errors of at most `budget`.
    bool decide(int level, std::int64_t budget, Trees& out) {
        const bool few = rows_.n_classes == 2 && !query_.largest && level <= 2;  // as good as one tree
        if (budget > 0 && (query_.n_trees == 1 || few)) {
            const std::int64_t errors = errors_.least(rows_.all, level, budget);
            if (errors > budget) return false;
            out = filled(errors_.build(rows_.all, level, errors));
            return true;
        }
        if (query_.n_trees > 1 && out_.method == EnsembleMethod::witness) {
            const int each = query_.largest ? level : rows_.n;
            return witness_.solve(query_.largest ? level * query_.n_trees : level, each, budget, out);
        }
        if (level != core_level_) cores_.clear(), core_level_ = level;
        return give_up(rows_.all, level, budget, Bits(rows_.n_words), out);
    }

    // Examples that may be wrong are given up until the rest is right. A set that takes more cuts loses one of its
    // examples; small such sets are kept.
    bool give_up(const Bits& A, int level, std::int64_t budget, Bits kept, Trees& out) {
        Bits core(rows_.n_words);
        if (!known_core(A, kept, budget, core)) {
            if (all_right(A, level, &out)) return true;
            if (budget == 0) return false;
            core = shrunk(A, level);
            cores_.push_back(core);
        }
        Bits open = core - kept;
        while (open.any()) {
            const int e = open.first();
            open.reset(e);
            if (rows_.weight[e] > budget) continue;
            Bits rest = A;
            rest.reset(e);
            if (give_up(rest, level, budget - rows_.weight[e], kept, out)) return true;
            kept.set(e);
        }
        return false;
    }
    // The known core within A that leaves the fewest choices.
    bool known_core(const Bits& A, const Bits& kept, std::int64_t budget, Bits& best) const {
        int fewest = -1;
        for (const Bits& core : cores_) {
            if (!core.within(A)) continue;
            int choices = 0;
            (core - kept).each([&](int e) { choices += rows_.weight[e] <= budget; });
            if (fewest < 0 || choices < fewest) fewest = choices, best = core;
        }
        return fewest >= 0;
    }
    Bits shrunk(Bits core, int level) {
        for (int e = 0; e < rows_.n; ++e) {
            if (!core.test(e)) continue;
            core.reset(e);
            if (all_right(core, level, nullptr)) core.set(e);
        }
        return core;
    }

    // Whether `level` cuts are enough to be right on all of A.
    bool all_right(const Bits& A, int level, Trees* out) {
        if (query_.n_trees == 1 && out_.method != EnsembleMethod::program) {
            if (!sizes_.solve(A, level)) return false;
            if (out) *out = {sizes_.build(A, level)};
            return true;
        }
        if (out_.method == EnsembleMethod::program) return by_program(A, level, out);
        if (rows_.n_classes == 2 && sizes_.solve(A, level)) {
            if (out) *out = filled(sizes_.build(A, level));
            return true;
        }
        typename ErrorFamilies<W>::Join join{Bits(rows_.n_words), Bits(rows_.n_words), {}};
        const bool found = query_.largest ? families_.within_each(A, level, join) : families_.within_total(A, level, join);
        if (found && out)
            *out = {sizes_.build(join.second | join.third, join.cuts[0]), sizes_.build(A - join.second, join.cuts[1]),
                    sizes_.build(A - join.third, join.cuts[2])};
        return found;
    }
    bool by_program(const Bits& A, int level, Trees* out) {
        if (!program_) program_ = std::make_unique<ExampleProgram>(rows_, control_);
        const auto set = rows_.n ? static_cast<ExampleProgram::Set>(A.word[0]) : 0;
        if (query_.n_trees == 1) {
            if (program_->single(set) > level) return false;
            if (out) *out = {sizes_.build(A, level)};
            return true;
        }
        auto known = triples_.find(set);
        if (known == triples_.end()) known = triples_.emplace(set, program_->triple(set, query_.largest)).first;
        const ExampleProgram::Join& join = known->second;
        if (join.cost > level) return false;
        if (out) {
            const Bits second = bits(join.second), third = bits(join.third);
            *out = {sizes_.build(second | third, join.cuts[0]), sizes_.build(A - second, join.cuts[1]),
                    sizes_.build(A - third, join.cuts[2])};
        }
        return true;
    }
    Bits bits(ExampleProgram::Set set) const {
        Bits out(rows_.n_words);
        for (int e = 0; e < rows_.n; ++e)
            if (set >> e & 1) out.set(e);
        return out;
    }

    // One tree becomes an ensemble with the same majority.
    Trees filled(const CutTree& tree) const {
        Trees out{tree};
        const bool constants = rows_.n_classes <= 2;
        for (int j = 1; j < query_.n_trees; ++j)
            out.push_back(!constants && j <= query_.n_trees / 2 ? tree : leaf_tree(std::min(j & 1, rows_.n_classes - 1)));
        return out;
    }
    // What is known before the search: the best class alone where errors have a cost, else a tree grown greedily.
    Trees start() const { return filled(query_.error_cost > 0 ? leaf_tree(heaviest(rows_.all)) : greedy(rows_.all)); }
    int heaviest(const Bits& A) const {
        int best = 0;
        std::int64_t most = -1;
        for (int c = 0; c < rows_.n_classes; ++c)
            if (const std::int64_t own = rows_.weigh(A & rows_.of_class[c]); own > most) most = own, best = c;
        return best;
    }
    CutTree greedy(const Bits& A) const {
        if (rows_.pure(A)) return leaf_tree(A.any() ? rows_.label[A.first()] : 0);
        double best = -1;
        int column = -1;
        for (const auto& chain : rows_.chains)
            for (std::size_t c = 0; c < chain.right.size(); ++c) {
                const Bits right = A & chain.right[c];
                const int size = right.count(), all = A.count();
                if (size == 0 || size == all) continue;
                double score = 0;
                for (const Bits& of_class : rows_.of_class) {
                    const double own = (right & of_class).count(), left = (A & of_class).count() - own;
                    score += own * own / size + left * left / (all - size);
                }
                if (score > best) best = score, column = chain.column[c];
            }
        if (column < 0) return leaf_tree(heaviest(A));
        const Bits right = A & rows_.side_of(column);
        return join_trees(column, greedy(right), greedy(A - right));
    }

    static constexpr int kMostPairs = 200, kLook = 2000;

    EnsembleQuery query_;
    Control& control_;
    CutRows<W> rows_;
    SizeSearch<W> sizes_;
    ErrorFamilies<W> families_;
    ErrorSearch<W> errors_;
    WitnessSearch<W> witness_;
    std::unique_ptr<ExampleProgram> program_;
    std::unordered_map<ExampleProgram::Set, ExampleProgram::Join> triples_;
    std::vector<Bits> cores_;
    int core_level_ = -1;
    EnsembleResult out_;
};

inline EnsembleResult search_ensemble(const CutData& data, const EnsembleQuery& query, Control& control) {
    switch (data.n_words) {
        case 0:
        case 1: return EnsembleSearch<1>(data, query, control).run();
        case 2: return EnsembleSearch<2>(data, query, control).run();
        case 3:
        case 4: return EnsembleSearch<4>(data, query, control).run();
        default: return EnsembleSearch<0>(data, query, control).run();
    }
}

}  // namespace treeml
