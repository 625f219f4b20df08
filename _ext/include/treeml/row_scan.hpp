// Accumulators that take rows one by one, for what no cell of fixed size can hold: the absolute error (it needs the
// order of the targets) and impurities over many classes (a row changes one count, so the cost of a scan does not
// grow with the number of classes).
//
// A scan goes over the rows of a node in the order of a column's codes, from the left and then from the right; at
// every change of the code both sides' costs are known.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "treeml/class_counts.hpp"
#include "treeml/split.hpp"

namespace treeml {

// One side of a split: rows are added, then the cost of a leaf with them is asked for.
class Side {
  public:
    virtual ~Side() = default;
    virtual void add(Row row) = 0;
    virtual void clear() = 0;
    virtual double cost() const = 0;
    virtual double weight() const = 0;
    virtual double value() const = 0;
};

// Rows of a node, those of column code `codes[i]` at i; missing values are the last ones.
struct OrderedRows {
    const CodeColumn* column;
    int index;
    const Row* rows;
    const RowCode* codes;
    std::int64_t n, n_known;
    ValueBounds bounds;
};

class RowScan {
  public:
    virtual ~RowScan() = default;
    // A new node: what all of its columns share.
    virtual void enter(RowRange rows) = 0;
    virtual std::unique_ptr<Side> side() const = 0;
    virtual double value(RowRange rows) const = 0;
    virtual bool pure(RowRange rows) const = 0;
    // What levels of a category are ordered by, one number for each order to try; `level` is the code.
    virtual void level_keys(const OrderedRows& ordered, std::vector<std::vector<double>>& keys) const = 0;
};

// Many classes: counts in one array per thread, updated in O(1) a row.
class ManyClasses final : public RowScan {
  public:
    ManyClasses(const std::int32_t* y, const std::int64_t* weights, const std::vector<double>& class_unit, Impurity impurity)
        : y_(y), weights_(weights), class_unit_(class_unit), impurity_(impurity) {}

    void enter(RowRange range) override {
        double total = 0;
        for (std::int64_t i = range.begin; i < range.end; ++i) total += weight(range[i]);
        const double most = impurity_ == Impurity::gini ? total * total : total * std::log(total + 2);
        grid_ = std::ldexp(1.0, kGridBits - std::ilogb(std::max(most, 1e-300)));
        mass_grid_ = std::ldexp(1.0, kGridBits - std::ilogb(std::max(total, 1e-300)));
    }
    std::unique_ptr<Side> side() const override { return std::make_unique<Counts>(*this); }
    double value(RowRange) const override { return 0; }
    bool pure(RowRange range) const override {
        for (std::int64_t i = range.begin + 1; i < range.end; ++i)
            if (y_[range[i]] != y_[range[range.begin]]) return false;
        return true;
    }

    // The shares of the most frequent classes of the node, each with the node's share as a prior.
    void level_keys(const OrderedRows& ordered, std::vector<std::vector<double>>& keys) const override {
        std::vector<double> totals(class_unit_.size(), 0.0), of_level(ordered.column->n_codes, 0.0);
        double all = 0;
        for (std::int64_t i = 0; i < ordered.n_known; ++i) {
            const double w = weight(ordered.rows[i]);
            totals[y_[ordered.rows[i]]] += w;
            of_level[ordered.codes[i]] += w;
            all += w;
        }
        std::vector<int> classes(totals.size());
        for (std::size_t k = 0; k < classes.size(); ++k) classes[k] = static_cast<int>(k);
        const std::size_t tried = std::min<std::size_t>(kOrders, classes.size());
        std::partial_sort(classes.begin(), classes.begin() + tried, classes.end(), [&](int a, int b) {
            return totals[a] != totals[b] ? totals[a] > totals[b] : a < b;
        });
        const double more = kPriorRows * all / double(std::max<std::int64_t>(1, ordered.n_known));
        for (std::size_t at = 0; at < tried && totals[classes[at]] > 0; ++at) {
            const int k = classes[at];
            std::vector<double> key(ordered.column->n_codes, 0.0);
            for (std::int64_t i = 0; i < ordered.n_known; ++i)
                if (y_[ordered.rows[i]] == k) key[ordered.codes[i]] += weight(ordered.rows[i]);
            for (std::size_t level = 0; level < key.size(); ++level)
                key[level] = (key[level] + more * totals[k] / all) / (of_level[level] + more);
            keys.push_back(std::move(key));
        }
    }

