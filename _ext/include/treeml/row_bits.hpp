// Sets of examples as values: one or a few words in place, or as many as it takes on the heap.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "treeml/bitset.hpp"

namespace treeml {

// Population count without the instruction, which not every x86-64 has: std::popcount would be a call.
inline int count_bits(Word x) {
    x -= (x >> 1) & 0x5555555555555555ull;
    x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
    return static_cast<int>((x * 0x0101010101010101ull) >> 56);
}

// W words in place; 0: any number of them, on the heap.
template <int W>
struct RowWords {
    Word word[W] = {};
    explicit RowWords(int = W) {}
    static constexpr int size() { return W; }
};

template <>
struct RowWords<0> {
    std::vector<Word> word;
    explicit RowWords(int words = 0) : word(words, 0) {}
    int size() const { return static_cast<int>(word.size()); }
};

template <int W>
struct RowBits : RowWords<W> {
    using RowWords<W>::RowWords;
    using RowWords<W>::word;
    using RowWords<W>::size;

    bool test(int row) const { return word[row >> 6] >> (row & 63) & 1; }
    void set(int row) { word[row >> 6] |= Word(1) << (row & 63); }
    void reset(int row) { word[row >> 6] &= ~(Word(1) << (row & 63)); }
    bool any() const {
        for (int w = 0; w < size(); ++w)
            if (word[w]) return true;
        return false;
    }
    int count() const {
        int out = 0;
        for (int w = 0; w < size(); ++w) out += count_bits(word[w]);
        return out;
    }
    int first() const {  // of a set that is not empty
        int w = 0;
        while (!word[w]) ++w;
        return 64 * w + std::countr_zero(word[w]);
    }
    bool meets(const RowBits& other) const {
        for (int w = 0; w < size(); ++w)
            if (word[w] & other.word[w]) return true;
        return false;
    }
    bool within(const RowBits& other) const {
        for (int w = 0; w < size(); ++w)
            if (word[w] & ~other.word[w]) return false;
        return true;
    }
    RowBits& operator&=(const RowBits& other) {
        for (int w = 0; w < size(); ++w) word[w] &= other.word[w];
        return *this;
    }
    RowBits& operator|=(const RowBits& other) {
        for (int w = 0; w < size(); ++w) word[w] |= other.word[w];
        return *this;
    }
    RowBits& operator-=(const RowBits& other) {
        for (int w = 0; w < size(); ++w) word[w] &= ~other.word[w];
        return *this;
    }
    friend RowBits operator&(RowBits a, const RowBits& b) { return a &= b; }
    friend RowBits operator|(RowBits a, const RowBits& b) { return a |= b; }
    friend RowBits operator-(RowBits a, const RowBits& b) { return a -= b; }
    friend bool operator==(const RowBits& a, const RowBits& b) {
        for (int w = 0; w < a.size(); ++w)
            if (a.word[w] != b.word[w]) return false;
        return true;
    }
    friend bool operator<(const RowBits& a, const RowBits& b) {
        for (int w = a.size(); w--;)
            if (a.word[w] != b.word[w]) return a.word[w] < b.word[w];
        return false;
    }
    std::uint64_t hash() const {
        std::uint64_t out = 0;
        for (int w = 0; w < size(); ++w) {
            out = (out ^ word[w]) * 0x9E3779B97F4A7C15ull;
            out ^= out >> 32;
        }
        out *= 0xD6E8FEB86659FD93ull;
        return out ^ (out >> 32);
    }
    template <class Visit>
    void each(Visit visit) const {
        for (int w = 0; w < size(); ++w)
            for (Word left = word[w]; left; left &= left - 1) visit(64 * w + std::countr_zero(left));
    }
    // Bytes that a set takes.
    std::int64_t bytes() const { return std::int64_t(sizeof(RowBits)) + (W ? 0 : 8 * size()); }
};

template <int W>
struct RowBitsHash {
    std::size_t operator()(const RowBits<W>& set) const { return static_cast<std::size_t>(set.hash()); }
};

}  // namespace treeml
