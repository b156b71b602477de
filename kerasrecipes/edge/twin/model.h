// The model of one slot, with what model.json says of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "photo_classifier.h"
#include "sql.h"

// All of them throw std::exception where a file cannot be read or used.
class DeviceModel {
 public:
  // The model's smaller file, if that is asked for and it has one.
  explicit DeviceModel(const std::filesystem::path& slot, bool smaller = false);

  // A photo as the model takes it.
  std::vector<uint8_t> Read(const std::string& path) const;
  // The answer to a photo of `Read`, as many numbers as there are labels.
  std::vector<float> Scores(const std::vector<uint8_t>& photo) { return classifier_.Run(photo); }
  // An answer as it is queued. Throws std::domain_error if its numbers are not finite.
  void Say(const std::vector<float>& scores, JsonObject& entry) const;
  // An answer in a few words.
  std::string InWords(const std::vector<float>& scores) const;
  // Check the golden photos, and say what differs.
  std::string Failures();

  const Json& Facts() const { return facts_; }
  const std::filesystem::path& Folder() const { return folder_; }
  bool HasSmaller() const { return facts_.Type("$.smaller") == "object"; }
  bool IsSmaller() const { return is_smaller_; }

 private:
  struct Answer {
    std::string label;
    double confidence;
  };
  Answer Decide(const std::vector<float>& scores) const;

  std::filesystem::path folder_;
  Json facts_;
  bool is_smaller_;
  std::string task_;
  std::vector<std::string> labels_;
  std::vector<double> thresholds_, background_, alarm_lines_;
  PhotoClassifier classifier_;
};
