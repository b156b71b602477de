// Answers on a device, with or without a network; tells of it later; takes new models safely.
//
//     ./device answer photo.ppm …   # answers for photos, and queues what was said
//     ./device send                 # sends what is queued; run it by a timer
//     ./device update FOLDER        # takes a new model, if it proves itself
//     ./device status               # which model answers, and what waits
//
// The twin of device.py: it lies beside it, and uses the same device.json, slots and queue.db.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "apart.h"
#include "model.h"
#include "queue.h"
#include "slots.h"
#include "sparing.h"
#include "sql.h"

namespace fs = std::filesystem;

namespace {

constexpr int kSecondsToProve = 300, kSecondsToSend = 20;

fs::path ThisProgram() { return fs::canonical("/proc/self/exe"); }

// Check the golden photos in a process of its own, which may crash or hang.
std::string ProveApart(const fs::path& slot) {
  const Ended ended = RunApart({ThisProgram().string(), "prove", slot.string()}, "", kSecondsToProve);
  if (ended.status == 0) return "";
  if (ended.status < 0) return "its golden photos took more than five minutes";
  const std::string told = ended.told.substr(0, ended.told.find_last_not_of('\n') + 1);
  const std::string last = told.substr(told.rfind('\n') + 1, 200);
  return "its golden photos: " + (last.empty() ? "status " + std::to_string(ended.status) : last);
}

// A word of a line of curl's own settings.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (char sign : text) {
    if (sign == '"' || sign == '\\') quoted += '\\';
    quoted += sign;
  }
  return quoted + "\"\n";
}

// Send a batch by the program curl. Its settings go in by its input, where nobody sees the token.
std::string Post(const std::string& address, const std::string& token, const std::string& batch) {
  const std::string settings = "url = " + Quoted(address) +
                               "header = " + Quoted("Authorization: Bearer " + token) +
                               "header = " + Quoted("Content-Type: application/json") +
                               "data-raw = " + Quoted(batch);
  const std::string seconds = std::to_string(kSecondsToSend);
  const Ended ended =
      RunApart({"curl", "--disable", "--silent", "--show-error", "--fail", "--proto", "=http,https",
                "--max-time", seconds, "--config", "-"},
               settings, kSecondsToSend + 10);
  if (ended.status != 0) {
    throw std::runtime_error(ended.told.empty() ? "curl ended with " + std::to_string(ended.status)
                                                : ended.told.substr(0, ended.told.find('\n')));
  }
  return ended.told;
}

double Now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Open the model that answers; one whose files were damaged gives way.
std::unique_ptr<DeviceModel> OpenedModel(Slots slots, bool smaller) {
  const fs::path slot = slots.Start();
  try {
    return std::make_unique<DeviceModel>(slot, smaller);
  } catch (const std::exception&) {
    const fs::path other = slots.Damaged();
    if (other.empty()) throw;
    return std::make_unique<DeviceModel>(other, smaller);
  }
}

// From when on a smaller model answers; 0 and nothing where that is not asked for.
struct Limits {
  explicit Limits(const Json& device) : asked(device.Type("$.smaller") == "object") {
    const auto number = [&](const char* path) {
      const std::string type = device.Type(path);
      return type.empty() || type == "null" ? 0.0 : device.Number(path);
    };
    slow_ms = number("$.smaller.slow_ms");
    hot_celsius = number("$.smaller.hot_celsius");
    temperature = device.Text("$.smaller.temperature");
  }
  bool asked;
  double slow_ms, hot_celsius;
  std::string temperature;
};

// Look how warm it is; where nothing tells, all stays as it was.
void Feel(Sparing& sparing, const Limits& limits) {
  if (limits.hot_celsius == 0) return;
  try {
    sparing.Felt(CelsiusOf(limits.temperature), limits.hot_celsius);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nothing tells how warm it is: %s\n", error.what());
  }
}

// Let the model answer that is to answer now, and say so where it takes over.
void Suit(std::unique_ptr<DeviceModel>& model, const Sparing& sparing) {
  const bool smaller = !sparing.why.empty();
  if (smaller == model->IsSmaller()) return;
  if (!model->HasSmaller()) {
    std::fprintf(stderr, "it is %s, and this model has no smaller file\n", sparing.why.c_str());
    return;
  }
  try {
    model = std::make_unique<DeviceModel>(model->Folder(), smaller);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "the other file of this model cannot be opened: %s\n", error.what());
    return;
  }
  const std::string which =
      smaller ? "the smaller model answers: it is " + sparing.why : "the usual one again";
  std::fprintf(stderr, "from now on %s\n", which.c_str());
}

