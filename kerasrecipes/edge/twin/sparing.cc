#include "sparing.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "sql.h"

namespace {

constexpr char kHot[] = "hot", kSlow[] = "slow";
// One answer may have waited for anything; so many in a row have not.
constexpr int64_t kSlowInARow = 3;
// After so many answers of the smaller model the usual one is tried again; where it is still slow,
// after twice as many, and so on.
constexpr int64_t kTriedAfter = 20, kTriedLatest = 640;
// Degrees below the limit from which on it is no longer hot.
constexpr double kCooler = 5.0;

}  // namespace

Sparing Sparing::Read(const std::string& text) {
  try {
    const Json told(text);
    for (const char* number : {"$.count", "$.wait", "$.switched"}) {
      if (told.Type(number) != "integer") return {};
    }
    const auto whole = [&](const char* path) { return static_cast<int64_t>(told.Number(path)); };
    const Sparing found{told.Text("$.why"), whole("$.count"), whole("$.wait"), whole("$.switched")};
    const bool known = found.why.empty() || found.why == kHot || found.why == kSlow;
    if (known && found.wait >= kTriedAfter && found.wait <= kTriedLatest) return found;
  } catch (const std::runtime_error&) {
  }
  return {};
}

std::string Sparing::Text() const {
  return JsonObject()
      .Add("why", why)
      .Add("count", count)
      .Add("wait", wait)
      .Add("switched", switched)
      .Text();
}

void Sparing::Felt(double celsius, double limit) {
  if (celsius >= limit) {
    switched += why.empty();
    why = kHot;
  } else if (why == kHot && celsius <= limit - kCooler) {
    why.clear();
    count = 0;
  }
}

void Sparing::Took(double ms, double limit) {
  if (why == kHot) return;
  if (why == kSlow) {
    if (++count < wait) return;
    why.clear();
    count = 0;
    wait = std::min(2 * wait, kTriedLatest);
  } else if (ms > limit) {
    count = std::max<int64_t>(count, 0) + 1;
    if (count < kSlowInARow) return;
    why = kSlow;
    count = 0;
    ++switched;
  } else {
    count = std::min<int64_t>(count, 0) - 1;
    if (count <= -wait) wait = kTriedAfter;
  }
}

double CelsiusOf(const std::string& path) {
  std::ifstream file(path);
  int64_t thousandths = 0;
  if (!(file >> thousandths)) throw std::runtime_error(path + " cannot be read");
  return static_cast<double>(thousandths) / 1000;
}
