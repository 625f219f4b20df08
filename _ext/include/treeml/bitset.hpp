// Word-parallel row sets: aligned storage, and the one place where an instruction set is chosen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace treeml {

using Word = std::uint64_t;
inline constexpr int kWordBits = 64;

inline int words_for(std::int64_t bits) { return static_cast<int>((bits + kWordBits - 1) / kWordBits); }

// Mask of the valid bits of word w in a set of `bits` bits.
inline Word valid_bits(std::int64_t bits, int w) {
    const std::int64_t left = bits - std::int64_t(w) * kWordBits;
    return left >= kWordBits ? ~Word(0) : (Word(1) << left) - 1;
}

// Growable aligned storage that keeps nothing when it grows and initialises nothing: scratch space.
template <class T>
class Buffer {
  public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer(Buffer&& other) noexcept : data_(other.data_), size_(other.size_) {
        other.data_ = nullptr;
        other.size_ = 0;
    }
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Buffer() { std::free(data_); }

    T* reserve(std::size_t size) {
        if (size > size_) {
            std::free(data_);
            data_ = nullptr;
            size_ = size + size / 4 + 64;
            const std::size_t bytes = (size_ * sizeof(T) + kAlign - 1) / kAlign * kAlign;
            data_ = static_cast<T*>(std::aligned_alloc(kAlign, bytes));
            if (!data_) {
                size_ = 0;
                throw std::bad_alloc();
            }
        }
        return data_;
    }
    T* data() { return data_; }
    const T* data() const { return data_; }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }

  private:
    static constexpr std::size_t kAlign = 64;
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

enum class Isa { portable, avx2, avx512 };

// The widest kernels that this processor runs; TREEML_ISA=portable|avx2|avx512 asks for narrower ones.
inline Isa choose_isa() {
    Isa best = Isa::portable;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt")) {
        best = Isa::avx2;
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512bitalg"))
            best = Isa::avx512;
    }
#endif
    if (const char* asked = std::getenv("TREEML_ISA")) {
        if (!std::strcmp(asked, "portable")) return Isa::portable;
        if (!std::strcmp(asked, "avx2") && best != Isa::portable) return Isa::avx2;
    }
    return best;
}

inline const char* isa_name(Isa isa) {
    return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "portable";
}

}  // namespace treeml
