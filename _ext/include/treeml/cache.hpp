// Solved and bounded subproblems, shared by the threads of a search:
// (row set, depth, leaves) -> lower bound, best tree known.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "treeml/control.hpp"

namespace treeml {

struct CacheEntry {
    Cost lower;
    Cost upper;       // cost of the tree that splits on `column` first
    int column;       // column of the root, -1: a leaf
    int leaves_true;  // how many leaves its yes side may have
    Size size;
    bool exact() const { return lower >= upper; }
};

class Cache {
  public:
    // n_words: of a row set. Several threads need several stripes, each with a lock of its own.
    Cache(int n_words, Control& control, bool shared) : n_words_(n_words), control_(&control), shared_(shared) {
        stripes_ = std::vector<Stripe>(shared ? 64 : 1);
        while (shift_ > 0 && std::size_t(n_words_) << shift_ > kBlockWords) --shift_;
    }

    void follow(Control& control) { control_ = &control; }  // a search that goes on

    bool find(const Word* rows, Word hash, Size size, CacheEntry& out) {
        Stripe& stripe = at(hash);
        const Lock lock(stripe, shared_);
        const std::uint32_t found = locate(stripe, rows, hash, size);
        if (found == kEmpty) return false;
        out = entry(stripe, found);
        return true;
    }

    // Keeps the tighter of what is known and what is given.
    void store(const Word* rows, Word hash, const CacheEntry& known) {
        Stripe& stripe = at(hash);
        const Lock lock(stripe, shared_);
        const std::uint32_t found = locate(stripe, rows, hash, known.size);
        if (found != kEmpty) {
            CacheEntry& old = entry(stripe, found);
            old.lower = std::max(old.lower, known.lower);
            if (known.upper < old.upper) {
                old.upper = known.upper;
                old.column = known.column;
                old.leaves_true = known.leaves_true;
            }
            return;
        }
        if (2 * (stripe.size + 1) > stripe.slots.size()) grow(stripe);
        const std::uint32_t e = stripe.size;
        if (!(e & ((1u << shift_) - 1))) add_block(stripe);
        entry(stripe, e) = known;
        Word* to = key(stripe, e);
        to[0] = hash;
        std::memcpy(to + 1, rows, n_words_ * sizeof(Word));
        ++stripe.size;
        place(stripe, e);
    }

    std::size_t size() const {
        std::size_t sum = 0;
        for (const Stripe& stripe : stripes_) sum += stripe.size;
        return sum;
    }

  private:
    static constexpr std::uint32_t kEmpty = 0xffffffffu;
    static constexpr std::size_t kBlockWords = 2048;  // of row sets in a block, where there are several

    struct Block {
        std::unique_ptr<CacheEntry[]> entries;
        std::unique_ptr<Word[]> keys;  // hash, row set
    };
    struct Stripe {
        std::mutex mutex;
        std::vector<std::uint32_t> slots = std::vector<std::uint32_t>(64, kEmpty);
        std::uint32_t size = 0;
        std::vector<Block> blocks;
    };
    struct Lock {
        Lock(Stripe& stripe, bool shared) : mutex(shared ? &stripe.mutex : nullptr) {
            if (mutex) mutex->lock();
        }
        ~Lock() {
            if (mutex) mutex->unlock();
        }
        std::mutex* mutex;
    };

    CacheEntry& entry(const Stripe& stripe, std::uint32_t e) const {
        return stripe.blocks[e >> shift_].entries[e & ((1u << shift_) - 1)];
    }
    Word* key(const Stripe& stripe, std::uint32_t e) const {
        return stripe.blocks[e >> shift_].keys.get() + (e & ((1u << shift_) - 1)) * std::size_t(n_words_ + 1);
    }
    Stripe& at(Word hash) { return stripes_[(hash >> 57) & (stripes_.size() - 1)]; }
    static std::size_t start(const Stripe& stripe, Word hash, Size size) {
        const Word key = hash + Word(size.depth) * 0x9E3779B97F4A7C15ull + Word(size.leaves) * 0xD6E8FEB86659FD93ull;
        return std::size_t(key >> 7) & (stripe.slots.size() - 1);
    }
    std::uint32_t locate(const Stripe& stripe, const Word* rows, Word hash, Size size) const {
        for (std::size_t slot = start(stripe, hash, size);; slot = (slot + 1) & (stripe.slots.size() - 1)) {
            const std::uint32_t e = stripe.slots[slot];
            if (e == kEmpty) return kEmpty;
            const Word* known = key(stripe, e);
            if (known[0] != hash) continue;
            const Size& has = entry(stripe, e).size;
            if (has.depth == size.depth && has.leaves == size.leaves &&
                !std::memcmp(known + 1, rows, n_words_ * sizeof(Word)))
                return e;
        }
    }
    void add_block(Stripe& stripe) {
        const std::size_t n = std::size_t(1) << shift_, words = n * (n_words_ + 1);
        stripe.blocks.push_back(
            {std::make_unique_for_overwrite<CacheEntry[]>(n), std::make_unique_for_overwrite<Word[]>(words)});
        control_->allocated(std::int64_t(sizeof(Block) + n * sizeof(CacheEntry) + words * sizeof(Word)));
    }
    void place(Stripe& stripe, std::uint32_t e) {
        std::size_t slot = start(stripe, key(stripe, e)[0], entry(stripe, e).size);
        while (stripe.slots[slot] != kEmpty) slot = (slot + 1) & (stripe.slots.size() - 1);
        stripe.slots[slot] = e;
    }
    void grow(Stripe& stripe) {
        control_->allocated(std::int64_t(stripe.slots.size() * sizeof(std::uint32_t)));
        stripe.slots.assign(stripe.slots.size() * 2, kEmpty);
        for (std::uint32_t e = 0; e < stripe.size; ++e) place(stripe, e);
    }

    int n_words_;
    int shift_ = 6;  // a block has 1 << shift_ entries
    Control* control_;
    bool shared_;
    std::vector<Stripe> stripes_;
};

// Which subproblems a thread is at, so that another one takes others first (ABDADA, Weill, ICCA Journal
// 1996, section 2). A slot that is overwritten costs a little time, never an answer.
class Busy {
  public:
    bool holds(Word key) const { return slots_[key % kSlots].load(std::memory_order_relaxed) == key; }
    void enter(Word key) { slots_[key % kSlots].store(key, std::memory_order_relaxed); }
    void leave(Word key) {
        if (holds(key)) slots_[key % kSlots].store(0, std::memory_order_relaxed);
    }

  private:
    static constexpr std::size_t kSlots = 1024;
    std::atomic<Word> slots_[kSlots] = {};
};

}  // namespace treeml
