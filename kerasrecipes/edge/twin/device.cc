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
std::unique_ptr<DeviceModel> OpenedModel(Slots slots) {
  const fs::path slot = slots.Start();
  try {
    return std::make_unique<DeviceModel>(slot);
  } catch (const std::exception&) {
    const fs::path other = slots.Damaged();
    if (other.empty()) throw;
    return std::make_unique<DeviceModel>(other);
  }
}

// The answer for a photo, as it is queued; one that cannot be read stops no other.
JsonObject Answer(DeviceModel& model, const std::string& photo, int& failed) {
  const auto began = std::chrono::steady_clock::now();
  const Json& facts = model.Facts();
  JsonObject entry;
  entry.Add("request_id", Sql(":memory:").Run("SELECT lower(hex(randomblob(16)))")[0][0])
      .Add("at", Now())
      .Add("bundle", facts.Text("$.bundle"))
      .Add("version", static_cast<int64_t>(facts.Number("$.version")))
      .Add("digest", facts.Text("$.digest"));
  try {
    const std::vector<float> scores = model.Scores(photo);
    model.Say(scores, entry);
    std::printf("%s  %s\n", model.InWords(scores).c_str(), photo.c_str());
  } catch (const std::exception& error) {
    const bool domain = dynamic_cast<const std::domain_error*>(&error) != nullptr;
    entry.Add("error", domain ? "no number" : "cannot be read");
    std::fprintf(stderr, "%s: %s\n", photo.c_str(), error.what());
    failed = 1;
  }
  const std::chrono::duration<double, std::milli> waited = std::chrono::steady_clock::now() - began;
  return entry.Add("latency_ms", waited.count());
}

int AnswerAll(const fs::path& root, int64_t most, const std::vector<std::string>& photos) {
  const std::unique_ptr<DeviceModel> model = OpenedModel(Slots(root, ProveApart));
  std::unique_ptr<Queue> queue;
  int failed = 0;
  for (const std::string& photo : photos) {
    const JsonObject entry = Answer(*model, photo, failed);
    try {
      if (!queue) queue = std::make_unique<Queue>((root / "queue.db").string(), most);
      queue->Put(entry);
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
    const std::string wrong = DeviceModel(rest[0]).Failures();
    std::printf("%s\n", wrong.empty() ? "as verified" : wrong.c_str());
    return wrong.empty() ? 0 : 3;
  }
  const fs::path root = ThisProgram().parent_path();
  const Json device(ReadFile(root / "device.json"));
  const std::string name = device.Text("$.name"), collector = device.Text("$.collector");
  const auto most = static_cast<int64_t>(device.Number("$.most_waiting"));
  if (command == "answer" && !rest.empty()) return AnswerAll(root, most, rest);
  Slots slots(root, ProveApart);
  if (command == "update" && rest.size() == 1) {
    const std::string told = slots.Update(rest[0], name, device.Text("$.update_key"));
    std::printf("%s\n", told.c_str());
    return told.rfind("refused", 0) == 0 ? 3 : 0;
  }
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
    const JsonObject told = JsonObject()
                                .AddJson("state", slots.State().Whole())
                                .Add("waiting", queue.Waiting())
                                .Add("dropped", queue.Dropped())
                                .Add("doubted", queue.Doubted());
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