  private:
    static constexpr int kGridBits = 54;
    static constexpr std::size_t kOrders = 8;
    static constexpr double kPriorRows = 10;

    double weight(Row row) const {
        return (weights_ ? double(weights_[row]) : 1.0) * class_unit_[y_[row]];
    }

    // Sums of whole numbers on a grid of the node, so that they do not depend on the order of the rows.
    class Counts final : public Side {
      public:
        explicit Counts(const ManyClasses& of) : of_(of), counts_(of.class_unit_.size(), 0) {}
        void add(Row row) override {
            const int k = of_.y_[row];
            std::int64_t& count = counts_[k];
            if (count == 0) used_.push_back(k);
            const std::int64_t more = of_.weights_ ? of_.weights_[row] : 1;
            sum_ -= piece(k, count);
            count += more;
            sum_ += piece(k, count);
            total_ += std::llrint(double(more) * of_.class_unit_[k] * of_.mass_grid_);
        }
        void clear() override {
            for (const int k : used_) counts_[k] = 0;
            used_.clear();
            sum_ = total_ = 0;
        }
        double cost() const override {
            const double total = weight();
            if (total <= 0) return 0;
            const double sum = double(sum_) / of_.grid_;
            return of_.impurity_ == Impurity::gini ? total - sum / total : total * std::log(total) - sum;
        }
        double weight() const override { return double(total_) / of_.mass_grid_; }
        double value() const override { return 0; }

      private:
        std::int64_t piece(int k, std::int64_t count) const {
            const double c = double(count) * of_.class_unit_[k];
            if (c <= 0) return 0;
            return std::llrint((of_.impurity_ == Impurity::gini ? c * c : c * std::log(c)) * of_.grid_);
        }
        const ManyClasses& of_;
        std::vector<std::int64_t> counts_;
        std::vector<int> used_;
        std::int64_t sum_ = 0, total_ = 0;
    };

    const std::int32_t* y_;
    const std::int64_t* weights_;
    std::vector<double> class_unit_;
    Impurity impurity_;
    double grid_ = 1, mass_grid_ = 1;
};

// Absolute error: the weighted median of each side, from sums by rank in a binary indexed tree.
class AbsoluteError final : public RowScan {
  public:
    AbsoluteError(const double* y, const double* weights, std::int64_t n_rows) : y_(y), weights_(weights), rank_(n_rows) {}

    void enter(RowRange range) override {
        order_.resize(range.end - range.begin);
        for (std::int64_t i = range.begin; i < range.end; ++i) order_[i - range.begin] = range[i];
        std::sort(order_.begin(), order_.end(), [this](Row a, Row b) { return y_[a] != y_[b] ? y_[a] < y_[b] : a < b; });
        distinct_.clear();
        for (const Row row : order_) {
            if (distinct_.empty() || distinct_.back() != y_[row]) distinct_.push_back(y_[row]);
            rank_[row] = static_cast<Row>(distinct_.size());  // from 1
        }
    }

    std::unique_ptr<Side> side() const override { return std::make_unique<Median>(*this); }
    double value(RowRange range) const override {
        Median median(*this);
        for (std::int64_t i = range.begin; i < range.end; ++i) median.add(range[i]);
        return median.value();
    }
    bool pure(RowRange range) const override {
        for (std::int64_t i = range.begin + 1; i < range.end; ++i)
            if (y_[range[i]] != y_[range[range.begin]]) return false;
        return true;
    }

