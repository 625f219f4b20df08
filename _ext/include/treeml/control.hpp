// When to stop: the deadline, Ctrl-C and the deterministic stop that tests use. Every search polls it.
#pragma once

#include <chrono>
#include <cstdint>

namespace treeml {

enum class Stop { none, time_limit, interrupted };

class Control {
  public:
    using Interrupted = bool (*)(void*);

    // seconds < 0: no deadline. stop_after >= 0: the deadline counts as reached at that poll, whatever
    // the clock says. `interrupted` is asked at most every 50 ms.
    Control(double seconds, std::int64_t stop_after, Interrupted interrupted, void* context)
        : seconds_(seconds), stop_after_(stop_after), interrupted_(interrupted), context_(context),
          start_(Clock::now()), last_asked_(start_) {}

    bool stop() {
        if (reason_ != Stop::none) return true;
        if (stop_after_ >= 0 && polls_ >= stop_after_) {
            reason_ = Stop::time_limit;
            return true;
        }
        ++polls_;
        const auto now = Clock::now();
        if (seconds_ >= 0 && std::chrono::duration<double>(now - start_).count() >= seconds_) {
            reason_ = Stop::time_limit;
        } else if (interrupted_ && now - last_asked_ >= std::chrono::milliseconds(50)) {
            last_asked_ = now;
            if (interrupted_(context_)) reason_ = Stop::interrupted;
        }
        return reason_ != Stop::none;
    }

    Stop reason() const { return reason_; }
    std::int64_t polls() const { return polls_; }

  private:
    using Clock = std::chrono::steady_clock;
    double seconds_;
    std::int64_t stop_after_;
    Interrupted interrupted_;
    void* context_;
    Clock::time_point start_;
    Clock::time_point last_asked_;
    std::int64_t polls_ = 0;
    Stop reason_ = Stop::none;
};

}  // namespace treeml
