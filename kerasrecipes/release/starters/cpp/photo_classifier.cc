#include "photo_classifier.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "litert/c/litert_common.h"
#include "litert/c/litert_compiled_model.h"
#include "litert/c/litert_environment.h"
#include "litert/c/litert_model.h"
#include "litert/c/litert_options.h"
#include "litert/c/litert_tensor_buffer.h"

namespace {

void Check(LiteRtStatus status, const char* step) {
  if (status != kLiteRtStatusOk) {
    throw std::runtime_error(std::string("LiteRT: ") + step + " failed with status " +
                             std::to_string(static_cast<int>(status)));
  }
}

double Filter(double x, Interpolation how) {
  x = std::abs(x);
  if (how == Interpolation::kBilinear) return std::max(0.0, 1.0 - x);
  constexpr double a = -0.5;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// Resize the rows: each pixel is a weighted mean of those it covers, rounded to 8 bits.
Photo ResizeRows(const Photo& photo, int width, Interpolation how) {
  const double scale = static_cast<double>(photo.width) / width;
  const double stretch = std::max(scale, 1.0);
  const double reach = (how == Interpolation::kBilinear ? 1.0 : 2.0) * stretch;
  Photo result{photo.height, width, std::vector<uint8_t>(3ull * photo.height * width)};
  for (int x = 0; x < width; ++x) {
    const double center = (x + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - reach + 0.5));
    const int last = std::min(photo.width, static_cast<int>(center + reach + 0.5));
    std::vector<double> weights(last - first);
    double sum = 0.0;
    for (int i = first; i < last; ++i) {
      sum += weights[i - first] = Filter((i - center + 0.5) / stretch, how);
    }
    for (int y = 0; y < photo.height; ++y) {
      for (int channel = 0; channel < 3; ++channel) {
        double value = 0.0;
        for (int i = first; i < last; ++i) {
          value += weights[i - first] / sum * photo.pixels[3 * (1ull * y * photo.width + i) + channel];
        }
        result.pixels[3 * (1ull * y * width + x) + channel] =
            static_cast<uint8_t>(std::clamp(std::floor(value + 0.5), 0.0, 255.0));
      }
    }
  }
  return result;
}

Photo Transpose(const Photo& photo) {
  Photo result{photo.width, photo.height, std::vector<uint8_t>(photo.pixels.size())};
  for (int y = 0; y < photo.height; ++y) {
    for (int x = 0; x < photo.width; ++x) {
      std::memcpy(&result.pixels[3 * (1ull * x * photo.height + y)],
                  &photo.pixels[3 * (1ull * y * photo.width + x)], 3);
    }
  }
  return result;
}

// Replace the colours by the brightness that people see (ITU-R BT.601), rounded as Pillow does it.
Photo Grey(Photo photo) {
  for (size_t i = 0; i + 2 < photo.pixels.size(); i += 3) {
    uint8_t* const rgb = &photo.pixels[i];
    const uint32_t sum = 19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u;
    rgb[0] = rgb[1] = rgb[2] = static_cast<uint8_t>(sum >> 16);
  }
  return photo;
}

std::vector<uint8_t> OneChannel(const Photo& grey) {
  std::vector<uint8_t> result(grey.pixels.size() / 3);
  for (size_t i = 0; i < result.size(); ++i) result[i] = grey.pixels[3 * i];
  return result;
}

}  // namespace

Photo ReadPpm(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string kind;
  Photo photo;
  int white = 0;
  file >> kind >> photo.width >> photo.height >> white;
  if (!file || kind != "P6" || white != 255 || photo.width < 1 || photo.height < 1 ||
      photo.width > 1 << 15 || photo.height > 1 << 15) {
    throw std::runtime_error("'" + path + "' is not a binary PPM photo with 8 bits (P6).");
  }
  file.get();  // one white space ends the header
  const auto begin = file.tellg();
  const auto bytes = 3ll * photo.height * photo.width;
  file.seekg(0, std::ios::end);
  // Before there is memory for them: a header may say anything.
  if (file.tellg() - begin < bytes) throw std::runtime_error("'" + path + "' ends too early.");
  file.seekg(begin);
  photo.pixels.resize(bytes);
  file.read(reinterpret_cast<char*>(photo.pixels.data()), bytes);
  if (!file) throw std::runtime_error("'" + path + "' cannot be read.");
  return photo;
}

Photo Resize(const Photo& photo, int height, int width, Interpolation how) {
  const Photo narrow = photo.width == width ? photo : ResizeRows(photo, width, how);
  if (narrow.height == height) return narrow;
  return Transpose(ResizeRows(Transpose(narrow), height, how));
}

