// Texts as tokens, and what a tree may ask before the next one: tokens so far, places in word, sentence and quotation.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace treeml {

using Token = std::uint16_t;
inline constexpr Token kEnd = 0;  // ends every text, and stands before its first token

// What a token says about itself.
enum TokenFlag : std::uint8_t { kOpensWord = 1, kClosesWord = 2, kEndsSentence = 4, kQuotes = 8 };

// Derived columns of a position; none of them looks at its own token or a later one. Behind them, for each class of
// tokens, come the latest of its tokens in the text, and then the first.
enum Derived { kInQuotes, kSinceSentence, kWord, kWordBefore, kSentence, kSinceText, kDerived };
inline constexpr int kLongestSentence = 31;

// How many tokens, as one of 64 codes: the first eight exactly, then four codes an octave.
inline int coarse(int n) {
    if (n < 8) return n;
    const int width = std::bit_width(static_cast<std::uint32_t>(n));
    return std::min(63, 4 * (width - 1) + (n >> (width - 3) & 3) - 4);
}

// What tokens say about themselves: flags of all, then classes of all.
struct TokenTraits {
    TokenTraits(const std::uint8_t* traits, int n_tokens)
        : flags(traits, traits + n_tokens), classes(traits + n_tokens, traits + 2 * n_tokens),
          n_classes(1 + *std::max_element(classes.begin(), classes.end())) {}

    std::vector<std::uint8_t> flags, classes;
    int n_classes;
};

// Texts one after another. Before each stand `context` end symbols, so that looking back needs no check of bounds.
class Stream {
  public:
    Stream(const std::uint8_t* traits, int n_tokens, int context)
        : traits_(traits, n_tokens), context_(context), latest_and_first_(2 * traits_.n_classes) {}

    // A new text; the position after it is the first that has a next token.
    void begin() {
        tokens.insert(tokens.end(), static_cast<std::size_t>(context_), kEnd);
        for (auto& column : derived) column.resize(tokens.size(), 0);
        for (auto& column : external) column.resize(tokens.size(), 0);
        of_classes.resize(tokens.size() * latest_and_first_.size(), kEnd);
        quoted_ = false;
        since_ = read_ = 0;
        word_ = before_ = sentence_ = kEnd;
        opens_ = ended_ = true;
        std::fill(latest_and_first_.begin(), latest_and_first_.end(), kEnd);
        look();
    }

    void push(Token token) {
        tokens.push_back(token);
        const std::uint8_t flags = traits_.flags[token];
        if (flags & kQuotes) quoted_ = !quoted_;
        since_ = flags & kEndsSentence ? 0 : since_ + 1;
        if (flags & kOpensWord || opens_) {
            before_ = word_;
            word_ = token;
            if (ended_) sentence_ = token;
            ended_ = false;
        }
        if (flags & kEndsSentence) ended_ = true;
        opens_ = flags & kClosesWord;
        Token* const latest = latest_and_first_.data() + traits_.classes[token];
        Token& first = latest[traits_.n_classes];
        *latest = token;
        if (first == kEnd) first = token;
        ++read_;
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
    int n_tokens() const { return static_cast<int>(traits_.flags.size()); }
    int context() const { return context_; }
    void clear() {
        tokens.clear();
        for (auto& column : derived) column.clear();
        for (auto& column : external) column.clear();
        of_classes.clear();
    }

    // Codes of encoders for the next position, one an external column.
    void set_codes(const std::uint16_t* codes) {
        for (auto& column : external) column.back() = *codes++;
    }
    // What a column looks at: tokens, derived columns, those of classes, those of encoders.
    struct Source {
        const std::uint16_t* values;
        std::ptrdiff_t stride;
    };
    Source source(int number) const {
        const int n_classed = static_cast<int>(latest_and_first_.size());
        if (number < 0) return {tokens.data(), 1};
        if (number < kDerived) return {derived[number].data(), 1};
        if (number < kDerived + n_classed) return {of_classes.data() + number - kDerived, n_classed};
        return {external[number - kDerived - n_classed].data(), 1};
    }

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
        derived[kSentence][at] = sentence_;
        derived[kSinceText][at] = static_cast<std::uint16_t>(coarse(read_));
        of_classes.resize((at + 1) * latest_and_first_.size());
        std::copy(latest_and_first_.begin(), latest_and_first_.end(), of_classes.end() - latest_and_first_.size());
    }

    TokenTraits traits_;
    int context_;

  public:
    std::vector<Token> tokens;
    // One value more than tokens: that of the next position.
    std::array<std::vector<std::uint16_t>, kDerived> derived;
    std::vector<std::vector<std::uint16_t>> external;
    // Position by position, since a node asks for many of them at each of its rows.
    std::vector<std::uint16_t> of_classes;

  private:
    bool quoted_ = false, opens_ = true, ended_ = true;
    int since_ = 0, read_ = 0;
    Token word_ = kEnd, before_ = kEnd, sentence_ = kEnd;
    std::vector<Token> latest_and_first_;  // of each class in this text
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
    Stream::Source from;
    int back;
    const std::uint16_t* ranks;

    ColumnView(const SequenceColumn& column, const Stream& stream)
        : from(stream.source(column.source)), back(column.back), ranks(column.ranks) {}
    int operator[](std::int32_t position) const {
        const std::uint16_t value = from.values[(position - back) * from.stride];
        return ranks ? ranks[value] : value;
    }
};

inline int code_of(const SequenceColumn& column, const Stream& stream, std::int32_t position) {
    return ColumnView(column, stream)[position];
}

// How many tokens before two positions agree, from `known` on, at most `most`.
inline int agreement(const Token* a, std::int32_t p, const Token* b, std::int32_t q, int known, int most) {
    while (known < most && a[p - known - 1] == b[q - known - 1]) ++known;
    return known;
}

}  // namespace treeml
