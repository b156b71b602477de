// Token ids in, the scores or the number of a model out. Yours to change.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// The model in LiteRT, on the CPU. Use one for each thread.
class TextClassifier {
 public:
  // Throws std::runtime_error if the file cannot be opened, or is another model's.
  TextClassifier(const std::string& model_path, int numbers);
  ~TextClassifier();

  // The scores or the number, for the token ids of one text.
  std::vector<float> Classify(const std::vector<int32_t>& ids);

 private:
  struct Runtime;
  int numbers_;
  std::unique_ptr<Runtime> runtime_;
};
