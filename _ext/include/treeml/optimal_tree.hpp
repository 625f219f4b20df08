// Provably optimal classification trees on 0/1 columns: set-up, steps, threads. The search is in worker.hpp.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "treeml/worker.hpp"

namespace treeml {

struct OptimalTreeResult {
    Cost cost = 0, lower = 0;
    Stop stop = Stop::none;
    std::vector<TreeNode> nodes;  // depth first, the answer yes first
    Counters counters;
    std::int64_t cache_entries = 0, bytes = 0;
    std::vector<Progress> progress;
};

// One search; run() may be called again to go on where a limit ended it.
class TreeSearch {
  public:
    virtual ~TreeSearch() = default;

    // tolerance: the share of the cost that the bound may miss it by.
    virtual OptimalTreeResult run(Size size, double tolerance, int n_threads, Control& control) = 0;
};

template <class T>
class OptimalTreeSearch final : public TreeSearch {
  public:
    template <class Rows>
    OptimalTreeSearch(Rows rows, const Misclassification& objective, const BoundSwitches& bounds, bool several)
        : several_(several) {
        shared_.bounds = bounds;
        names_ = shared_.load(std::move(rows), objective, root_, &places_);
    }

    // For a search that goes on from this one's cache, under a control of its own.
    void follow(Control& control, int n_threads) {
        shared_.control = &control;
        if (!shared_.cache) shared_.cache = std::make_unique<Cache>(shared_.stride, control, several_);
        else shared_.cache->follow(control);
        while (int(workers_.size()) < std::max(1, n_threads))
            workers_.push_back(std::make_unique<Worker<T>>(shared_));
    }
    Shared<T>& shared() { return shared_; }
    Node<T>& root() { return root_; }
    Worker<T>& worker() { return *workers_[0]; }
    const std::vector<Place>& places() const { return places_; }  // of every column of the dataset

    OptimalTreeResult run(Size size, double tolerance, int n_threads, Control& control) override {
        follow(control, n_threads);
        control.allocated(bytes_);
        Worker<T>& first = *workers_[0];
        const Size useful = first.useful(root_, size);
        const Cost leaf = first.leaf_cost(root_);
        if (size.depth != size_.depth || size.leaves != size_.leaves) lower_ = objective().leaf_cost;
        size_ = size;
        Cost upper = leaf;
        if (useful.depth == 0) {
            lower_ = leaf;
        } else {
            lower_ = std::max(lower_, std::min(leaf, 2 * objective().leaf_cost));
            if (useful.depth > 3 && useful.leaves == kNoLimit && !known(useful)) {
                first.greedy(root_, size, 0);
            }
            upper = best(useful, leaf);
            report(upper);
            upper = steps(size, useful, upper, leaf, tolerance, n_threads);
        }
        OptimalTreeResult out;
        shared_.done = false;
        shared_.pause = std::numeric_limits<std::int64_t>::max();
        out.cost = first.build(root_, size, 0, out.nodes);
        for (TreeNode& node : out.nodes)
            if (node.column >= 0) node.column = names_[node.column];
        if (out.cost > upper) throw std::logic_error("the search ended without its tree");
        out.lower = std::min(lower_, out.cost);
        out.stop = control.reason();
        for (const auto& worker : workers_) out.counters.add(worker->counters);
        out.cache_entries = std::int64_t(shared_.cache->size());
        bytes_ = out.bytes = control.bytes();
        report(out.cost);
        out.progress = control.progress();
        out.cost += shared_.certain;
        out.lower += shared_.certain;
        return out;
    }

  private:
    // Runs of the depth-two kernel before a search counts as long: then a bound is worth extra work.
    static constexpr std::int64_t kShort = 1 << 15;

    const Misclassification& objective() const { return shared_.frame.objective; }

    bool known(Size useful) {
        CacheEntry entry;
        return shared_.cache->find(root_.row_set.data(), root_.hash, useful, entry);
    }
    // Cost of the best tree known.
    Cost best(Size useful, Cost leaf) {
        CacheEntry entry;
        if (useful.depth < 3 || !shared_.cache->find(root_.row_set.data(), root_.hash, useful, entry)) return leaf;
        return std::min(leaf, entry.upper);
    }
    void report(Cost upper) { shared_.control->report(upper + shared_.certain, std::min(upper, lower_) + shared_.certain); }