    // By the mean target: medians of small levels jump.
    void level_keys(const OrderedRows& ordered, std::vector<std::vector<double>>& keys) const override {
        std::vector<double> sum(ordered.column->n_codes, 0.0), mass(sum);
        for (std::int64_t i = 0; i < ordered.n_known; ++i) {
            const double w = weight(ordered.rows[i]);
            sum[ordered.codes[i]] += w * y_[ordered.rows[i]];
            mass[ordered.codes[i]] += w;
        }
        for (std::size_t level = 0; level < sum.size(); ++level) sum[level] /= mass[level] > 0 ? mass[level] : 1;
        keys.push_back(std::move(sum));
    }

  private:
    double weight(Row row) const { return weights_ ? weights_[row] : 1.0; }

    class Median final : public Side {
      public:
        explicit Median(const AbsoluteError& of) : of_(of) { clear(); }
        void clear() override {
            mass_.assign(of_.distinct_.size() + 1, 0.0);
            first_.assign(of_.distinct_.size() + 1, 0.0);
            total_ = sum_ = 0;
            top_ = 1;
            while (top_ * 2 < mass_.size()) top_ *= 2;
        }
        void add(Row row) override {
            const double w = of_.weight(row), wy = w * of_.y_[row];
            total_ += w;
            sum_ += wy;
            for (std::size_t i = of_.rank_[row]; i < mass_.size(); i += i & (~i + 1)) {
                mass_[i] += w;
                first_[i] += wy;
            }
        }
        double cost() const override {
            double below = 0, sum = 0;
            const double m = middle(below, sum);
            return m * below - sum + (sum_ - sum) - m * (total_ - below);
        }
        double weight() const override { return total_; }
        double value() const override {
            double below = 0, sum = 0;
            return middle(below, sum);
        }

      private:
        // The lowest value with half of the weight at or below it; weight and sum of the values below it.
        double middle(double& below, double& sum) const {
            std::size_t at = 0;
            for (std::size_t step = top_; step; step /= 2)
                if (at + step < mass_.size() && below + mass_[at + step] < total_ / 2) {
                    at += step;
                    below += mass_[at];
                    sum += first_[at];
                }
            return of_.distinct_[std::min(at, of_.distinct_.size() - 1)];
        }

        const AbsoluteError& of_;
        std::vector<double> mass_, first_;
        double total_ = 0, sum_ = 0;
        std::size_t top_ = 1;
    };

    const double *y_, *weights_;
    std::vector<Row> rank_, order_;
    std::vector<double> distinct_;
};

// The best split of one column by a scan from both ends.
class RowScanner {
  public:
    RowScanner(const RowScan& scan, LeafLimits limits) : limits_(limits), side_(scan.side()), scan_(scan) {}

    // Of a leaf with these rows.
    double cost(RowRange rows) {
        side_->clear();
        for (std::int64_t i = rows.begin; i < rows.end; ++i) side_->add(rows[i]);
        return side_->cost();
    }

    void run(const OrderedRows& ordered, double whole, Split& best) {
        if (!ordered.column->category) {
            run_in_order(ordered, ordered.codes, whole, best);
            return;
        }
        std::vector<std::vector<double>> orders;
        scan_.level_keys(ordered, orders);
        for (const std::vector<double>& key : orders) run_category(ordered, key, whole, best);
    }

  private:
    struct End {
        double cost, value, weight;
    };
    End end() const { return {side_->cost(), side_->value(), side_->weight()}; }

