// A few threads that work on one thing after another: the caller takes part, so a team of one has no thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace treeml {

class Team {
  public:
    explicit Team(int size) {
        for (int member = 1; member < size; ++member) threads_.emplace_back([this, member] { work(member); });
    }
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;
    ~Team() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
            round_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    int size() const { return static_cast<int>(threads_.size()) + 1; }

    // job(member) in every member, the caller being member 0; returns when all are done. What a member throws is
    // thrown again here.
    template <class Job>
    void run(const Job& job) {
        if (threads_.empty()) return job(0);
        call_ = [](const void* context, int member) { (*static_cast<const Job*>(context))(member); };
        context_ = &job;
        failure_ = nullptr;
        busy_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
        {
            const std::lock_guard lock(mutex_);
            round_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        attempt(0);
        for (int spin = 0; busy_.load(std::memory_order_acquire) > 0; ++spin) {
            if (spin < kSpins) pause();
            else std::this_thread::yield();
        }
        if (failure_) std::rethrow_exception(failure_);
    }

    // job(begin, end, member) over parts of [0, n) of nearly equal size, several a member, so that one that is held
    // up does fewer of them.
    template <class Job>
    void split(std::int64_t n, const Job& job) {
        const int parts = threads_.empty() ? 1 : kPartsEach * size();
        each(parts, [&](int part, int member) {
            const std::int64_t begin = n * part / parts, end = n * (part + 1) / parts;
            if (begin < end) job(begin, end, member);
        });
    }

    // job(i, member) for all i below n, taken one by one.
    template <class Job>
    void each(int n, const Job& job) {
        std::atomic<int> next{0};
        run([&](int member) {
            for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) job(i, member);
        });
    }

    static constexpr int kPartsEach = 4;

  private:
    static constexpr int kSpins = 4000;

    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }

    void attempt(int member) {
        try {
            call_(context_, member);
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!failure_) failure_ = std::current_exception();
        }
    }

    void work(int member) {
        for (std::uint64_t seen = 0;;) {
            for (int spin = 0; spin < kSpins && round_.load(std::memory_order_acquire) == seen; ++spin) pause();
            if (round_.load(std::memory_order_acquire) == seen) {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return round_.load(std::memory_order_acquire) != seen; });
            }
            ++seen;
            if (closed_) return;
            attempt(member);
            busy_.fetch_sub(1, std::memory_order_release);
        }
    }

    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::atomic<std::uint64_t> round_{0};
    std::atomic<int> busy_{0};
    bool closed_ = false;
    void (*call_)(const void*, int) = nullptr;
    const void* context_ = nullptr;
    std::exception_ptr failure_;
};

}  // namespace treeml