// The answer for a photo, as it is queued; one that cannot be read stops no other.
JsonObject Answer(DeviceModel& model, const std::string& photo, const Limits& limits,
                  Sparing& sparing, int& failed) {
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  const auto began = Clock::now();
  const Json& facts = model.Facts();
  JsonObject entry;
  entry.Add("request_id", Sql(":memory:").Run("SELECT lower(hex(randomblob(16)))")[0][0])
      .Add("at", Now())
      .Add("bundle", facts.Text("$.bundle"))
      .Add("version", static_cast<int64_t>(facts.Number("$.version")))
      .Add("digest", facts.Text("$.digest"));
  if (model.IsSmaller()) entry.Add("degraded", sparing.why);
  try {
    const std::vector<uint8_t> pixels = model.Read(photo);
    const auto asked = Clock::now();
    const std::vector<float> scores = model.Scores(pixels);
    if (limits.slow_ms > 0) sparing.Took(Milliseconds(Clock::now() - asked).count(), limits.slow_ms);
    model.Say(scores, entry);
    std::printf("%s  %s\n", model.InWords(scores).c_str(), photo.c_str());
  } catch (const std::exception& error) {
    const bool domain = dynamic_cast<const std::domain_error*>(&error) != nullptr;
    entry.Add("error", domain ? "no number" : "cannot be read");
    std::fprintf(stderr, "%s: %s\n", photo.c_str(), error.what());
    failed = 1;
  }
  return entry.Add("latency_ms", Milliseconds(Clock::now() - began).count());
}

int AnswerAll(const fs::path& root, const Json& device, const std::vector<std::string>& photos) {
  const auto most = static_cast<int64_t>(device.Number("$.most_waiting"));
  const Limits limits(device);
  std::unique_ptr<Queue> queue;
  Sparing sparing;
  try {
    queue = std::make_unique<Queue>((root / "queue.db").string(), most);
    if (limits.asked) sparing = Sparing::Read(queue->Sparing());
    // Where that limit was taken away.
    if ((sparing.why == "hot" ? limits.hot_celsius : limits.slow_ms) == 0) sparing.why.clear();
  } catch (const std::exception&) {
    queue.reset();  // which the first answer tells of
  }
  std::unique_ptr<DeviceModel> model = OpenedModel(Slots(root, ProveApart), !sparing.why.empty());
  int failed = 0;
  for (const std::string& photo : photos) {
    Feel(sparing, limits);
    Suit(model, sparing);
    const JsonObject entry = Answer(*model, photo, limits, sparing, failed);
    try {
      if (!queue) queue = std::make_unique<Queue>((root / "queue.db").string(), most);
      queue->Put(entry, limits.asked ? sparing.Text() : "");
    } catch (const std::exception& error) {
      queue.reset();
      std::fprintf(stderr, "not queued: %s\n", error.what());
    }
  }
  return failed;
}

int Main(const std::vector<std::string>& words) {
  const std::string command = words.empty() ? "" : words[0];
  const std::vector<std::string> rest(words.begin() + !words.empty(), words.end());
  if (command == "prove" && rest.size() == 1) {
    std::string wrong = DeviceModel(rest[0]).Failures();
    DeviceModel smaller(rest[0], true);
    if (wrong.empty() && smaller.IsSmaller()) wrong = smaller.Failures();
    std::printf("%s\n", wrong.empty() ? "as verified" : wrong.c_str());
    return wrong.empty() ? 0 : 3;
  }
  const fs::path root = ThisProgram().parent_path();
  const Json device(ReadFile(root / "device.json"));
  const std::string name = device.Text("$.name"), collector = device.Text("$.collector");
  if (command == "answer" && !rest.empty()) return AnswerAll(root, device, rest);
  Slots slots(root, ProveApart);
  if (command == "update" && rest.size() == 1) {
    const std::string told = slots.Update(rest[0], name, device.Text("$.update_key"));
    std::printf("%s\n", told.c_str());
    return told.rfind("refused", 0) == 0 ? 3 : 0;
  }
  const auto most = static_cast<int64_t>(device.Number("$.most_waiting"));
  Queue queue((root / "queue.db").string(), most);
  if (command == "send" && !collector.empty()) {
    const char* token = std::getenv(device.Text("$.token_from").c_str());
    try {
      const int64_t sent = queue.Drain(name, [&](const std::string& batch) {
        return Post(collector, token ? token : "", batch);
      });
      std::printf("%lld sent\n", static_cast<long long>(sent));
      return 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%lld wait for the next time: %s\n",
                   static_cast<long long>(queue.Waiting()), error.what());
      return 1;
    }
  }
  if (command == "status") {
    JsonObject told;
    told.AddJson("state", slots.State().Whole())
        .Add("waiting", queue.Waiting())
        .Add("dropped", queue.Dropped())
        .Add("doubted", queue.Doubted());
    if (Limits(device).asked) told.AddJson("smaller", Sparing::Read(queue.Sparing()).Text());
    std::printf("%s\n", told.Text().c_str());
    return 0;
  }
  std::fprintf(stderr,
               "device answer photo.ppm …\ndevice send (with a collector in device.json)\n"
               "device update FOLDER\ndevice status\n");
  return 2;
}

}  // namespace

int main(int count, char** words) {
  try {
    return Main({words + 1, words + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
