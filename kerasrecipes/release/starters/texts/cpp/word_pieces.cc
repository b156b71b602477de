#include "word_pieces.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "characters.h"

namespace {

template <size_t n>
bool IsIn(const Range (&ranges)[n], char32_t c) {
  const auto after = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                      [](char32_t one, const Range& range) { return one < range.first; });
  return after != std::begin(ranges) && c <= std::prev(after)->last;
}

const Change* FindChange(char32_t c) {
  const auto found = std::lower_bound(std::begin(kChanges), std::end(kChanges), c,
                                      [](const Change& one, char32_t code) { return one.from < code; });
  return found != std::end(kChanges) && found->from == c ? found : nullptr;
}

// Code points of a text, at most so many.
std::u32string Decode(const std::string& text, size_t most) {
  std::u32string codes;
  for (size_t i = 0; i < text.size() && codes.size() < most;) {
    const auto first = static_cast<unsigned char>(text[i]);
    const int more = first < 0x80 ? 0 : first >= 0xC2 && first < 0xE0 ? 1 : first >= 0xE0 && first < 0xF0 ? 2
                     : first >= 0xF0 && first < 0xF5 ? 3 : -1;
    char32_t code = more == 0 ? first : first & (0x3F >> more);
    bool is_right = more >= 0 && i + more < text.size();
    for (int k = 1; is_right && k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      is_right = (next & 0xC0) == 0x80;
      code = code << 6 | (next & 0x3F);
    }
    constexpr char32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    if (!is_right || code < smallest[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      throw std::runtime_error("The text is not valid UTF-8.");
    }
    codes += code;
    i += more + 1;
  }
  return codes;
}

void Encode(char32_t code, std::string* text) {
  if (code < 0x80) {
    *text += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  *text += static_cast<char>(0xFF00 >> (more + 1) | code >> 6 * more);
  for (int k = more - 1; k >= 0; --k) *text += static_cast<char>(0x80 | (code >> 6 * k & 0x3F));
}

// Lower case, without accents and what is no text; words are parted by blanks.
std::u32string Normalize(const std::u32string& codes) {
  std::u32string text;
  for (const char32_t c : codes) {
    if (IsIn(kRefused, c)) {
      char number[16];
      std::snprintf(number, sizeof number, "U+%04X", static_cast<unsigned>(c));
      throw std::runtime_error(std::string("The text has the mark ") + number +
                               ", whose place among others this code does not know.");
    }
    if (IsIn(kRemoved, c)) continue;
    if (IsIn(kBlanks, c)) {
      text += U' ';
    } else if (IsIn(kIdeographs, c)) {
      text += {U' ', c, U' '};
    } else if (c >= 0xAC00 && c < 0xD7A4) {  // a Hangul syllable, into its two or three letters
      const char32_t place = c - 0xAC00;
      text += {0x1100 + place / 588, 0x1161 + place % 588 / 28};
      if (place % 28) text += 0x11A7 + place % 28;
    } else if (const Change* change = FindChange(c)) {
      for (const char32_t other : change->to) {
        if (other) text += other;
      }
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

WordPieces::WordPieces(const std::string& vocabulary_path, const WordFacts& facts) : facts_(facts) {
  std::ifstream lines(vocabulary_path, std::ios::binary);
  int32_t id = 0;
  for (std::string line; std::getline(lines, line); ++id) ids_.emplace(line, id);
  if (id != facts.tokens) {
    throw std::runtime_error("'" + vocabulary_path + "' is not the vocabulary this code was made for.");
  }
}

std::vector<int32_t> WordPieces::Ids(const std::string& text) const {
  const auto most = static_cast<size_t>(facts_.max_tokens) * facts_.characters_per_token;
  std::vector<int32_t> ids = {facts_.begins};
  std::u32string word;
  const auto ends = [&] {
    if (!word.empty()) AddWord(word, &ids);
    word.clear();
  };
  for (const char32_t c : Normalize(Decode(text, most))) {
    const bool is_blank = c == U' ', is_mark = IsIn(kPunctuation, c);
    if (is_blank || is_mark) ends();
    if (is_blank) continue;
    word += c;
    if (is_mark) ends();
  }
  ends();
  ids.resize(std::min(ids.size(), static_cast<size_t>(facts_.max_tokens) - 1));
  ids.push_back(facts_.ends);
  return ids;
}

// The longest piece of the vocabulary that the rest begins with, again and again.
void WordPieces::AddWord(const std::u32string& word, std::vector<int32_t>* ids) const {
  const size_t before = ids->size();
  size_t begin = 0;
  while (begin < word.size() && word.size() <= static_cast<size_t>(facts_.longest_word)) {
    std::string piece = begin ? "##" : "";
    std::vector<size_t> sizes;  // of the piece, up to each character
    for (size_t i = begin; i < word.size(); ++i) {
      Encode(word[i], &piece);
      sizes.push_back(piece.size());
    }
    auto found = ids_.end();
    while (!sizes.empty() && found == ids_.end()) {
      piece.resize(sizes.back());
      found = ids_.find(piece);
      if (found == ids_.end()) sizes.pop_back();
    }
    if (sizes.empty()) break;
    ids->push_back(found->second);
    begin += sizes.size();
  }
  if (begin < word.size()) {
    ids->resize(before);
    ids->push_back(facts_.unknown);
  }
}
