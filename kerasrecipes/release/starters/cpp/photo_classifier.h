// A photo in, the scores or the number of a model out. Yours to change.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// How Pillow calls the ways of resizing, both of them antialiased.
enum class Interpolation { kBilinear, kBicubic };

// What the model was trained on. The normalisation is inside of it: pass plain pixels.
struct ModelFacts {
  int height;
  int width;
  int channels;  // 3, or 1 where its brightness is all that is looked at
  int numbers;   // in an answer
  Interpolation interpolation;
};

// RGB, 8 bits each, row by row from the top.
struct Photo {
  int height = 0;
  int width = 0;
  std::vector<uint8_t> pixels;
};

// Read a binary PPM (P6), the simplest file of RGB pixels there is. Throws std::runtime_error.
Photo ReadPpm(const std::string& path);

// Stretch a photo to the model's size exactly as Pillow does.
// A resize without antialiasing changes pixels by several levels, and with them the scores.
Photo Resize(const Photo& photo, int height, int width, Interpolation how);

// The model in LiteRT, on the CPU. Use one for each thread.
class PhotoClassifier {
 public:
  // Throws std::runtime_error if the file cannot be opened, or is another model's.
  PhotoClassifier(const std::string& model_path, const ModelFacts& facts);
  ~PhotoClassifier();

  // The scores or the number, for a photo of any size, upright (EXIF applied), RGB.
  std::vector<float> Classify(const Photo& photo) { return Run(Prepare(photo)); }

  // Its two halves: the pixels as the model takes them, and its answer to these.
  std::vector<uint8_t> Prepare(const Photo& photo) const;
  std::vector<float> Run(const std::vector<uint8_t>& pixels);

 private:
  struct Runtime;
  ModelFacts facts_;
  std::unique_ptr<Runtime> runtime_;
};
