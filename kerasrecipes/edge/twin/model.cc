#include "model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <sstream>
#include <stdexcept>

#include "photos.h"
#include "slots.h"

namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream rest(text);
  for (std::string line; std::getline(rest, line);) lines.push_back(line);
  return lines;
}

ModelFacts Wanted(const Json& facts, size_t numbers) {
  const std::string how = facts.Text("$.interpolation");
  if (how != "bilinear" && how != "bicubic") {
    throw std::runtime_error("this program does not know the interpolation '" + how + "'");
  }
  return {static_cast<int>(facts.Number("$.height")), static_cast<int>(facts.Number("$.width")),
          static_cast<int>(facts.Number("$.channels")), static_cast<int>(numbers),
          how == "bilinear" ? Interpolation::kBilinear : Interpolation::kBicubic};
}

}  // namespace

DeviceModel::DeviceModel(const std::filesystem::path& slot, bool smaller)
    : folder_(slot),
      facts_(ReadFile(slot / "model.json")),
      is_smaller_(smaller && HasSmaller()),
      task_(facts_.Text("$.task")),
      labels_(Lines(ReadFile(slot / "labels.txt"))),
      thresholds_(facts_.Numbers("$.thresholds")),
      background_(facts_.Numbers("$.background")),
      alarm_lines_(facts_.Numbers("$.alarm.lines")),
      classifier_((slot / (is_smaller_ ? "smaller.tflite" : "model.tflite")).string(), Wanted(facts_, labels_.size())) {
  const bool known = task_ == "classification" || task_ == "ordinal" || task_ == "regression";
  if (!known && (task_ != "multi_label" || thresholds_.size() != labels_.size())) {
    throw std::runtime_error("this program does not know the task '" + task_ + "'");
  }
}

std::vector<uint8_t> DeviceModel::Read(const std::string& path) const {
  return classifier_.Prepare(ReadPhoto(path, background_));
}

DeviceModel::Answer DeviceModel::Decide(const std::vector<float>& scores) const {
  if (task_ == "multi_label") {
    std::vector<size_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    Answer given{"", 0.0};
    for (size_t i : order) {
      if (scores[i] < static_cast<float>(thresholds_[i])) continue;
      given.label += (given.label.empty() ? "" : ", ") + labels_[i];
      given.confidence = scores[i];  // the lowest is the last
    }
    return given;
  }
  size_t best = std::max_element(scores.begin(), scores.end()) - scores.begin();
  if (task_ == "ordinal") {
    const double half = std::accumulate(scores.begin(), scores.end(), 0.0) / 2;
    best = 0;
    for (double below = scores[0]; below < half && best + 1 < scores.size();) below += scores[++best];
  }
  return {labels_[best], scores[best]};
}

void DeviceModel::Say(const std::vector<float>& scores, JsonObject& entry) const {
  std::string numbers;
  for (float score : scores) {
    if (!std::isfinite(score)) throw std::domain_error("the model gave no number");
    numbers += (numbers.empty() ? "" : ", ") + NumberText(score);
  }
  entry.AddJson("answer", "[" + numbers + "]");
  if (task_ == "regression") {
    entry.Add("number", static_cast<double>(scores[0]));
    return;
  }
  const Answer answer = Decide(scores);
  entry.Add("label", answer.label).Add("confidence", answer.confidence);
  if (alarm_lines_.empty()) return;
  double total = 0.0;
  for (double line : alarm_lines_) total += scores.at(static_cast<size_t>(line) - 1);
  entry.Add("alarm", total >= facts_.Number("$.alarm.threshold"));
}

std::string DeviceModel::InWords(const std::vector<float>& scores) const {
  const bool number = task_ == "regression";
  const Answer answer = number ? Answer{NumberText(scores[0]), 1.0} : Decide(scores);
  char text[32];
  std::snprintf(text, sizeof text, "%5.1f%%  ", 100 * answer.confidence);
  return text + answer.label;
}

std::string DeviceModel::Failures() {
  const auto tolerance = static_cast<float>(facts_.Number(is_smaller_ ? "$.smaller.tolerance" : "$.tolerance"));
  std::string found;
  const char* listed = is_smaller_ ? "smaller.txt" : "golden.txt";
  for (const std::string& line : Lines(ReadFile(folder_ / "golden" / listed))) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    float largest = 0.0f;
    for (float score : Scores(Read((folder_ / "golden" / name).string()))) {
      float expected = NAN;
      words >> expected;
      const float gap = std::abs(score - expected);
      largest = gap <= largest ? largest : gap;  // NaN stays
    }
    if (largest <= tolerance) continue;
    char text[40];
    std::snprintf(text, sizeof text, ": the largest gap is %.2g", largest);
    found += (found.empty() ? "golden " : "; golden ") + name + text;
  }
  return found;
}