    // Searches for a tree below the best one known. A search that turns out to be long is interrupted for
    // a while, to raise the bound in steps: refuting a fraction of the cost takes a fraction of the time.
    Cost steps(Size size, Size useful, Cost upper, Cost leaf, double tolerance, int n_threads) {
        const std::int64_t never = std::numeric_limits<std::int64_t>::max();
        const auto search = [&](Cost budget, std::int64_t pause) {
            const Known got = solve(size, budget, pause, n_threads);
            lower_ = std::max(lower_, got.lower);
            upper = std::min({upper, got.upper, best(useful, leaf)});
            report(upper);
        };
        const auto target = [&] { return std::max(lower_ + 1, upper - Cost(tolerance * double(upper + shared_.certain))); };
        search(target(), useful.depth > 3 ? kShort : never);
        for (const int percent : {8, 25, 60})
            if (go_on(upper, tolerance)) search(lower_ + (target() - lower_) * percent / 100, never);
        while (go_on(upper, tolerance)) search(target(), never);
        return upper;
    }
    bool go_on(Cost upper, double tolerance) const {
        if (shared_.control->reason() != Stop::none) return false;
        return lower_ < upper && double(upper - lower_) > tolerance * double(upper + shared_.certain);
    }

    Known solve(Size size, Cost budget, std::int64_t pause, int n_threads) {
        shared_.done = false;
        shared_.work = 0;
        shared_.pause = pause;
        shared_.several = n_threads > 1;
        if (n_threads <= 1) return workers_[0]->solve(root_, size, budget, lower_, 0);
        return race(size, budget, n_threads);
    }

    // All threads search the same tree, sharing what they find; the first to end has the answer.
    Known race(Size size, Cost budget, int n_threads) {
        root_.make_chunks(shared_.frame);  // from here on the root is only read
        std::mutex mutex;
        std::condition_variable ended;
        int running = n_threads;
        std::exception_ptr error;
        Known out{0, kInfinite, -1, 1};
        std::vector<std::thread> threads;
        for (int t = 0; t < n_threads; ++t)
            threads.emplace_back([&, t] {
                try {
                    const Known got = workers_[t]->solve(root_, size, budget, lower_, 0);
                    const std::lock_guard lock(mutex);
                    if (got.exact() || got.lower >= budget) shared_.done = true;
                    out.lower = std::max(out.lower, got.lower);
                    if (got.upper < out.upper) out.upper = got.upper;
                } catch (...) {
                    const std::lock_guard lock(mutex);
                    error = std::current_exception();
                    shared_.done = true;
                }
                const std::lock_guard lock(mutex);
                --running;
                ended.notify_all();
            });
        std::unique_lock lock(mutex);
        while (running) {
            ended.wait_for(lock, std::chrono::milliseconds(50));
            lock.unlock();
            shared_.control->ask();
            lock.lock();
        }
        lock.unlock();
        for (std::thread& thread : threads) thread.join();
        if (error) std::rethrow_exception(error);
        return out;
    }

    bool several_;
    Shared<T> shared_;
    Node<T> root_;
    std::vector<int> names_;     // columns of the dataset that the root's columns are
    std::vector<Place> places_;  // where the dataset's columns are at the root
    std::vector<std::unique_ptr<Worker<T>>> workers_;
    Cost lower_ = 0;    // proven for size_
    Size size_{-1, -1};
    std::int64_t bytes_ = 0;
};

// The search with the narrowest counts that hold every sum. `several`: it may use several threads.
inline std::unique_ptr<TreeSearch> make_tree_search(const BinaryDataset& data, const Misclassification& objective,
                                                    const BoundSwitches& bounds, bool several) {
    GroupedRows rows = group_rows(data, objective, bounds.equivalent_points);
    std::int64_t total = 0, n_rows = 0;
    for (std::size_t g = 0; g < rows.groups.size(); ++g) {
        const std::int64_t weight = rows.rows[g] * rows.groups[g].weight;
        (rows.groups[g].of < objective.n_classes ? total : n_rows) += weight;
    }
    total = std::max(total, n_rows);
    const int spare = objective.limits_leaves() ? 1 : 0;  // room for the sum of two infeasible cells
    if (total < 0xffff >> spare)
        return std::make_unique<OptimalTreeSearch<std::uint16_t>>(std::move(rows), objective, bounds, several);
    if (total < std::int64_t(0xffffffff) >> spare)
        return std::make_unique<OptimalTreeSearch<std::uint32_t>>(std::move(rows), objective, bounds, several);
    return std::make_unique<OptimalTreeSearch<std::uint64_t>>(std::move(rows), objective, bounds, several);
}

}  // namespace treeml
