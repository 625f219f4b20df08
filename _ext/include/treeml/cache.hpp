// Solved and bounded subproblems: (row set, depth) -> lower bound, best tree known.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "treeml/bitset.hpp"
#include "treeml/objective.hpp"

namespace treeml {

struct CacheEntry {
    Cost lower;
    Cost upper;      // cost of the tree that splits on `column` first
    int column;      // column of the root, -1: a leaf
    int depth;
    bool exact() const { return lower >= upper; }
};

class Cache {
  public:
    explicit Cache(int n_words) : n_words_(n_words), slots_(1024, kEmpty) {}

    CacheEntry* find(const Word* rows, Word hash, int depth) {
        for (std::size_t slot = start(hash, depth);; slot = (slot + 1) & (slots_.size() - 1)) {
            if (slots_[slot] == kEmpty) return nullptr;
            CacheEntry& entry = entries_[slots_[slot]];
            if (entry.depth == depth && hashes_[slots_[slot]] == hash &&
                !std::memcmp(row_set(slots_[slot]), rows, n_words_ * sizeof(Word)))
                return &entry;
        }
    }

    // Keeps the tighter of what is known and what is given.
    void store(const Word* rows, Word hash, int depth, Cost lower, Cost upper, int column) {
        if (CacheEntry* entry = find(rows, hash, depth)) {
            entry->lower = std::max(entry->lower, lower);
            if (upper < entry->upper) {
                entry->upper = upper;
                entry->column = column;
            }
            return;
        }
        if (2 * (entries_.size() + 1) > slots_.size()) grow();
        std::size_t slot = start(hash, depth);
        while (slots_[slot] != kEmpty) slot = (slot + 1) & (slots_.size() - 1);
        slots_[slot] = std::uint32_t(entries_.size());
        keep(rows);
        entries_.push_back({lower, upper, column, depth});
        hashes_.push_back(hash);
    }

    std::size_t size() const { return entries_.size(); }

  private:
    static constexpr std::uint32_t kEmpty = 0xffffffffu;
    static constexpr std::size_t kBlock = 256;  // row sets of a block

    std::size_t start(Word hash, int depth) const {
        return std::size_t((hash + Word(depth) * 0x9E3779B97F4A7C15ull) >> 7) & (slots_.size() - 1);
    }
    const Word* row_set(std::uint32_t at) const { return blocks_[at / kBlock].get() + (at % kBlock) * n_words_; }
    void keep(const Word* rows) {  // row set of the entry that comes next
        const std::size_t at = entries_.size();
        if (at / kBlock == blocks_.size()) blocks_.push_back(std::make_unique<Word[]>(kBlock * n_words_));
        std::memcpy(blocks_.back().get() + (at % kBlock) * n_words_, rows, n_words_ * sizeof(Word));
    }
    void grow() {
        slots_.assign(slots_.size() * 2, kEmpty);
        for (std::uint32_t e = 0; e < entries_.size(); ++e) {
            std::size_t slot = start(hashes_[e], entries_[e].depth);
            while (slots_[slot] != kEmpty) slot = (slot + 1) & (slots_.size() - 1);
            slots_[slot] = e;
        }
    }

    int n_words_;
    std::vector<std::uint32_t> slots_;
    std::vector<CacheEntry> entries_;
    std::vector<Word> hashes_;
    std::vector<std::unique_ptr<Word[]>> blocks_;
};

}  // namespace treeml
