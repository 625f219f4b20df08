// Texts as tokens, and what a tree may ask before the next one: tokens so far, places in word, sentence and quotation.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace treeml {

using Token = std::uint16_t;
inline constexpr Token kEnd = 0;  // ends every text, and stands before its first token

// What a token says about itself.
enum TokenFlag : std::uint8_t { kOpensWord = 1, kClosesWord = 2, kEndsSentence = 4, kQuotes = 8 };

// Derived columns of a position; none of them looks at its own token or a later one.
enum Derived { kInQuotes, kSinceSentence, kWord, kWordBefore, kDerived };
inline constexpr int kLongestSentence = 31;

// Texts one after another. Before each stand `context` end symbols, so that looking back needs no check of bounds.
class Stream {
  public:
    Stream(const std::uint8_t* flags, int n_tokens, int context)
        : flags_(flags, flags + n_tokens), context_(context) {}

    // A new text; the position after it is the first that has a next token.
    void begin() {
        tokens.insert(tokens.end(), static_cast<std::size_t>(context_), kEnd);
        for (auto& column : derived) column.resize(tokens.size(), 0);
        for (auto& column : external) column.resize(tokens.size(), 0);
        quoted_ = false;
        since_ = 0;
        word_ = before_ = kEnd;
        opens_ = true;
        look();
    }

    void push(Token token) {
        tokens.push_back(token);
        const std::uint8_t flags = flags_[token];
        if (flags & kQuotes) quoted_ = !quoted_;
        since_ = flags & kEndsSentence ? 0 : since_ + 1;
        if (flags & kOpensWord || opens_) {
            before_ = word_;
            word_ = token;
        }
        opens_ = flags & kClosesWord;
        look();
    }

    void push_text(const Token* text, std::int64_t n, std::vector<std::int32_t>* positions) {
        begin();
        for (std::int64_t i = 0; i <= n; ++i) {
            if (positions) positions->push_back(static_cast<std::int32_t>(tokens.size()));
            push(i < n ? text[i] : kEnd);
        }
    }

    std::int32_t position() const { return static_cast<std::int32_t>(tokens.size()); }
    int n_tokens() const { return static_cast<int>(flags_.size()); }
    int context() const { return context_; }
    void clear() {
        tokens.clear();
        for (auto& column : derived) column.clear();
        for (auto& column : external) column.clear();
    }

    // Codes of encoders for the next position, one an external column.
    void set_codes(const std::uint16_t* codes) {
        for (auto& column : external) column.back() = *codes++;
    }
    // What a column looks at: tokens, derived columns, those of encoders.
    const std::vector<std::uint16_t>& source(int number) const {
        return number < 0 ? tokens : number < kDerived ? derived[number] : external[number - kDerived];
    }

    std::vector<Token> tokens;
    // One value more than tokens: that of the next position.
    std::array<std::vector<std::uint16_t>, kDerived> derived;
    std::vector<std::vector<std::uint16_t>> external;

  private:
    // Writes the derived values of the next position over those that a text before has left there.
    void look() {
        const std::size_t at = tokens.size();
        for (auto& column : derived) column.resize(at + 1);
        for (auto& column : external) column.resize(at + 1);
        derived[kInQuotes][at] = quoted_;
        derived[kSinceSentence][at] = static_cast<std::uint16_t>(std::min(since_, kLongestSentence));
        derived[kWord][at] = word_;
        derived[kWordBefore][at] = before_;
    }

    std::vector<std::uint8_t> flags_;
    int context_;
    bool quoted_ = false, opens_ = true;
    int since_ = 0;
    Token word_ = kEnd, before_ = kEnd;
};

// A column of codes, computed where it is read: a source looked at some tokens back, put into an order.
struct SequenceColumn {
    int source;                  // -1: tokens, a derived column, and behind those that of an encoder
    int back;                    // 1 is the last token; 0 for other columns
    const std::uint16_t* ranks;  // rank of each token, null where the value is the code
    int n_codes;
    double charge;  // gains are multiplied by exp(-rate * charge)
};

// The column as it lies in a stream: code of position p is ranks[from[p]].
struct ColumnView {
    const std::uint16_t* from;
    const std::uint16_t* ranks;

    ColumnView(const SequenceColumn& column, const Stream& stream)
        : from(stream.source(column.source).data() - column.back),
          ranks(column.ranks) {}
    int operator[](std::int32_t position) const { return ranks ? ranks[from[position]] : from[position]; }
};

inline int code_of(const SequenceColumn& column, const Stream& stream, std::int32_t position) {
    const std::uint16_t value = stream.source(column.source)[position - column.back];
    return column.ranks ? column.ranks[value] : value;
}

// How many tokens before two positions agree, from `known` on, at most `most`.
inline int agreement(const Token* a, std::int32_t p, const Token* b, std::int32_t q, int known, int most) {
    while (known < most && a[p - known - 1] == b[q - known - 1]) ++known;
    return known;
}

}  // namespace treeml
