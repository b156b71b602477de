// A text in, the token ids of a model out, as in its training. Yours to change.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

// What the tokenizer of the model is like, besides its vocabulary and characters.h.
struct WordFacts {
  int tokens;                // in the vocabulary
  int max_tokens;            // that the model reads of a text, those around it included
  int characters_per_token;  // more of a text than this for each of these is not looked at
  int longest_word;          // in characters; a longer one is unknown
  int32_t begins, ends, unknown;
};

// Splits texts into lower-cased words without accents, and these into pieces of the vocabulary.
class WordPieces {
 public:
  // The file has one token in each line. Throws std::runtime_error if it is another model's.
  WordPieces(const std::string& vocabulary_path, const WordFacts& facts);

  // The token ids of a text in UTF-8, those around it included; its end is cut off if it is long.
  // Throws std::runtime_error if it is not UTF-8, or has a mark that kRefused lists.
  std::vector<int32_t> Ids(const std::string& text) const;

 private:
  void AddWord(const std::u32string& word, std::vector<int32_t>* ids) const;

  WordFacts facts_;
  std::unordered_map<std::string, int32_t> ids_;
};
