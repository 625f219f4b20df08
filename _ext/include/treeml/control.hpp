// When to stop, and what is known meanwhile: deadline, bytes, Ctrl-C, the deterministic stop that tests use,
// and the best objective and bound over time. Every search polls it, from any of its threads.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

#include "treeml/objective.hpp"

namespace treeml {

enum class Stop { none, time_limit, memory_limit, interrupted };

// What was known at a time.
struct Progress {
    double seconds;
    Cost upper, lower;
};

class Control {
  public:
    using Interrupted = bool (*)(void*);

    // seconds < 0: no deadline. bytes < 0: no limit. stop_after >= 0: the deadline counts as reached at
    // that poll, whatever the clock says. `interrupted` is asked at most every 50 ms.
    Control(double seconds, std::int64_t bytes, std::int64_t stop_after, Interrupted interrupted, void* context)
        : seconds_(seconds), max_bytes_(bytes), stop_after_(stop_after), interrupted_(interrupted),
          context_(context), start_(Clock::now()), last_asked_(start_) {}

    // Polled by the threads that compute; `ask` in the thread that may call `interrupted`.
    bool stop(bool ask) {
        if (reason() != Stop::none) return true;
        if (stop_after_ >= 0 && polls_.load(std::memory_order_relaxed) >= stop_after_) return end(Stop::time_limit);
        polls_.fetch_add(1, std::memory_order_relaxed);
        if (max_bytes_ >= 0 && bytes() + reserve() > max_bytes_) return end(Stop::memory_limit);
        const auto now = Clock::now();
        if (seconds_ >= 0 && since(start_, now) >= seconds_) return end(Stop::time_limit);
        return ask && since(last_asked_, now) >= .05 && this->ask();
    }

    // For the calling thread: true where the search is to be interrupted.
    bool ask() {
        last_asked_ = Clock::now();
        return interrupted_ && interrupted_(context_) && end(Stop::interrupted);
    }

    void allocated(std::int64_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
    std::int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

    // A better tree or bound; kept where it improves on what was known.
    void report(Cost upper, Cost lower) {
        const std::lock_guard lock(mutex_);
        if (!progress_.empty()) {
            const Progress& last = progress_.back();
            upper = std::min(upper, last.upper);
            lower = std::max(lower, last.lower);
            if (upper == last.upper && lower == last.lower) return;
        }
        progress_.push_back({since(start_, Clock::now()), upper, std::min(lower, upper)});
    }
    std::vector<Progress> progress() const {
        const std::lock_guard lock(mutex_);
        return progress_;
    }

    double elapsed() const { return since(start_, Clock::now()); }
    Stop reason() const { return reason_.load(std::memory_order_relaxed); }
    std::int64_t polls() const { return polls_; }

  private:
    using Clock = std::chrono::steady_clock;
    static double since(Clock::time_point from, Clock::time_point to) {
        return std::chrono::duration<double>(to - from).count();
    }
    // What may be allocated between two polls: a table that grows, and the way back after the stop.
    std::int64_t reserve() const { return bytes() / 8 + (1 << 17); }
    bool end(Stop reason) {
        Stop none = Stop::none;
        reason_.compare_exchange_strong(none, reason);
        return true;
    }

    double seconds_;
    std::int64_t max_bytes_, stop_after_;
    Interrupted interrupted_;
    void* context_;
    Clock::time_point start_, last_asked_;
    std::atomic<std::int64_t> polls_{0}, bytes_{0};
    std::atomic<Stop> reason_{Stop::none};
    mutable std::mutex mutex_;
    std::vector<Progress> progress_;
};

}  // namespace treeml
