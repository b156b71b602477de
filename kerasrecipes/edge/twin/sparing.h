// When a smaller model answers in place of the usual one: while a device is hot, or too slow. The
// same rules and the same state as in device.py.
#pragma once

#include <cstdint>
#include <string>

struct Sparing {
  // What it was written of; a new one where that is none.
  static Sparing Read(const std::string& text);
  std::string Text() const;

  // Heed how warm it is, in degrees Celsius, before an answer.
  void Felt(double celsius, double limit);
  // Heed how many milliseconds the model that answers took.
  void Took(double ms, double limit);

  // "hot" or "slow" while the smaller model answers; else empty.
  std::string why;
  // While it is slow, answers of the smaller model; else answers of the usual one in a row, those
  // that were too slow above 0, those that were not below.
  int64_t count = 0;
  // After how many answers of the smaller model the usual one is tried again.
  int64_t wait = 20;
  // How often the smaller model has taken over, ever.
  int64_t switched = 0;
};

// What a sensor says, whose file has thousandths of a degree. Throws std::runtime_error.
double CelsiusOf(const std::string& path);
