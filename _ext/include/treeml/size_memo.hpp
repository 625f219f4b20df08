// What is known about the size of a tree that is right on a set of examples. The table grows up to a number of bytes;
// then an entry that took little work gives way, so that memory is bounded and only time is lost.
#pragma once

#include <algorithm>
#include <cstdint>
#include <new>
#include <vector>

#include "treeml/control.hpp"
#include "treeml/row_bits.hpp"

namespace treeml {

// Memory that starts with a cache line, so that a bucket of short sets is one.
template <class T>
struct LineAllocator {
    using value_type = T;
    LineAllocator() = default;
    template <class U>
    LineAllocator(const LineAllocator<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64))); }
    void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t(64)); }
    friend bool operator==(const LineAllocator&, const LineAllocator&) { return true; }
};

template <int W>
class SizeMemo {
  public:
    using Bits = RowBits<W>;
    static constexpr int kUnknown = 65535;

    struct Slot {
        Bits rows;
        std::uint16_t lower = 0, upper = kUnknown;  // no tree of fewer cuts is right on all; one of so many is
        std::uint32_t work = 0;                     // 0: the slot is free
    };

    SizeMemo(int n_words, std::int64_t most_bytes, Control& control)
        : free_{Bits(n_words)}, slot_bytes_(std::int64_t(sizeof(Slot)) + (W ? 0 : 8 * n_words)), control_(control) {
        const std::int64_t most = std::max<std::int64_t>(most_bytes / slot_bytes_, kBucket * 16);
        while (std::int64_t(most_) * 2 <= most) most_ *= 2;
        resize(std::min<std::size_t>(most_, kBucket * 64));
    }
    ~SizeMemo() { control_.allocated(-std::int64_t(slots_.size()) * slot_bytes_); }
    SizeMemo(const SizeMemo&) = delete;
    SizeMemo& operator=(const SizeMemo&) = delete;

    // The entry of a set; null where none is kept. Valid until the next `put`.
    Slot* find(const Bits& rows) {
        Slot* bucket = &slots_[place(rows)];
        for (int k = 0; k < kBucket; ++k)
            if (bucket[k].work && bucket[k].rows == rows) return &bucket[k];
        return nullptr;
    }
    void put(const Bits& rows, int lower, int upper, std::uint64_t work) {
        const auto effort = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(work, 1, kMostWork));
        if (Slot* known = find(rows)) {
            known->lower = static_cast<std::uint16_t>(std::max<int>(known->lower, lower));
            known->upper = static_cast<std::uint16_t>(std::min<int>(known->upper, upper));
            known->work = static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t(known->work) + effort, kMostWork));
            return;
        }
        Slot* slot = room(rows);
        if (slot) {
            ++used_;
        } else {
            if (used_ * 8 > slots_.size() * 3 && slots_.size() < most_) {
                grow();
                return put(rows, lower, upper, work);
            }
            slot = &slots_[place(rows)];
            for (int k = 1; k < kBucket; ++k) {
                Slot* other = &slots_[place(rows)] + k;
                if (other->work < slot->work) slot = other;
            }
            for (int k = 0; k < kBucket; ++k) {  // what is not asked for again gives way in time
                Slot& kept = slots_[place(rows) + k];
                kept.work -= kept.work / 8;
            }
            ++replaced_;
        }
        slot->rows = rows, slot->work = effort;
        slot->lower = static_cast<std::uint16_t>(lower), slot->upper = static_cast<std::uint16_t>(upper);
    }

    std::int64_t replaced() const { return replaced_; }
    std::int64_t bytes() const { return std::int64_t(slots_.size()) * slot_bytes_; }

  private:
    using Slots = std::vector<Slot, LineAllocator<Slot>>;

    static constexpr int kBucket = 4;
    static constexpr std::uint32_t kMostWork = 1u << 30;

    std::size_t place(const Bits& rows) const { return (rows.hash() & (slots_.size() / kBucket - 1)) * kBucket; }
    Slot* room(const Bits& rows) {
        Slot* bucket = &slots_[place(rows)];
        for (int k = 0; k < kBucket; ++k)
            if (!bucket[k].work) return &bucket[k];
        return nullptr;
    }
    void resize(std::size_t size) {
        slots_.assign(size, free_);
        control_.allocated(std::int64_t(size) * slot_bytes_);
    }
    void grow() {
        Slots old = std::move(slots_);
        resize(old.size() * 2);
        used_ = 0;
        for (Slot& slot : old) {
            if (!slot.work) continue;
            if (Slot* to = room(slot.rows)) *to = std::move(slot), ++used_;
        }
        control_.allocated(-std::int64_t(old.size()) * slot_bytes_);
    }

    Slot free_;
    std::int64_t slot_bytes_;
    Control& control_;
    std::size_t most_ = kBucket * 16, used_ = 0;
    Slots slots_;
    std::int64_t replaced_ = 0;
};

}  // namespace treeml