struct PhotoClassifier::Runtime {
  LiteRtEnvironment environment = nullptr;
  LiteRtModel model = nullptr;
  LiteRtOptions options = nullptr;
  LiteRtCompiledModel compiled = nullptr;
  LiteRtTensorBuffer photo = nullptr;
  LiteRtTensorBuffer scores = nullptr;

  ~Runtime() {
    if (photo) LiteRtDestroyTensorBuffer(photo);
    if (scores) LiteRtDestroyTensorBuffer(scores);
    if (compiled) LiteRtDestroyCompiledModel(compiled);
    if (options) LiteRtDestroyOptions(options);
    if (model) LiteRtDestroyModel(model);
    if (environment) LiteRtDestroyEnvironment(environment);
  }
};

PhotoClassifier::PhotoClassifier(const std::string& model_path, const ModelFacts& facts)
    : facts_(facts), runtime_(std::make_unique<Runtime>()) {
  Runtime& r = *runtime_;
  Check(LiteRtCreateEnvironment(0, nullptr, &r.environment), "starting");
  Check(LiteRtCreateModelFromFile(r.environment, model_path.c_str(), &r.model), "opening the file");
  Check(LiteRtCreateOptions(&r.options), "making options");
  Check(LiteRtSetOptionsHardwareAccelerators(r.options, kLiteRtHwAcceleratorCpu),
        "choosing the CPU");
  Check(LiteRtCreateCompiledModel(r.environment, r.model, r.options, &r.compiled), "compiling");

  LiteRtSubgraph graph = nullptr;
  LiteRtTensor input = nullptr, output = nullptr;
  LiteRtRankedTensorType input_type, output_type;
  LiteRtTensorBufferRequirements needs = nullptr;
  size_t input_bytes = 0, output_bytes = 0;
  Check(LiteRtGetModelSubgraph(r.model, 0, &graph), "reading the graph");
  Check(LiteRtGetSubgraphInput(graph, 0, &input), "finding the input");
  Check(LiteRtGetRankedTensorType(input, &input_type), "reading the input's type");
  Check(LiteRtGetCompiledModelInputBufferRequirements(r.compiled, 0, 0, &needs), "asking for needs");
  Check(LiteRtCreateManagedTensorBufferFromRequirements(r.environment, &input_type, needs, &r.photo),
        "making the input");
  Check(LiteRtGetSubgraphOutput(graph, 0, &output), "finding the output");
  Check(LiteRtGetRankedTensorType(output, &output_type), "reading the output's type");
  Check(LiteRtGetCompiledModelOutputBufferRequirements(r.compiled, 0, 0, &needs), "asking for needs");
  Check(LiteRtCreateManagedTensorBufferFromRequirements(r.environment, &output_type, needs, &r.scores),
        "making the output");
  Check(LiteRtGetTensorBufferPackedSize(r.photo, &input_bytes), "measuring the input");
  Check(LiteRtGetTensorBufferPackedSize(r.scores, &output_bytes), "measuring the output");
  if (input_bytes != 1ull * facts.channels * facts.height * facts.width ||
      output_bytes != facts.numbers * sizeof(float)) {
    throw std::runtime_error("'" + model_path + "' is not the model this code was made for.");
  }
}

PhotoClassifier::~PhotoClassifier() = default;

std::vector<uint8_t> PhotoClassifier::Prepare(const Photo& photo) const {
  const bool grey = facts_.channels == 1;
  const Photo small =
      Resize(grey ? Grey(photo) : photo, facts_.height, facts_.width, facts_.interpolation);
  return grey ? OneChannel(small) : small.pixels;
}

std::vector<float> PhotoClassifier::Run(const std::vector<uint8_t>& pixels) {
  std::vector<float> scores(facts_.numbers);
  void* memory = nullptr;
  Check(LiteRtLockTensorBuffer(runtime_->photo, &memory, kLiteRtTensorBufferLockModeWrite), "writing");
  std::memcpy(memory, pixels.data(), pixels.size());
  Check(LiteRtUnlockTensorBuffer(runtime_->photo), "writing");
  Check(LiteRtRunCompiledModel(runtime_->compiled, 0, 1, &runtime_->photo, 1, &runtime_->scores),
        "running");
  Check(LiteRtLockTensorBuffer(runtime_->scores, &memory, kLiteRtTensorBufferLockModeRead), "reading");
  std::memcpy(scores.data(), memory, scores.size() * sizeof(float));
  Check(LiteRtUnlockTensorBuffer(runtime_->scores), "reading");
  return scores;
}