    // Positions where the code changes, with the left side's cost there: with and without missing values.
    bool run_in_order(const OrderedRows& ordered, const RowCode* codes, double whole, Split& best) {
        const std::int64_t known = ordered.n_known, missing = ordered.n - known;
        bool better = false;
        for (const bool missing_left : {false, true}) {
            if (missing_left && !missing) break;
            left_.assign(known + 1, End{});
            side_->clear();
            for (std::int64_t i = missing_left ? known : ordered.n; i < ordered.n; ++i) side_->add(ordered.rows[i]);
            for (std::int64_t i = 0; i < known; ++i) {
                if (i && codes[i] != codes[i - 1]) left_[i] = end();
                side_->add(ordered.rows[i]);
            }
            if (!missing_left && missing) left_[known] = end();
            side_->clear();
            for (std::int64_t i = missing_left ? ordered.n : known; i < ordered.n; ++i) side_->add(ordered.rows[i]);
            const std::int64_t more = missing_left ? missing : 0;
            for (std::int64_t i = known; i > 0; --i) {
                const bool all = i == known;  // the known values against the missing ones
                if (all ? missing && !missing_left : codes[i] != codes[i - 1])
                    better |= offer(ordered, i, i + more, all, missing_left, whole, best);
                side_->add(ordered.rows[i - 1]);
            }
        }
        return better;
    }

    bool offer(const OrderedRows& ordered, std::int64_t at, std::int64_t n_left, bool all, bool missing_left, double whole,
               Split& best) {
        if (n_left < limits_.rows || ordered.n - n_left < limits_.rows) return false;
        const End left = left_[at];
        if (left.weight < limits_.weight || side_->weight() < limits_.weight) return false;
        if (ordered.bounds.any() || ordered.column->monotone) {
            const double right = side_->value();
            if (!ordered.bounds.hold(left.value) || !ordered.bounds.hold(right)) return false;
            if (ordered.column->monotone * (right - left.value) < 0) return false;
        }
        const double gain = whole - left.cost - side_->cost();
        if (!(gain > best.gain)) return false;
        best.gain = gain;
        best.column = ordered.index;
        best.code = ordered.codes[at - 1];
        best.next = all ? ordered.column->missing() : ordered.codes[at];
        best.missing_left = missing_left;
        best.saw_missing = ordered.n > ordered.n_known;
        best.left.clear();
        taken_ = at;
        return true;
    }

    void run_category(const OrderedRows& ordered, const std::vector<double>& key, double whole, Split& best) {
        levels_.clear();  // first row of every level present
        for (std::int64_t i = 0; i < ordered.n_known; ++i)
            if (!i || ordered.codes[i] != ordered.codes[i - 1]) levels_.push_back(i);
        std::vector<std::size_t> order(levels_.size());
        for (std::size_t l = 0; l < order.size(); ++l) order[l] = l;
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return key[ordered.codes[levels_[a]]] < key[ordered.codes[levels_[b]]];
        });
        rows_.clear();
        codes_.clear();
        for (std::size_t place = 0; place < order.size(); ++place) {
            const std::size_t l = order[place];
            const std::int64_t end = l + 1 < levels_.size() ? levels_[l + 1] : ordered.n_known;
            for (std::int64_t i = levels_[l]; i < end; ++i) {
                rows_.push_back(ordered.rows[i]);
                codes_.push_back(ordered.codes[i]);
            }
        }
        rows_.insert(rows_.end(), ordered.rows + ordered.n_known, ordered.rows + ordered.n);
        codes_.insert(codes_.end(), ordered.codes + ordered.n_known, ordered.codes + ordered.n);
        OrderedRows turned = ordered;
        turned.rows = rows_.data();
        turned.codes = codes_.data();
        if (!run_in_order(turned, codes_.data(), whole, best)) return;
        best.left.assign(codes_.begin(), codes_.begin() + taken_);
        std::sort(best.left.begin(), best.left.end());
        best.left.erase(std::unique(best.left.begin(), best.left.end()), best.left.end());
        best.code = -1;
        if (best.next != ordered.column->missing()) best.next = -1;
    }

    LeafLimits limits_;
    std::unique_ptr<Side> side_;
    const RowScan& scan_;
    std::vector<End> left_;
    std::vector<std::int64_t> levels_;
    std::vector<Row> rows_;
    std::vector<RowCode> codes_;
    std::int64_t taken_ = 0;
};

}  // namespace treeml
